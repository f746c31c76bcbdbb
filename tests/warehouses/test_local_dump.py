"""The recipes without Meltano do what they say, also over several days on which things fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from support.harness import DAY, INCREMENTAL, PRESENT, STREAMS, key_of, queries, sandbox
from support.pages import DOCS, block
from support.warehouses import Expected, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.warehouses import Project, Row

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

DAILY = "Every day without Meltano"
LOOKBACK = timedelta(days=7)
START = json.loads(block("A local dump", "json"))["start_date"]
TAP = """#!{python}
import os
from datetime import datetime
from tap_crowdtwist.cli import main
from tap_crowdtwist.tap import TapCrowdTwist

class Tap(TapCrowdTwist):
    now = staticmethod(lambda: datetime.fromisoformat(os.environ["NOW"]))

main(tap=Tap)
"""


class Directory:
    """A directory with a `config.json`, and a sandbox of which the tap there reads all members.

    Attributes:
        day: the day on which both live.
    """

    def __init__(self, pipeline: Project, loaders: Path, running: Sandbox) -> None:
        self.root, self.running, self.day = pipeline.root, running, 0
        self._pipeline = pipeline
        config: dict[str, Any] = json.loads(block("A local dump", "json"))
        self.roster = self.root / config["user_ids_path"]
        self.write_roster()
        hosts = {"api_url": running.api_url, "pos_url": running.pos_url}
        # With one request at a time, the same requests meet the sandbox's faults in every run.
        rate = {"requests_per_minute": 1_000_000, "max_concurrency": 1}
        config |= {"api_key": running.api_key, **hosts, **rate}
        (self.root / "config.json").write_text(json.dumps(config), encoding="utf-8")
        programs = self.root / "programs"
        programs.mkdir()
        tap = programs / "tap-crowdtwist"
        tap.write_text(TAP.format(python=sys.executable), encoding="utf-8")
        tap.chmod(0o755)
        target = loaders / ".meltano" / "loaders" / "target-jsonl" / "venv" / "bin"
        self._path = os.pathsep.join(map(str, (programs, target, os.environ["PATH"])))

    def write_roster(self) -> None:
        members = "".join(f"{member}\n" for member in self.running.roster())
        self.roster.write_text(f"member_id\n{members}", encoding="utf-8")

    def advance(self) -> None:
        self.day += 1
        self.running.advance()
        self.write_roster()
        self.running.reset()

    def run(self, command: str, code: int = 0) -> str:
        """Run a command in bash, and return what it prints."""
        settings = {"PATH": self._path, "NOW": str(PRESENT + self.day * DAY)}
        with self._pipeline.running(["bash", "-c", command], **settings) as process:
            output = "".join(process.communicate(timeout=60))
        assert process.returncode == code, output
        return output

    def rows(self, stream: str, folder: str = ".") -> list[Row]:
        """All rows of a stream, those of later runs last."""
        files = sorted((self.root / folder).glob(f"{stream}-*.jsonl"))
        lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
        return list(map(json.loads, lines))


@pytest.fixture
def directory(pipeline: Project, loaders: Path) -> Iterator[Directory]:
    with sandbox(members=8) as running:
        yield Directory(pipeline, loaders, running)


def test_a_local_dump(directory: Directory) -> None:
    first, dump = block("A local dump", "console").splitlines()

    directory.run(dump)

    definition = yaml.safe_load((DOCS.parent / "meltano.yml").read_text(encoding="utf-8"))
    pins = [loader["pip_url"] for loader in definition["plugins"]["loaders"]]
    assert first.removeprefix("pipx install ") in pins
    for stream in ("activities", "users", "user_rewards"):
        (file,) = directory.root.glob(f"{stream}-*.jsonl")
        assert re.fullmatch(rf"{stream}-\d{{8}}T\d{{6}}\.jsonl", file.name)
        rows = texts(stream, directory.rows(stream))
        assert rows == texts(stream, directory.running.expected_rows(stream))


def test_what_there_is_is_told_before_the_first_run(directory: Directory) -> None:
    output = directory.run(block("What there is, before the first run", "console"))

    catalog = json.loads((directory.root / "catalog.json").read_text(encoding="utf-8"))
    assert {entry["tap_stream_id"] for entry in catalog["streams"]} >= set(STREAMS)
    assert re.search(r"(?m)^ok +roster +8 members", output)
    assert "user_ids_column" in output


@pytest.mark.skipif(shutil.which("flock") is None, reason="the crontab needs flock, of Linux")
def test_a_dump_every_day_loses_nothing_on_bad_days(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roster is missing, the target fails, members fail; then a good day has all rows."""
    root, running = directory.root, directory.running
    state = root / "state.json"
    script = root / "sync.sh"
    script.write_text(block(DAILY, "bash"), encoding="utf-8")
    script.chmod(0o755)
    crontab = block(DAILY, "text").removeprefix("0 2 * * * ")
    from_cron = crontab.replace("/srv/crowdtwist", str(root))
    expected = {stream: Expected(stream) for stream in INCREMENTAL}

    def add_expected() -> None:
        for stream, dated in INCREMENTAL.items():
            rows = list(running.expected_rows(stream))
            expected[stream].add([row for row in rows if row[dated] >= START])

    def present() -> tuple[bytes, list[str]]:
        return state.read_bytes(), sorted(path.name for path in (root / "rows").iterdir())

    assert not directory.run(from_cron)
    add_expected()
    first, members = present(), running.roster()

    directory.advance()
    add_expected()
    directory.roster.unlink()
    assert "there is no file" in directory.run(from_cron)
    assert present() == first

    directory.write_roster()
    output = directory.run("ulimit -f 48; ./sync.sh", code=1)  # as if the disk were full
    assert "File too large" in output
    assert "The target stopped reading" in output
    assert any((root / "new").iterdir())
    assert present() == first

    directory.advance()
    add_expected()
    running.set_faults("access_denied=0.5")
    directory.run("./sync.sh", code=1)
    answered = {
        request["path"].split("/")[2]
        for request in running.requests()
        if request["status"] == 200 and request["path"].endswith("/purchases")
    }
    failed = set(running.roster()) - answered
    running.set_faults()
    assert 0 < len(failed) < len(running.roster())
    since = {m: {bound(0)} if m in members else {START} for m in running.roster()}
    assert purchases_since(running) == since
    assert present()[0] != first[0]

    directory.advance()
    add_expected()
    assert not directory.run(from_cron)
    later = {m: {bound(2)} if m in since else {START} for m in running.roster()}
    assert purchases_since(running) == later | {member: since[member] for member in failed}
    check_rows(directory, expected)
    monkeypatch.chdir(root)
    check_query(directory)


def check_rows(directory: Directory, expected: dict[str, Expected]) -> None:
    """Check that the files have all rows of incremental streams, and the present ones of others."""
    for stream in STREAMS:
        newest = {key_of(stream, row): row for row in directory.rows(stream, "rows")}
        rows = texts(stream, newest.values())
        if stream in INCREMENTAL:
            assert rows == expected[stream].rows, stream
        elif newest:
            # Rows that the program no longer has stay in the files.
            present = texts(stream, directory.running.expected_rows(stream))
            assert set(rows) >= set(present), stream


def check_query(directory: Directory) -> None:
    """Check that the page's SQL gives the newest row of each key."""
    sql = block("The newest row of each key", "sql")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT id, total_points FROM ({sql})").fetchall()  # noqa: S608 - the page's
    newest = {row["id"]: row.get("total_points") for row in directory.rows("users", "rows")}
    assert len(directory.rows("users", "rows")) > len(newest)
    assert sorted(found) == sorted(newest.items())


def bound(day: int) -> str:
    """The first day of purchases that is requested after a complete sweep on a day."""
    return str((PRESENT + day * DAY - LOOKBACK).date())


def purchases_since(running: Sandbox) -> dict[str, set[str]]:
    """The days from which the purchases of each member were requested."""
    found = defaultdict(set)
    for _, path, query in queries(running):
        if path.endswith("/purchases"):
            found[path.split("/")[2]].add(query["date_start"])
    return dict(found)

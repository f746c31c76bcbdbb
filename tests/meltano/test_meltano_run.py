"""`meltano run`, for real: what arrives is what the sandbox holds, today and a day later."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.pages import block

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.demo_project import MeltanoError
from crowdtwist_sandbox.demo_warehouse import ExpectedKeys, Warehouse
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crowdtwist_sandbox.demo_project import MeltanoProject

    Row = dict[str, Any]

pytest_plugins = ["support.meltano_fixtures"]
MEMBERS = 25
KEYS = {stream.name: tuple(stream.primary_keys) for stream in API_STREAMS}
ACTIVITIES = re.compile(r"/users/(\d+)/activities$")
INCREMENTAL = {"user_activity_history", "purchases", "redemptions"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=MEMBERS, seed=5)) as sandbox:
        yield sandbox


def sync(project: MeltanoProject, sandbox: Sandbox, loader: str, **settings: str) -> None:
    """Run every stream into a loader, for the members of the sandbox's present day."""
    project.run(["tap-crowdtwist", loader], environment(project, sandbox) | settings)


def environment(project: MeltanoProject, sandbox: Sandbox) -> dict[str, str]:
    """Settings that read every stream of all members of the sandbox's present day."""
    roster = project.root / "members.txt"
    roster.write_text("\n".join(sandbox.roster()), encoding="utf-8")
    return {
        "TAP_CROWDTWIST_API_KEY": sandbox.api_key,
        "TAP_CROWDTWIST_API_URL": sandbox.api_url,
        "TAP_CROWDTWIST_POS_URL": sandbox.pos_url,
        "TAP_CROWDTWIST_USER_IDS_PATH": str(roster),
        "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "10000",
        "TAP_CROWDTWIST__SELECT": '["*.*"]',
        "TARGET_DUCKDB_PATH": str(project.root / "warehouse.duckdb"),
        "TARGET_JSONL_DESTINATION_PATH": str(project.root / "jsonl"),
    }


def key(stream: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS[stream])


def keyed(stream: str, rows: Iterable[Row]) -> list[Row]:
    """Leave out the rows whose id the API does not send, which the truth cannot know."""
    return [row for row in rows if None not in key(stream, row)]


@pytest.mark.timeout(240)
def test_duckdb_holds_the_truth_of_both_days(project: MeltanoProject, sandbox: Sandbox) -> None:
    warehouse = Warehouse(project.root / "warehouse.duckdb")
    truth = {stream: ExpectedKeys(names) for stream, names in KEYS.items()}

    for day in (0, 1):
        sync(project, sandbox, "target-duckdb")

        for stream, expected in truth.items():
            rows = list(sandbox.expected_rows(stream))
            expected.add(rows)
            assert rows, stream
            assert warehouse.count(stream) == len(expected), stream
            assert expected.differences(warehouse.keys(stream, KEYS[stream])) == [], stream
            found = {key(stream, row): row for row in loaded(warehouse, stream)}
            for row in keyed(stream, rows):
                assert comparable(found[key(stream, row)], row) == comparable(row, row), stream
        if day == 0:
            sandbox.advance()


def loaded(warehouse: Warehouse, stream: str) -> Iterator[Row]:
    """Read a table back in the forms of the truth."""
    columns, rows = warehouse.query(f'SELECT * FROM crowdtwist."{stream}"')  # noqa: S608 - our own names
    types = dict(
        warehouse.query(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?",
            [stream],
        )[1]
    )
    for row in rows:
        yield {name: told(value, types[name]) for name, value in zip(columns, row, strict=True)}


def told(value: Any, kind: str) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return json.loads(value) if kind == "JSON" and value is not None else value


def comparable(row: Row, like: Row) -> Row:
    """Leave out what target-duckdb does not tell apart: null, empty text, nothing in a list."""
    return {name: row.get(name) for name in like if row.get(name) not in ("", None, [], {})}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_json_lines_hold_what_each_run_is_about(project: MeltanoProject, sandbox: Sandbox) -> None:
    sync(project, sandbox, "target-jsonl")
    first = read(project.root / "jsonl")
    before = {stream: list(sandbox.expected_rows(stream)) for stream in KEYS}
    sandbox.advance()
    sync(project, sandbox, "target-jsonl")
    second = {
        stream: rows[len(first[stream]) :] for stream, rows in read(project.root / "jsonl").items()
    }
    after = {stream: list(sandbox.expected_rows(stream)) for stream in KEYS}

    for stream in KEYS:
        assert_same(stream, first[stream], before[stream])
        if stream in INCREMENTAL:
            known = {key(stream, row) for row in keyed(stream, before[stream])}
            new = {key(stream, row) for row in keyed(stream, after[stream])} - known
            assert new <= {key(stream, row) for row in second[stream]}, stream
            assert len(second[stream]) < len(after[stream]) / 2, stream
        else:
            assert_same(stream, second[stream], after[stream])


def read(directory: Path) -> dict[str, list[Row]]:
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(directory.glob("*.jsonl"))
    }


def assert_same(stream: str, rows: list[Row], truth: list[Row]) -> None:
    assert len(rows) == len(truth), stream
    assert max(Counter(key(stream, row) for row in rows).values()) == 1, stream
    found = {key(stream, row): row for row in rows}
    for row in keyed(stream, truth):
        assert {name: found[key(stream, row)].get(name) for name in row} == row, stream


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_stream_is_read_again_while_the_others_keep_their_state(
    project: MeltanoProject, sandbox: Sandbox
) -> None:
    settings = environment(project, sandbox) | {
        "TAP_CROWDTWIST__SELECT": '["purchases.*", "users.*"]'
    }
    project.run(["tap-crowdtwist", "target-jsonl"], settings)
    listed, shown = (
        shell(project, command, settings)
        for command in block("Look at the state", "console").splitlines()
    )
    assert listed.split() == ["dev:tap-crowdtwist-to-target-jsonl"]
    before = json.loads(shown)["singer_state"]["bookmarks"]
    sandbox.reset()

    shell(project, block("One stream again", "console"), settings)

    requests = [(request["path"], request["query"]) for request in sandbox.requests()]
    assert requests
    assert all(path.endswith("/purchases") for path, _ in requests)
    assert not any("date_start" in query for _, query in requests)
    after = json.loads(shell(project, f"meltano state get {listed}", settings))
    bookmarks = after["singer_state"]["bookmarks"]
    assert bookmarks["users"] == before["users"]
    bookmark = "replication_key_value"
    assert bookmarks["purchases"][bookmark] > before["purchases"][bookmark]


def shell(project: MeltanoProject, commands: str, settings: dict[str, str]) -> str:
    """Run commands of a page in the project, with JSON lines as the target.

    Returns:
        What they write to standard output.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", commands.replace("target-postgres", "target-jsonl")],
        cwd=project.root,
        env={**os.environ, **settings, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_failed_sync_shows_the_end_of_its_log(project: MeltanoProject, sandbox: Sandbox) -> None:
    with pytest.raises(MeltanoError, match="api_key") as caught:
        sync(project, sandbox, "target-jsonl", TAP_CROWDTWIST_API_KEY="made-up-key")

    message = str(caught.value)
    assert message.endswith("`meltano run tap-crowdtwist target-jsonl` ended with 1")
    assert "Traceback" not in message
    log = project.log.read_text(encoding="utf-8")
    assert "made-up-key" not in log
    (project.root / "run.log").write_text(log, encoding="utf-8")
    search = ["sh", "-euc", block("Find it in the log of Meltano", "console")]
    found = subprocess.run(
        search, cwd=project.root, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert "CrowdTwist rejected the credentials" in found.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_that_is_killed_leaves_a_state_from_which_the_next_goes_on(
    project: MeltanoProject,
) -> None:
    """The batch size is that of meltano.yml: at the loader's own, no state would be there yet."""
    warehouse = Warehouse(project.root / "warehouse.duckdb")
    with Sandbox(SandboxOptions(members=600, seed=5, latency_ms=20)) as sandbox:
        settings = environment(project, sandbox) | {
            "TAP_CROWDTWIST_CHECKPOINT_INTERVAL": "0",
            "TAP_CROWDTWIST_MAX_CONCURRENCY": "2",
            "TAP_CROWDTWIST__SELECT": '["user_activities.*"]',
        }
        with project.running(["run", "tap-crowdtwist", "target-duckdb"], settings) as process:
            while "Incremental state has been updated" not in project.log.read_text("utf-8"):
                assert process.poll() is None, project.log.read_text("utf-8")
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait(60) != 0
        members = {int(member) for member in sandbox.roster()}
        assert asked(sandbox) < members

        sandbox.reset()
        # For five minutes, Meltano takes a run that was killed without notice to be alive.
        project.run(["--force", "tap-crowdtwist", "target-duckdb"], settings)

        again = asked(sandbox)
        assert max(members) in again
        assert len(again) < len(members) * 3 / 4
        stream = "user_activities"
        truth = ExpectedKeys(KEYS[stream])
        truth.add(list(sandbox.expected_rows(stream)))
        assert warehouse.count(stream) == len(truth)
        assert truth.differences(warehouse.keys(stream, KEYS[stream])) == []


def asked(sandbox: Sandbox) -> set[int]:
    """The members whose activities a sandbox has been asked for."""
    paths = (request["path"] for request in sandbox.requests())
    return {int(found[1]) for path in paths if (found := ACTIVITIES.search(path))}

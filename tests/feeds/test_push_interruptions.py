"""A run may die anywhere between and inside files: the next one has every row, in order."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import select
from support.push_files import (
    ANYWHERE,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    table,
)

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 8
ROWS = 400
"""Rows of a file, the first of which tells of the same member in every file."""

NAMES = [name_of("PROFILE", day) for day in range(1, DAYS + 1)]


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    for day in range(1, DAYS + 1):
        rows = [{"id": 1, "first_name": f"day {day}"}]
        rows += [{"id": day * 10_000 + n, "first_name": f"day {day}"} for n in range(1, ROWS)]
        put(tmp_path / "in", name_of("PROFILE", day), table(*rows))
    return {"data_push_path": str(tmp_path / "in"), "checkpoint_interval": 0}


@dataclass
class Attempt:
    """A process that read the files, to its end or to its death."""

    exit_code: int
    messages: list[dict[str, Any]]
    stderr: str

    @property
    def last_state(self) -> int:
        """The place of the last STATE; what follows it does not count."""
        places = (n for n, message in enumerate(self.messages) if message["type"] == "STATE")
        return max(places, default=-1)

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.messages[self.last_state]["value"]
        return state


def attempt(
    folder: Path,
    config: dict[str, Any],
    state: dict[str, Any] | None,
    after: int,
    sig: signal.Signals = signal.SIGKILL,
) -> Attempt:
    """Run the tap, and send it a signal once it has written a number of bytes."""
    args = [sys.executable, "-m", "tap_crowdtwist"]
    catalog = select("push_users", paths=ANYWHERE)
    for name, content in {"config": config, "catalog": catalog, "state": state}.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(path)]
    output, sent = bytearray(), False
    with (
        (folder / "stderr").open("w+b") as err,
        subprocess.Popen(args, stdout=subprocess.PIPE, stderr=err) as process,
    ):
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 4096):
            output += chunk
            if not sent and len(output) >= after:
                process.send_signal(sig)
                sent = True
        code = process.wait(60)
        err.seek(0)
        whole = output[: output.rfind(b"\n") + 1].splitlines()
        return Attempt(code, [json.loads(line) for line in whole], err.read().decode())


def names_in(messages: list[dict[str, Any]]) -> list[str]:
    return [m["record"]["file_name"] for m in messages if m["type"] == "RECORD"]


def check_states(messages: list[dict[str, Any]]) -> None:
    """No STATE tells of a file of which a row comes after it, or came before only in part."""
    seen: dict[str, int] = {}
    for message in messages:
        if message["type"] == "RECORD":
            name = message["record"]["file_name"]
            seen[name] = seen.get(name, 0) + 1
        elif message["type"] == "STATE" and seen:
            entry = message["value"]["bookmarks"]["push_users"]
            if name := entry.get("replication_key_value"):
                assert seen.get(name, ROWS) % ROWS == 0, "a bookmark of a file not read whole"


def test_killed_anywhere_it_has_every_row_and_the_last_word(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    chance = random.Random(5)  # noqa: S311 - not a secret
    rows: dict[int, str] = {}
    state, deaths = None, 0
    while True:
        after = chance.randrange(3000, 700_000) if deaths < 12 else 10**9
        tried = attempt(tmp_path, config, state, after)
        check_states(tried.messages)
        for message in tried.messages[: tried.last_state + 1]:
            if message["type"] == "RECORD":
                rows[message["record"]["id"]] = message["record"]["first_name"]
        if tried.last_state >= 0:
            state = tried.state
        if tried.exit_code == 0:
            break
        assert tried.exit_code == -signal.SIGKILL, tried.stderr
        deaths += 1
    assert deaths > 1
    assert len(rows) == 1 + DAYS * (ROWS - 1)
    assert rows[1] == f"day {DAYS}"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_last_whole_file(
    tmp_path: Path, config: dict[str, Any], sig: signal.Signals
) -> None:
    long = name_of("PROFILE", DAYS + 1)
    put(tmp_path / "in", long, profiles(*range(60_000)))
    config["checkpoint_interval"] = 600
    tried = attempt(tmp_path, config, None, 3_000_000, sig)
    assert tried.exit_code == 128 + sig
    last = tried.stderr.splitlines()[-1]
    assert f"Stopped by {sig.name}; the next run resumes from the last STATE that" in last
    assert "Traceback" not in tried.stderr
    assert tried.messages[-1]["type"] == "STATE"
    entry = tried.state["bookmarks"]["push_users"]
    assert entry["replication_key_value"] == NAMES[-1]
    assert names_in(tried.messages)[-1] == long, "it ended inside this one"
    put(tmp_path / "in", long, profiles(3))
    assert ids(read(tmp_path / "in", state=tried.state)) == [3]


def test_a_state_follows_each_file_when_it_is_time(config: dict[str, Any]) -> None:
    result = read(config["data_push_path"], checkpoint_interval=0)
    check_states(result.messages)
    entries = [state["bookmarks"]["push_users"] for state in result.states]
    assert [*dict.fromkeys(e["replication_key_value"] for e in entries)] == NAMES
    assert len(read(config["data_push_path"]).states) <= 2


def test_a_run_that_breaks_off_after_a_late_file_reads_the_later_ones_again(
    tmp_path: Path,
) -> None:
    put_days(tmp_path, 1, 3, 4, 5)
    first = read(tmp_path)
    put_days(tmp_path, 2)
    sound = (tmp_path / name_of("PROFILE", 4)).read_bytes()
    (tmp_path / name_of("PROFILE", 4)).write_bytes(b"PK")
    broken = read(tmp_path, state=first.state, code=1)
    assert ids(broken) == [1, 102, 1, 103]
    (tmp_path / name_of("PROFILE", 4)).write_bytes(sound)
    assert ids(read(tmp_path, state=broken.state)) == [1, 104, 1, 105]

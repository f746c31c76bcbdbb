"""Captures are read while the receiver writes: each whole line once, none before its end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

import pytest
from support.harness import TODAY, sandbox
from support.live_events import NOW, Captures

from tap_crowdtwist.files.folder import File, FileSource
from tap_crowdtwist.streams import live_push

HOUR = timedelta(hours=1)
SOON = NOW + timedelta(minutes=5)
STREAM = "live_segments"


def event(number: int) -> dict[str, object]:
    return {"user_id": number, "name": "é" * (number % 3), "event": "entered"}


def members(result: object) -> list[int]:
    records = result.records  # type: ignore[attr-defined]
    return [row["user_id"] for row in records[STREAM]]


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path)


def test_a_run_goes_on_where_the_last_one_stopped(captures: Captures) -> None:
    captures.add(STREAM, event(1), event(2))
    first = captures.read(STREAM, present=SOON)
    captures.add(STREAM, event(3))
    captures.add(STREAM, event(4), at=NOW + HOUR)
    second = captures.read(STREAM, state=first.state, present=NOW + HOUR)
    third = captures.read(STREAM, state=second.state, present=NOW + 5 * HOUR)

    assert members(first) == [1, 2]
    assert first.state["bookmarks"][STREAM]["replication_key"] == "received_at"
    assert first.state["bookmarks"][STREAM]["replication_key_value"].startswith("2026-03-10T14:30")
    assert members(second) == [3, 4]
    assert second.state["bookmarks"][STREAM]["replication_key_value"].startswith("2026-03-10T15:30")
    assert members(third) == []
    assert "reading 0 of 2 files" in third.stderr


def test_a_line_without_its_end_is_left_for_later(captures: Captures) -> None:
    line = captures.line(event(2))
    for cut in (1, 20, len(line) - 1):
        captures.path(STREAM).unlink(missing_ok=True)
        captures.add(STREAM, event(1), rest=line[:cut])
        first = captures.read(STREAM, present=SOON)
        assert members(first) == [1]
        captures.add(STREAM, rest=line[cut:])
        assert members(captures.read(STREAM, state=first.state, present=SOON)) == [2]


def test_a_line_that_never_ended_is_forgotten_with_its_hour(captures: Captures) -> None:
    captures.add(STREAM, event(1), rest='{"received_at": "2026-')
    first = captures.read(STREAM, present=SOON)
    later = captures.read(STREAM, state=first.state, present=NOW + 5 * HOUR)
    last = captures.read(STREAM, state=later.state, present=NOW + 6 * HOUR)

    assert members(first) == [1]
    assert members(later) == members(last) == []
    assert "reading 0 of 1 files" in last.stderr
    assert last.state["bookmarks"][STREAM]["offsets"] == {}


def test_captures_that_arrive_late_are_read(captures: Captures) -> None:
    captures.add(STREAM, event(2))
    first = captures.read(STREAM, present=NOW + 5 * HOUR)
    captures.add(STREAM, event(1), at=NOW - 100 * HOUR)
    captures.add(STREAM, event(3), instance="ffffffff")
    second = captures.read(STREAM, state=first.state, present=NOW + 6 * HOUR)

    assert set(members(second)) == {1, 2, 3}  # the other file of the hour comes again, by its key
    assert members(captures.read(STREAM, state=second.state, present=NOW + 6 * HOUR)) == []


def test_a_line_that_is_not_the_receivers_ends_the_stream_there(captures: Captures) -> None:
    captures.add(STREAM, event(1), event(2))
    captures.add(STREAM, rest="\x00\x00\n")
    captures.add(STREAM, event(3))
    captures.add("live_users", {"id": 1})

    failed = captures.read(STREAM, "live_users", present=SOON, code=1)

    assert members(failed) == [1, 2]
    assert len(failed.records["live_users"]) == 1
    name = captures.path(STREAM).name
    assert f"Setting `live_push_path`: line 3 of '{name}' is not a line that" in failed.last_line
    captures.path(STREAM).write_text(captures.line(event(1)), encoding="utf-8")
    mended = captures.read(STREAM, state=failed.state, present=SOON)
    assert members(mended) == [1]


def test_a_file_system_that_fails_ends_the_stream_alone(
    captures: Captures, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SessionError(Exception):
        pass

    def fail(_folder: FileSource, file: File) -> IO[bytes]:
        if file.feed == STREAM:
            raise SessionError("closed for somebody@example.test")
        return Path(file.path).open("rb")

    monkeypatch.setattr(FileSource, "open", fail)
    captures.add(STREAM, event(1))
    captures.add("live_users", {"id": 1})

    result = captures.read(STREAM, "live_users", code=1)

    assert len(result.records["live_users"]) == 1
    assert "cannot be read: SessionError" in result.last_line
    assert "somebody" not in result.stderr


@pytest.mark.parametrize("line", ["[]", "{}", '{"received_at": 1, "event": {}}', '"x"'])
def test_other_json_is_not_the_receivers_either(captures: Captures, line: str) -> None:
    captures.add(STREAM, rest=line + "\n")
    assert "line 1 of" in captures.read(STREAM, code=1).last_line


def test_the_state_does_not_grow_with_hours_and_files(captures: Captures) -> None:
    for hour in range(500):
        captures.add(STREAM, event(hour), at=NOW - hour * HOUR)
    for number in range(60):
        captures.add(STREAM, event(number), instance=f"{number:08x}")

    state = captures.read(STREAM, present=SOON).state
    stored = state["bookmarks"][STREAM]

    assert len(json.dumps(stored)) < 4096
    assert len(stored["offsets"]) <= 10
    again = captures.read(STREAM, state=state, present=SOON)
    assert len(members(again)) < 100


def test_what_is_remembered_of_repeats_is_bounded(
    captures: Captures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_push, "MAX_RECENT_EVENTS", 10)
    captures.add(STREAM, *(event(number) for number in (*range(20), 19, 0)))

    assert members(captures.read(STREAM)) == [*range(20), 0]


def test_everything_is_read_again_as_a_full_table(captures: Captures) -> None:
    captures.add(STREAM, event(1))
    first = captures.read(STREAM, present=SOON)

    assert members(captures.read(STREAM, state=first.state, present=SOON)) == []
    again = captures.read(STREAM, state=first.state, present=SOON, method="FULL_TABLE")
    assert members(again) == [1]


def test_reading_while_writing_brings_each_event_once(captures: Captures) -> None:
    lines = [captures.line(event(number)) for number in range(3000)]

    def write() -> None:
        with captures.path(STREAM).open("ab", buffering=0) as file:
            for line in lines:
                raw = line.encode()
                file.write(raw[: len(raw) // 2])
                file.write(raw[len(raw) // 2 :])

    captures.path(STREAM).touch()
    writer = threading.Thread(target=write)
    writer.start()
    found: list[int] = []
    state = None
    alive = True
    while alive:
        alive = writer.is_alive()
        result = captures.read(STREAM, state=state, present=SOON)
        state = result.state
        found += members(result)
    writer.join()

    assert found == list(range(3000))


def test_the_receiver_and_the_tap_agree(tmp_path: Path) -> None:
    """What the sandbox posts the receiver stores, repeats and all, and the tap reads it once."""
    command = [sys.executable, "-m", "crowdtwist_receiver", "--port", "0", "--max-seconds", "60"]
    captures = Captures(tmp_path / "live")
    with (
        sandbox(members=60, today=TODAY) as running,
        subprocess.Popen(
            [*command, "--directory", str(captures.root)],
            env={"CROWDTWIST_RECEIVER_API_KEY": "a key"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process,
    ):
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        posted = running.post_live_push(f"{url}/live", api_key="a key", day=1)
        lines = sum(
            len(path.read_text(encoding="utf-8").splitlines()) for path in captures.root.iterdir()
        )
        running.advance()
        process.terminate()
        process.communicate(timeout=20)
        result = captures.read(present=datetime.now(timezone.utc))
        truth = {
            row["user_activity_id"]: row["num_points"]
            for row in running.expected_rows("user_activity_history")
            if str(row["date_created"]).startswith("2026-03-11") and row["user_activity_id"]
        }

    assert sum(posted.values()) == lines > sum(map(len, result.records.values()))
    records = result.records["live_activities"]
    found = {row["user_activity_id"]: row["num_points"] for row in records}
    assert len(found) == len(records) >= len(truth) > 0
    assert truth.items() <= found.items()

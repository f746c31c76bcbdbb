"""`sample_members` reads a part of the roster, and leaves no trace in the state of its streams."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import (
    DAY,
    MEMBER_STREAMS,
    PRESENT,
    Result,
    canonical,
    config_of,
    key_of,
    process_untouched,
    run_tap,
    sandbox,
    select,
    tap_at,
)
from support.mortal_writer import CrashError, MortalWriter

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

SOME_STREAMS = ("purchases", "redemptions", "user_rewards", "users")
Rows = dict[str, dict[tuple[Any, ...], Any]]


def rows_by_key(*runs: Result) -> Rows:
    """The rows that a warehouse has after some runs: of each key the last one."""
    found: Rows = {stream: {} for stream in MEMBER_STREAMS}
    for run in runs:
        for stream in MEMBER_STREAMS:
            rows = run.records.get(stream, [])
            keys = (key_of(stream, row) for row in rows)
            found[stream] |= dict(zip(keys, canonical(stream, rows), strict=True))
    return found


def entries_of(run: Result) -> dict[str, Any]:
    """The state that a run leaves, without streams of which it says nothing."""
    return {stream: entry for stream, entry in run.state["bookmarks"].items() if entry}


def members_of(run: Result) -> list[int]:
    return [row["id"] for row in run.records["users"]]


def summary_of(run: Result) -> dict[str, Any]:
    (text,) = re.findall(r"Summary: (\{.*\})", run.stderr)
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_sample_of_members_is_read_whole(world: Sandbox) -> None:
    sample, whole = (
        run_tap(world, *MEMBER_STREAMS, sample_members=10),
        run_tap(world, *MEMBER_STREAMS),
    )
    members = members_of(sample)
    assert 8 <= len(members) <= 10  # some members are deleted
    assert members != members_of(whole)[: len(members)]
    every = rows_by_key(whole)
    for stream, rows in rows_by_key(sample).items():
        owner = 0 if stream == "users" else "user_id"
        wanted = {
            key: row
            for key, row in every[stream].items()
            if (key[0] if owner == 0 else row["user_id"]) in members
        }
        assert rows == wanted


def test_the_summary_says_so(world: Sandbox) -> None:
    sample = run_tap(world, "users", sample_members=10)
    assert summary_of(sample)["sample_members"] == 10
    assert summary_of(sample)["members"] == 10
    assert "Only a sample of 10 members was read (`sample_members`)" in sample.stderr
    assert "sample" not in run_tap(world, "users").stderr


def test_no_run_is_complete(world: Sandbox) -> None:
    # Not even if the sample is the whole roster.
    for size in (10, 1_000):
        (row, *_) = run_tap(world, "users", "sync_runs", sample_members=size).records["sync_runs"]
        assert row["is_complete"] is False
        assert row["incomplete_reason"] == "only a sample of the members was read"


def test_a_later_run_without_it_reads_everything(world: Sandbox) -> None:
    sample = run_tap(world, *SOME_STREAMS, sample_members=10)
    assert not entries_of(sample)
    later = run_tap(world, *SOME_STREAMS, state=sample.state)
    assert rows_by_key(later) == rows_by_key(run_tap(world, *SOME_STREAMS))


def test_the_state_of_a_complete_sweep_stays_as_it_is(world: Sandbox) -> None:
    whole = run_tap(world, *SOME_STREAMS, vanished_rows="forget")
    state = json.loads(json.dumps(whole.state))
    later: dict[str, Any] = {"present": PRESENT + DAY, "vanished_rows": "forget"}
    sample = run_tap(world, *SOME_STREAMS, sample_members=10, state=state, **later)
    assert [each["bookmarks"] for each in sample.states] == [whole.state["bookmarks"]] * len(
        sample.states
    )
    assert "ACTIVATE_VERSION" not in {message["type"] for message in sample.messages}
    # It used no bookmark.
    first = run_tap(world, *SOME_STREAMS, sample_members=10)
    assert len(sample.records["purchases"]) == len(first.records["purchases"])


@pytest.mark.parametrize("life", [20, 250])
def test_a_sweep_that_is_under_way_goes_on_after_a_sample(world: Sandbox, life: int) -> None:
    catalog = select(*SOME_STREAMS)
    settings: dict[str, Any] = {"checkpoint_interval": 0, "vanished_rows": "forget"}
    writer = MortalWriter(life)
    with process_untouched(), redirect_stdout(io.StringIO()):
        tap = tap_at(PRESENT)(
            config=config_of(world, **settings), catalog=catalog, message_writer=writer
        )
        with pytest.raises(CrashError):
            tap.sync()
    states = [n for n, message in enumerate(writer.messages) if message["type"] == "STATE"]
    lines = (json.dumps(message) for message in writer.messages[: states[-1] + 1])
    begun = Result(0, "\n".join(lines), "")

    sample = run_tap(world, catalog=catalog, state=begun.state, sample_members=10, **settings)
    assert entries_of(sample) == entries_of(begun)
    rest = run_tap(world, catalog=catalog, state=sample.state, **settings)

    assert "Resuming the interrupted run" in rest.stderr or life == 20
    assert rows_by_key(begun, rest) == rows_by_key(run_tap(world, *SOME_STREAMS))
    # What the sample wrote is not older for the target than what the sweep wrote before.
    versions = [m["version"] for run in (begun, sample) for m in run.messages if m.get("version")]
    assert versions == sorted(versions)


def test_members_that_fail_are_said_and_not_listed_in_the_state() -> None:
    with sandbox(members=40) as running:
        whole = run_tap(running, "users")
        running.set_faults("bad_gateway@2,3")
        sample = run_tap(running, "users", sample_members=10, state=whole.state, code=1)
    assert sample.state == whole.state
    assert re.search(r"Incomplete: 2 members failed in `users` \(.*\)$", sample.last_line)


def test_members_that_failed_before_are_no_matter_of_a_sample() -> None:
    with sandbox(members=40, faults="bad_gateway@2,3") as running:
        whole = run_tap(running, "users", code=1)
        running.set_faults("")
        sample = run_tap(running, "users", sample_members=10, state=whole.state)
        assert sample.state == whole.state
        rest = run_tap(running, "users", state=sample.state)
        assert sorted(members_of(rest)) == members_of(run_tap(running, "users"))


def test_it_can_be_combined_with_a_shard(world: Sandbox) -> None:
    parts = [run_tap(world, "users", sample_members=5, shard=f"{n}/2") for n in (1, 2)]
    first, second = (set(members_of(part)) for part in parts)
    assert not first & second
    assert all(4 <= len(part) <= 5 for part in (first, second))


def test_streams_of_files_are_read_whole(world: Sandbox, tmp_path: Path) -> None:
    world.write_data_push(tmp_path)
    settings: dict[str, Any] = {"data_push_path": str(tmp_path)}
    sample = run_tap(world, "users", "push_users", sample_members=5, **settings)
    whole = run_tap(world, "users", "push_users", **settings)
    assert sample.records["push_users"] == whole.records["push_users"]
    assert sample.state["bookmarks"]["push_users"] == whole.state["bookmarks"]["push_users"]


@pytest.mark.parametrize("mode", ["changed", "updated"])
def test_it_needs_a_sweep_of_all_members(world: Sandbox, tmp_path: Path, mode: str) -> None:
    settings: dict[str, Any] = {"sweep_members": mode, "data_push_path": str(tmp_path)}
    result = run_tap(world, "users", sample_members=5, code=1, **settings)
    assert (
        "Setting `sample_members`: is possible only if `sweep_members` is all" in result.last_line
    )


def test_the_file_of_missing_members_keeps_those_that_were_not_asked(
    world: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "missing.csv"
    settings: dict[str, Any] = {
        "missing_members_path": str(path),
        "user_ids": [1, 2, 3, *world.roster()],
    }
    run_tap(world, "users", **settings)
    listed = path.read_text(encoding="utf-8")
    run_tap(world, "users", sample_members=5, **settings)
    assert sorted(path.read_text(encoding="utf-8").split()) == sorted(listed.split())

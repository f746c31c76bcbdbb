"""A sweep of updated members: whom it reads, and what it leaves for the next one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import DAY, PRESENT, run_tap
from support.updated_members import DATED, STREAMS, TODAY_ENDS, Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_DATE_START = re.compile("date_start=([0-9-]+)")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A program after its first sweep of all members."""
    with Program(tmp_path, members=40) as program:
        assert not program.sync("all").said
        yield program


def updated_on(program: Program, day: int) -> set[str]:
    """Return the members whose profile was updated on a day, or who joined on it."""
    before = {row["id"]: row for row in program.running.expected_rows("users", day - 1)}
    return {
        str(row["id"])
        for row in program.running.expected_rows("users", day)
        if row["date_last_updated"] != before.get(row["id"], {}).get("date_last_updated")
    }


def test_each_day_has_every_dated_row_and_asks_only_for_whom_was_updated(program: Program) -> None:
    for _ in range(6):
        program.pass_day(deliver=False)
        outcome = program.sync()
        assert not outcome.said
        assert not program.lacks(streams=("users", *DATED))
        asked = {stream: program.asked(stream) for stream in ("users", "purchases")}
        assert asked["users"] == set(program.running.roster())
        assert updated_on(program, program.day) <= asked["purchases"] < asked["users"]


def test_what_the_last_sweep_of_all_left_stays(program: Program) -> None:
    before = json.loads(json.dumps(program.state["bookmarks"]))
    program.pass_day(deliver=False)
    assert not program.sync().said
    for stream in STREAMS:
        old, new = before[stream], program.entry(stream)
        assert new["profile_dates"].pop("read_at") > old["profile_dates"].pop("read_at")
        assert new["roster"].pop("swept_at") > old["roster"].pop("swept_at")
        # The roster has grown; only profiles use the digest of `users`, which `all` does not.
        assert new["profile_dates"].pop("roster") != old["profile_dates"].pop("roster")
        if stream == "users":
            for name in ("sums", "largest"):
                assert new["roster"].pop(name) != old["roster"].pop(name)
            new["profile_dates"].pop("lag"), old["profile_dates"].pop("lag")
        assert new == old


def test_the_next_sweep_of_all_reads_from_the_bound_of_the_last_one(program: Program) -> None:
    for _ in range(3):
        program.pass_day(deliver=False)
        assert not program.sync().said
    program.sync("all", lookback_days=0)
    bounds = {
        pair
        for request in program.running.requests()
        if request["path"].endswith("/purchases")
        for pair in request["query"].split("&")
        if pair.startswith("date_start")
    }
    assert bounds == {f"date_start={TODAY_ENDS:%Y-%m-%d}"}
    assert not program.lacks(streams=STREAMS)


def test_a_member_is_read_from_the_bound_that_a_sweep_of_all_would_use(tmp_path: Path) -> None:
    with Program(tmp_path, members=40) as program:
        newcomer, *others = program.running.roster()
        assert not program.sync("all", user_ids=others).said
        program.pass_day(deliver=False)
        assert not program.sync(lookback_days=1).said
        bounds = {
            request["path"].split("/")[-2]: "".join(_DATE_START.findall(request["query"]))
            for request in program.running.requests()
            if request["path"].endswith("/purchases")
        }
    # Whoever joined on that day is new too.
    assert bounds.pop(newcomer) == ""
    assert set(bounds.values()) - {""} == {f"{TODAY_ENDS - DAY:%Y-%m-%d}"}


def test_a_member_that_is_new_to_the_roster_is_read_though_its_profile_is_old(
    tmp_path: Path,
) -> None:
    with Program(tmp_path, members=40) as program:
        roster = program.running.roster()
        newcomer = roster.pop(7)
        assert not program.sync("all", user_ids=roster).said
        program.pass_day(deliver=False)
        outcome = program.sync()
        assert not outcome.said
        assert newcomer in program.asked("user_rewards")
        assert not program.lacks(streams=DATED)


def test_a_member_without_a_readable_profile_is_read(program: Program) -> None:
    program.pass_day(deliver=False)
    program.sync()
    quiet = sorted(set(program.running.roster()) - program.asked("purchases"))
    program.running.set_faults("bad_gateway@3")  # the third profile
    third = sorted(program.running.roster())[2]
    outcome = program.sync(max_concurrency=1)
    assert "1 member failed in `users`" in outcome.said
    assert third in program.asked("purchases")
    assert third in quiet or updated_on(program, 1)
    program.running.set_faults("")
    assert not program.sync().said


def test_a_member_that_failed_is_read_by_the_next_run(program: Program) -> None:
    program.pass_day(deliver=False)
    members = len(program.running.roster())
    program.running.set_faults(f"bad_gateway@{members + 2}")  # after all profiles
    outcome = program.sync(max_concurrency=1)
    assert "1 member failed in `points_expiration`" in outcome.said
    program.running.set_faults("")
    outcome = program.sync(later=DAY / 24 * 3)
    assert not outcome.said
    assert outcome.summary["points_expiration"]["asked"] >= 1
    assert not program.lacks(streams=("users", *DATED))


def test_members_that_crowdtwist_does_not_know_are_asked_for_once(program: Program) -> None:
    unknown = "999999999"
    roster = [*program.running.roster(), unknown]
    assert not program.sync("all", user_ids=roster).said
    program.pass_day(deliver=False)
    outcome = program.sync(user_ids=roster)
    assert not outcome.said
    assert unknown in program.asked("users")
    assert unknown not in program.asked("purchases")
    assert outcome.summary["users"]["missing"] >= 1


@pytest.mark.parametrize("id_type", ["email", "username"])
def test_members_may_be_known_by_any_id(tmp_path: Path, id_type: str) -> None:
    with Program(tmp_path, members=30) as program:
        program.settings = {"id_type": id_type, "user_ids": program.running.roster(id_type)}
        assert not program.sync("all").said
        program.pass_day(deliver=False)
        program.settings["user_ids"] = program.running.roster(id_type)
        outcome = program.sync()
        assert not outcome.said
        assert not program.lacks(streams=("users", *DATED))
        assert len(program.asked("users")) == len(program.settings["user_ids"])
        assert outcome.summary["purchases"]["asked"] < len(program.settings["user_ids"])


def test_shards_together_have_everything(program: Program) -> None:
    states: dict[str, Any] = {}
    for day in range(2):
        for shard in ("1/2", "2/2"):
            program.state = states.get(shard, {})
            outcome = program.sync("updated" if day else "all", shard=shard)
            assert not outcome.said
            states[shard] = program.state
        if not day:
            program.pass_day(deliver=False)
    assert not program.lacks(streams=("users", *DATED))


def test_the_output_does_not_depend_on_the_concurrency(program: Program) -> None:
    program.pass_day(deliver=False)
    outputs = set()
    for concurrency in (1, 7):
        result = run_tap(
            program.running,
            *STREAMS,
            state=program.state,
            present=PRESENT + DAY,
            sweep_members="updated",
            max_concurrency=concurrency,
        )
        outputs.add(result.stdout)
    assert len(outputs) == 1
    assert next(iter(result.schemas)) == "users", "the profiles tell whom to read"


def test_the_summary_counts_the_updated_and_names_the_age_of_the_last_sweep_of_all(
    program: Program,
) -> None:
    for _ in range(4):
        program.pass_day(deliver=False)
    result = run_tap(
        program.running,
        *STREAMS,
        state=program.state,
        present=PRESENT + 4 * DAY,
        sweep_members="updated",
        sweep_all_days=3,
    )
    assert "members were updated since the last sweep, or are new" in result.stderr
    assert "began 4 days ago, more than `sweep_all_days` allows" in result.stderr
    summary = json.loads(result.stderr.partition("Summary: ")[2].partition("\n")[0])
    assert summary["swept_all_at"] == "2026-03-11T00:00:00Z"
    assert 0 < summary["updated_members"] < summary["members"]
    again = run_tap(
        program.running,
        *STREAMS,
        state=program.state,
        present=PRESENT + 4 * DAY,
        sweep_members="updated",
    )
    assert "`sweep_all_days`" not in again.stderr

"""Nothing is lost by what a sweep of updated members leaves out, whatever came before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.harness import DAY
from support.updated_members import DATED, STREAMS, Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A program that has not been read yet."""
    with Program(tmp_path, members=40) as program:
        yield program


def test_a_roster_that_grew_while_a_sweep_of_all_was_interrupted_is_swept_again(
    program: Program,
) -> None:
    roster = program.running.roster()
    short = [member for member in roster if member != roster[2]]
    assert program.sync("all", user_ids=short, life=400).crashed
    assert not program.sync("all", user_ids=roster, later=DAY / 4).said
    outcome = program.sync(user_ids=roster, later=DAY / 2)
    assert "not all streams were read with one and the same roster" in outcome.said
    assert not program.sync("all", user_ids=roster, later=DAY / 2).said
    assert not program.sync(user_ids=roster, later=DAY / 2).said
    assert not program.lacks(streams=DATED)


def test_a_clock_that_was_ahead_is_named(program: Program) -> None:
    assert not program.sync("all").said
    assert not program.sync(later=3 * DAY).said
    program.pass_day(deliver=False)
    outcome = program.sync()
    assert "lies in the future, so a clock is or was wrong" in outcome.said
    assert not outcome.requests


def test_a_newcomer_whose_profile_failed_is_read_though_the_run_died(program: Program) -> None:
    roster = program.running.roster()
    newcomer = roster[2]
    assert not program.sync("all", user_ids=[m for m in roster if m != newcomer]).said
    program.running.set_faults("bad_gateway@3")
    assert program.sync(max_concurrency=1, life=len(roster) + 2).crashed
    program.running.set_faults("")
    assert not program.sync(later=DAY / 24).said
    assert newcomer in program.asked("purchases")
    assert not program.lacks(streams=DATED)


def test_newcomers_are_read_once(program: Program) -> None:
    roster = program.running.roster()
    assert not program.sync("all", user_ids=roster[5:]).said
    first = program.sync()
    assert set(roster[:5]) <= program.asked("purchases")
    assert not first.said
    assert not program.sync(later=DAY / 4).said
    assert not program.asked("purchases") & set(roster[:5])


def test_newcomers_are_read_again_if_a_stream_could_not_read_them(program: Program) -> None:
    roster = program.running.roster()
    assert not program.sync("all", user_ids=roster[5:]).said
    program.running.set_faults(f"bad_gateway@{len(roster) + 2}")
    outcome = program.sync(max_concurrency=1, max_failed_members=0, later=DAY / 8)
    assert "points_expiration: 1 members in a row failed" in outcome.said
    program.running.set_faults("")
    assert not program.sync(later=DAY / 4).said
    assert set(roster[:5]) <= program.asked("user_rewards")
    assert not program.lacks(streams=STREAMS)


def test_members_that_left_the_roster_cost_the_others_nothing_the_day_after(
    tmp_path: Path,
) -> None:
    with Program(tmp_path, members=60) as program:
        streams = ("users", "user_activity_history")
        roster = program.running.roster()
        assert not program.sync("all", streams=streams, user_ids=roster).said
        left = roster[::2]
        assert not program.sync(streams=streams, user_ids=left).said
        outcome = program.sync(streams=streams, user_ids=left, later=DAY / 4)
        assert not outcome.said
        assert outcome.summary["user_activity_history"]["asked"] <= 3


def test_profiles_dated_behind_the_clock_are_waited_for(program: Program) -> None:
    """A program whose clock is eight hours behind: its dates are older than they should be."""
    behind = DAY / 3
    assert not program.sync("all", later=behind).said
    for _ in range(3):
        program.pass_day(deliver=False)
        assert not program.sync(later=behind).said
        assert not program.lacks(streams=("users", *DATED))


def test_a_program_that_lacks_profiles_is_said(program: Program) -> None:
    assert not program.sync("all").said
    program.entry("users")["files"] = {"not_configured": True}
    outcome = program.sync()
    assert "run once with `sweep_members` all if the program lacked it" in outcome.said


def test_a_run_of_fewer_streams_does_not_hide_newcomers_from_the_others(program: Program) -> None:
    roster = program.running.roster()
    assert not program.sync("all", user_ids=roster[5:]).said
    assert not program.sync(streams=("users", "purchases"), later=DAY / 8).said
    outcome = program.sync(later=DAY / 4)
    assert not outcome.said
    assert set(roster[:5]) <= program.asked("user_rewards")
    assert not program.lacks(streams=STREAMS)


def test_members_whose_profile_failed_cost_the_others_nothing_the_day_after(
    program: Program,
) -> None:
    streams = ("users", "user_activity_history")
    assert not program.sync("all", streams=streams).said
    program.running.set_faults(",".join(f"bad_gateway@{number}" for number in range(5, 35, 2)))
    outcome = program.sync(streams=streams, max_concurrency=1, later=DAY / 8)
    assert "15 members failed in `users`" in outcome.said
    program.running.set_faults("")
    outcome = program.sync(streams=streams, later=DAY / 4)
    assert not outcome.said
    assert outcome.summary["user_activity_history"]["asked"] <= 3

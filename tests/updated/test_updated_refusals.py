"""When a sweep of updated members is refused, and how one that is interrupted goes on."""

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
    with Program(tmp_path, members=30) as program:
        yield program


def test_without_a_sweep_of_all_members_it_is_refused(program: Program) -> None:
    outcome = program.sync(streams=("activities", *STREAMS))
    assert "Setting `sweep_members`: `updated` is possible only after a complete" in outcome.said
    assert "run once with `sweep_members` all" in outcome.said
    assert list(outcome.records) == ["activities"], "program streams are read all the same"


def test_a_stream_that_was_selected_later_has_to_be_swept_once(program: Program) -> None:
    assert not program.sync("all", streams=("users", "purchases")).said
    outcome = program.sync(streams=("users", "purchases", "redemptions"))
    assert "which `redemptions` had not" in outcome.said
    assert not program.sync("all", streams=("users", "purchases", "redemptions")).said
    assert not program.sync(streams=("users", "purchases", "redemptions")).said


def test_the_profiles_have_to_be_selected(program: Program) -> None:
    assert not program.sync("all").said
    outcome = program.sync(streams=DATED)
    assert "`updated` needs the stream `users`" in outcome.said
    assert not outcome.requests


def test_a_sweep_of_all_that_was_interrupted_has_to_be_completed(program: Program) -> None:
    assert not program.sync("all").said
    assert program.sync("all", life=40, later=DAY).crashed
    outcome = program.sync(later=DAY)
    assert "the sweep of all members that has begun for `" in outcome.said
    assert "is complete; continue with `sweep_members` all until then" in outcome.said
    assert not program.sync("all", later=DAY).said
    assert not program.sync(later=DAY).said


def test_without_dated_rows_nothing_proves_that_points_update_profiles(program: Program) -> None:
    streams = ("users", "user_rewards", "points_expiration")
    assert not program.sync("all", streams=streams).said
    outcome = program.sync(streams=streams)
    assert "no sweep of all members has compared profiles with rows" in outcome.said
    assert "`user_activity_history` or `redemptions` selected" in outcome.said


def test_a_program_whose_profiles_do_not_move_is_refused(tmp_path: Path) -> None:
    with Program(tmp_path, members=30, profile_dates="without_points") as program:
        outcome = program.sync("all")
        assert not outcome.said
        users = outcome.summary["users"]
        assert 0 < users["contradicted"] <= users["checked"]
        entry = program.entry("users")["profile_dates"]
        assert (entry["checked"], entry["contradicted"]) == (
            users["checked"],
            users["contradicted"],
        )
        outcome = program.sync(later=DAY)
        counts = f"{users['contradicted']} of {users['checked']}"
        assert f"since {counts} profiles were older" in outcome.said
        assert "use `sweep_members` all, or changed with the files of Data Push" in outcome.said


def test_a_contradiction_stays_until_the_entry_is_removed(tmp_path: Path) -> None:
    with Program(tmp_path, members=30) as program:
        program.sync("all")
        program.entry("users")["profile_dates"]["contradicted"] = 1
        program.sync("all", later=DAY)
        assert "1 of " in program.sync(later=DAY).said
        del program.entry("users")["profile_dates"]
        assert "which `users` had not" in program.sync(later=DAY).said
        program.sync("all", later=2 * DAY)
        assert not program.sync(later=2 * DAY).said


def test_streams_that_were_swept_with_another_roster_are_refused(program: Program) -> None:
    roster = program.running.roster()
    assert not program.sync("all", user_ids=roster[:-1]).said
    assert not program.sync("all", streams=("users",)).said
    outcome = program.sync()
    assert "not all streams were read with one and the same roster" in outcome.said
    assert not program.sync("all").said
    assert not program.sync().said


def test_a_state_that_cannot_be_read_names_the_stream(program: Program) -> None:
    assert not program.sync("all").said
    program.entry("purchases")["profile_dates"]["read_at"] = "yesterday"
    outcome = program.sync()
    assert "The state cannot be read: the entry of `purchases`" in outcome.said


def test_a_resource_that_the_program_lacks_waits_for_the_next_sweep_of_all(tmp_path: Path) -> None:
    with Program(tmp_path, members=40, expiration_rule=False) as program:
        assert not program.sync("all").said
        program.pass_day(deliver=False)
        outcome = program.sync()
        assert not outcome.said
        assert "sweep of all" in outcome.summary["points_expiration"]["skip_reason"]
        assert not program.lacks(streams=DATED)


@pytest.mark.parametrize("life", [3, 25, 60])
def test_a_run_that_was_interrupted_starts_over(program: Program, life: int) -> None:
    assert not program.sync("all").said
    program.pass_day(deliver=False)
    assert program.sync(life=life).crashed
    outcome = program.sync(later=DAY / 24)
    assert not outcome.said
    assert program.asked("users") == set(program.running.roster())
    assert not program.lacks(streams=("users", *DATED))


@pytest.mark.parametrize("life", [25, 60])
def test_after_an_interrupted_run_a_sweep_of_all_reads_everybody(
    program: Program, life: int
) -> None:
    assert not program.sync("all").said
    program.pass_day(deliver=False)
    assert program.sync(life=life).crashed
    outcome = program.sync("all", later=DAY / 24)
    assert not outcome.said
    members = len(program.running.roster())
    assert {stats["asked"] for stats in outcome.summary.values()} == {members}
    assert not program.lacks(streams=STREAMS)


def test_if_the_profiles_are_given_up_no_other_stream_is_read(program: Program) -> None:
    assert not program.sync("all").said
    program.pass_day(deliver=False)
    program.running.set_faults("bad_gateway@5")
    outcome = program.sync(max_failed_members=0, max_concurrency=1)
    assert "users: 1 members in a row failed" in outcome.said
    assert outcome.requests.keys() == {"users"}
    assert outcome.summary["purchases"]["gap"] == "who changed is not known"
    program.running.set_faults("")
    assert not program.sync().said
    assert not program.lacks(streams=("users", *DATED))

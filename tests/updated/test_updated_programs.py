"""Programs whose profiles follow points at once, within minutes, within hours, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.updated_members import DATED, Program

if TYPE_CHECKING:
    from pathlib import Path

    from support.changed_members import Outcome

STREAMS = ("users", *DATED)
REFUSED = "Setting `sweep_members`: `updated` is not possible, since "
INSTEAD = "use `sweep_members` all, or changed with the files of Data Push"


def sync(program: Program, mode: str) -> Outcome:
    """Read the streams, with the files that have come so far."""
    return program.sync(mode, streams=STREAMS, data_push_path=str(program.folder))


def swept_twice(program: Program, days: int = 1) -> Outcome:
    """The outcome of a sweep of updated members, some days after one of all."""
    program.deliver(0)
    assert sync(program, "all").error is None
    for _ in range(days):
        program.pass_day()
    return sync(program, "updated")


@pytest.mark.parametrize("minutes", [0, 25])
def test_what_a_profile_shows_minutes_late_is_read_a_day_later(
    tmp_path: Path, minutes: int
) -> None:
    """Nor does a row of the last minutes, which no profile shows yet, speak against the program.

    The seed is of a program in which a member did something in the last 25 minutes of day 0, and
    another one in those of day 1 and nothing else on that day.
    """
    with Program(tmp_path, members=100, seed=99, profile_dates=str(minutes)) as program:
        first = swept_twice(program)
        assert first.error is None, first.said
        assert first.requests["users"] > 2 * first.requests["purchases"]
        assert bool(program.lacks(streams=DATED)) == bool(minutes)
        program.pass_day(deliver=False)
        assert sync(program, "updated").error is None
        assert not program.lacks(program.day - 1, STREAMS)


@pytest.mark.parametrize("rule", ["without_points", "480"])
def test_a_program_whose_profiles_do_not_follow_points_is_refused(
    tmp_path: Path, rule: str
) -> None:
    with Program(tmp_path, members=30, profile_dates=rule) as program:
        refused = swept_twice(program)
        assert REFUSED in refused.said
        assert refused.said.endswith(INSTEAD)
        assert not refused.records
        assert not refused.requests
        assert sync(program, "changed").error is None
        assert not program.lacks(streams=DATED)


def test_late_rows_that_leave_profiles_are_lost_until_a_sweep_of_all_reads_and_counts_them(
    tmp_path: Path,
) -> None:
    with Program(tmp_path, members=60, late_rows="leave_profiles") as program:
        assert swept_twice(program, days=3).error is None
        assert program.lacks(streams=DATED)
        assert sync(program, "all").error is None
        assert not program.lacks(streams=DATED)
        assert REFUSED in sync(program, "updated").said


def test_late_rows_that_move_profiles_are_read(tmp_path: Path) -> None:
    with Program(tmp_path, members=60, late_rows="move_profiles") as program:
        assert swept_twice(program, days=3).error is None
        assert not program.lacks(streams=DATED)

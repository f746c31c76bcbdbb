"""Programs whose profiles follow points at once, within minutes, within hours, or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.changed_members import Brand
from support.harness import INCREMENTAL

if TYPE_CHECKING:
    from pathlib import Path

    from support.changed_members import Outcome

DATED = tuple(INCREMENTAL)
STREAMS = ("users", *DATED)
NO_WAIT = timedelta(hours=-2)
"""From the tap's usual present to a second after that of the sandbox: a sync begins at midnight."""

REFUSED = "Setting `sweep_members`: `updated` is not possible, since "
INSTEAD = "use `sweep_members` all, or changed with the files of Data Push"


def sync(brand: Brand, mode: str) -> Outcome:
    return brand.run(mode, streams=STREAMS, later=NO_WAIT)


def swept_twice(brand: Brand, days: int = 1) -> Outcome:
    """The outcome of a sweep of updated members, some days after one of all."""
    brand.deliver(0)
    assert sync(brand, "all").error is None
    for _ in range(days):
        brand.pass_day()
    return sync(brand, "updated")


@pytest.mark.parametrize("minutes", [0, 25])
def test_what_a_profile_shows_minutes_late_is_read_a_day_later(
    tmp_path: Path, minutes: int
) -> None:
    """Nor does a row of the last minutes, which no profile shows yet, speak against the program.

    The seed is of a program in which a member did something in the last 25 minutes of day 0, and
    another one in those of day 1 and nothing else on that day.
    """
    with Brand(tmp_path, members=100, seed=99, profile_dates=str(minutes)) as brand:
        first = swept_twice(brand)
        assert first.error is None, first.said
        assert first.requests["users"] > 2 * first.requests["purchases"]
        assert bool(brand.lacks(streams=DATED)) == bool(minutes)
        brand.pass_day(deliver=False)
        assert sync(brand, "updated").error is None
        assert not brand.lacks(brand.day - 1, STREAMS)


@pytest.mark.parametrize("rule", ["without_points", "480"])
def test_a_program_whose_profiles_do_not_follow_points_is_refused(
    tmp_path: Path, rule: str
) -> None:
    with Brand(tmp_path, members=30, profile_dates=rule) as brand:
        refused = swept_twice(brand)
        assert REFUSED in refused.said
        assert refused.said.endswith(INSTEAD)
        assert not refused.records
        assert not refused.requests
        assert sync(brand, "changed").error is None
        assert not brand.lacks(streams=DATED)


def test_late_rows_that_leave_profiles_are_lost_until_a_sweep_of_all_reads_and_counts_them(
    tmp_path: Path,
) -> None:
    with Brand(tmp_path, members=60, late_rows="leave_profiles") as brand:
        assert swept_twice(brand, days=3).error is None
        assert brand.lacks(streams=DATED)
        assert sync(brand, "all").error is None
        assert not brand.lacks(streams=DATED)
        assert REFUSED in sync(brand, "updated").said


def test_late_rows_that_move_profiles_are_read(tmp_path: Path) -> None:
    with Brand(tmp_path, members=60, late_rows="move_profiles") as brand:
        assert swept_twice(brand, days=3).error is None
        assert not brand.lacks(streams=DATED)

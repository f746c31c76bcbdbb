"""Warnings at the start of a run about settings and rosters that cost rows or hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

_SHRUNK = 2
"""Factor by which a roster has to shrink between two complete sweeps to cause a warning."""


def shrunken_roster(states: Iterable[Mapping[str, Any]], members: int) -> Iterator[str]:
    """Yield a warning if the roster lost more than half of its members since the last sweep.

    Args:
        states: the states of the streams that are swept.
        members: number of members in the roster now.
    """
    before = max(map(state.roster_size, states), default=0)
    if before > members * _SHRUNK:
        yield (
            f"The roster has shrunk from {before} to {members} members. If that is a mistake, stop "
            "this run and provide the full roster: after a complete sweep without them, members "
            "that come back are read from `start_date` again"
        )


def short_lookback(lookback: timedelta) -> Iterator[str]:
    """Yield a warning if incremental streams read nothing before their bookmark again."""
    if not lookback:
        yield (
            "Setting `lookback_days`: is 0, so rows that arrive late, or are dated by a slow "
            "clock, are never read; set 1 or more"
        )


def earlier_start(streams: Sequence[str]) -> Iterator[str]:
    """Yield a warning if the members of some streams are read from an earlier date than before."""
    if streams:
        yield (
            "Setting `start_date`: is earlier than in previous runs, so every member is read from "
            f"that date once: {', '.join(streams)}"
        )

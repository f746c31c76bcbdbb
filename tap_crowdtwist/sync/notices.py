"""Warnings before anything is read, each once a run: what costs rows or hours, and is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

_SHRUNK = 2
"""By how much a roster has to shrink from one complete sweep to the next, at the least."""


def shrunken_roster(states: Iterable[Mapping[str, Any]], members: int) -> Iterator[str]:
    """Warn where the roster has lost more than half of its members since the last complete sweep.

    Args:
        states: of the streams that are swept.
        members: how many there are now.
    """
    before = max(map(state.roster_size, states), default=0)
    if before > members * _SHRUNK:
        yield (
            f"The roster has shrunk from {before} to {members} members. If that is a mistake, stop "
            "this run and give the whole roster: after a complete sweep without them, members who "
            "come back are read from `start_date` again"
        )


def short_lookback(lookback: timedelta) -> Iterator[str]:
    """Warn where incremental streams read nothing before their bookmark again."""
    if not lookback:
        yield (
            "Setting `lookback_days`: is 0, so rows that arrive late, or are dated by a clock that "
            "is behind, are never read; give 1 or more"
        )


def earlier_start(streams: Sequence[str]) -> Iterator[str]:
    """Warn that the members of some streams are read from an earlier date on than before."""
    if streams:
        yield (
            "Setting `start_date`: is earlier than in the runs before, so every member is read "
            f"from there once: {', '.join(streams)}"
        )

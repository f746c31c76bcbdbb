"""The table version of a sweep, by which a target recognizes rows that no longer exist.

The `roster` of a state holds the `version` of the last complete sweep of all members, if it had
one, and how many of them CrowdTwist knew (`found`). The next sweep with a version is measured by
`found`, so a run that wants versions and finds far fewer members does not lower it: two runs with
one member, by mistake, must not empty a table. A run that keeps vanished rows always sets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.compatibility import roster_entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MIN_FOUND_RATIO = 0.9
"""Fraction of the members of the last complete sweep that must be found again."""


def last_version(state: Mapping[str, Any]) -> int | None:
    """Return the version of the last complete sweep of all members, if it had one."""
    return roster_number(state, "version")


def next_version(state: Mapping[str, Any], started_at: datetime) -> int:
    """Return the version of a new sweep: its start in milliseconds, but above the last version."""
    return max(int(started_at.timestamp() * 1000), (last_version(state) or 0) + 1)


def found_before(state: Mapping[str, Any]) -> int:
    """Return how many members the next sweep is measured by; 0 if no sweep was complete yet."""
    return roster_number(state, "found") or 0


def has_shrunk(state: Mapping[str, Any], found: int) -> bool:
    """Return whether far fewer members are found than before."""
    return found < found_before(state) * MIN_FOUND_RATIO


def completed(
    state: Mapping[str, Any], version: int | None, found: int, *, versioned: bool
) -> dict[str, int | None]:
    """Return the keys that a complete sweep of all members sets in the `roster` of a state.

    Args:
        state: the state of the stream.
        version: the table version of the sweep, if it has one.
        found: how many members CrowdTwist knew.
        versioned: whether the run wants versions, even for a sweep that began without one.
    """
    # Otherwise a second run with too short a roster would find as many as the first, and pass.
    keeps_measure = versioned and has_shrunk(state, found)
    found_entry: dict[str, int | None] = {"found": found_before(state) if keeps_measure else found}
    if version is None and last_version(state) is None:
        return found_entry
    return {**found_entry, "version": version}


def roster_number(state: Mapping[str, Any], name: str) -> int | None:
    """Return a number that the state has about the roster; None if it has none."""
    number = roster_entry(state).get(name)
    return number if isinstance(number, int) else None

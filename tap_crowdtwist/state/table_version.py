"""The table version of a sweep, with which a target tells rows that are no more.

A state's `roster` has the `version` of the last complete sweep of all members, where it had one,
and how many of them CrowdTwist knew (`found`). That is the measure for the next sweep with a
version, so a run that wants versions and finds far fewer members does not lower it: two runs of one
member, by mistake, must not empty a table. A run that keeps vanished rows sets it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MIN_FOUND_RATIO = 0.9
"""Part of the members of the last complete sweep that have to be found again."""


def last_version(state: Mapping[str, Any]) -> int | None:
    """Return the version of the last complete sweep of all members, if it had one."""
    return _number(state, "version")


def next_version(state: Mapping[str, Any], started_at: datetime) -> int:
    """Return the version of a sweep that starts: its start in milliseconds, but above the last."""
    return max(int(started_at.timestamp() * 1000), (last_version(state) or 0) + 1)


def found_before(state: Mapping[str, Any]) -> int:
    """Return how many members the next sweep is measured by; 0 if none has been complete."""
    return _number(state, "found") or 0


def has_shrunk(state: Mapping[str, Any], found: int) -> bool:
    """Return whether far fewer members are found than before."""
    return found < found_before(state) * MIN_FOUND_RATIO


def completed(
    state: Mapping[str, Any], version: int | None, found: int, *, versioned: bool
) -> dict[str, int | None]:
    """Return what the `roster` of a state has to say of a sweep of all that is complete.

    Args:
        state: the state.
        version: the table version of the sweep, if it has one.
        found: how many members CrowdTwist knew.
        versioned: whether the run wants versions, even for a sweep that began without one.
    """
    keeps_measure = versioned and has_shrunk(state, found)
    measure: dict[str, int | None] = {"found": found_before(state) if keeps_measure else found}
    if version is None and last_version(state) is None:
        return measure
    return {**measure, "version": version}


def _number(state: Mapping[str, Any], name: str) -> int | None:
    roster = state.get("roster")
    number = roster.get(name) if isinstance(roster, dict) else None
    return number if isinstance(number, int) else None

"""The table version of a sweep, with which a target tells rows that are no more.

    {"version": 1773198000000, "found": 198204}

`version` is that of the last complete sweep of all members, `found` how many of them CrowdTwist
knew. `found` is the measure for the next sweeps, so one that finds far fewer members does not lower
it: two runs of one member, by mistake, must not empty a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

LEAST = 0.9
"""Part of the members of the last complete sweep that have to be found again."""


def last_version(state: Mapping[str, Any]) -> int | None:
    """Return the version of the last complete sweep of all members, if it had one."""
    version = _stored(state).get("version")
    return version if isinstance(version, int) else None


def next_version(state: Mapping[str, Any], started_at: datetime) -> int:
    """Return the version of a sweep that starts: its start in milliseconds, but above the last."""
    return max(int(started_at.timestamp() * 1000), (last_version(state) or 0) + 1)


def found_before(state: Mapping[str, Any]) -> int:
    """Return how many members the next sweep is measured by; 0 if none has been complete.

    A sweep without a version leaves the size of its roster only.
    """
    found = _stored(state).get("found")
    if not isinstance(found, int):
        roster = state.get("roster")
        found = roster.get("members") if isinstance(roster, dict) else None
    return found if isinstance(found, int) else 0


def has_shrunk(state: Mapping[str, Any], found: int) -> bool:
    """Return whether far fewer members are found than before."""
    return found < found_before(state) * LEAST


def complete(state: MutableMapping[str, Any], version: int | None, found: int) -> None:
    """Note a complete sweep of all members. One without a version takes the measure away."""
    if version is None:
        state.pop("table", None)
        return
    measure = found_before(state) if has_shrunk(state, found) else found
    state["table"] = {"version": version, "found": measure}


def _stored(state: Mapping[str, Any]) -> Mapping[str, Any]:
    stored = state.get("table")
    return stored if isinstance(stored, dict) else {}

"""The facts that a stream remembers for sweeps of updated members.

    {"all_at": "…", "read_at": "…", "roster": 658034120, "lag": 40, "checked": 812,
     "contradicted": 0}

* `all_at`: when the last complete sweep of all members began.
* `read_at`: when the last complete sweep of all or of updated members began. The rows of a member
  are read again if its profile was updated since.
* `roster`: checksum of the roster that the stream was last read with. If it is that of `users`, the
  stream has read whoever is in the digest of `users`.
* `lag`, only of `users`: how far the newest date of all profiles lay behind the clock at the end of
  the last sweep, in seconds. Programs may write dates in local time, or late.
* `checked`, only of `users`: profiles that sweeps of all members compared with the newest row of
  their member.
* `contradicted`, only of `users`: those of them that are older than the row, although they were
  read after it, so that `date_last_updated` does not show who changed.

The counts grow with every sweep of all members: that of today compares only the rows since a
bookmark, and what an earlier one found remains true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.timestamps import dump_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.state.roster_digest import RosterDigest
    from tap_crowdtwist.state.sweep import SweepState

_KEY = "profile_dates"
_NAMES = frozenset({"all_at", "read_at", "roster"})
_NUMBERS = ("roster", "lag", "checked", "contradicted")


def entry_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry in the state of a stream; empty if no sweep of all members was complete."""
    entry = state.get(_KEY)
    if not isinstance(entry, dict) or not entry.keys() >= _NAMES:
        return {}
    return entry if all(isinstance(entry.get(name, 0), int) for name in _NUMBERS) else {}


def record_all(state: MutableMapping[str, Any], sweep: SweepState, now: datetime) -> None:
    """Record a complete sweep of all members in the state of its stream."""
    before = entry_of(state)
    began = dump_timestamp(sweep.started_at)
    state[_KEY] = {"all_at": began, "read_at": began, "roster": sweep.roster_checksum}
    state[_KEY] |= _lag(before, sweep, now)
    checked = before.get("checked", 0) + sweep.checked
    if checked:
        contradicted = before.get("contradicted", 0) + sweep.contradicted
        state[_KEY] |= {"checked": checked, "contradicted": contradicted}


def record_updated(state: MutableMapping[str, Any], sweep: SweepState, now: datetime) -> None:
    """Record a complete sweep of updated members, which leaves all else as the last one of all."""
    before = entry_of(state)
    read_at = dump_timestamp(sweep.started_at)
    state[_KEY] = {**before, "read_at": read_at, **_lag(before, sweep, now)}


def _lag(before: Mapping[str, Any], sweep: SweepState, now: datetime) -> dict[str, int]:
    """Return how far the newest profile lay behind the clock, in seconds, if profiles were read."""
    if sweep.newest_profile:
        return {"lag": max(int(now.timestamp()) - sweep.newest_profile, 0)}
    return {"lag": before["lag"]} if "lag" in before else {}


def record_known(
    states: Mapping[str, MutableMapping[str, Any]],
    others: Iterable[Mapping[str, Any]],
    profiles: str,
    known: RosterDigest,
    checksum: int,
    started_at: datetime,
) -> None:
    """Record who is known to all streams after a run that swept updated members.

    Only if every stream is complete, and none was left out that knew the same members before.
    Otherwise a stream may not have read who was new, so the next run has to find them new again.

    Args:
        states: the states of the streams of the run, by name.
        others: the states of all other streams.
        profiles: the name of the stream of profiles.
        known: the members that it read.
        checksum: the checksum of the roster.
        started_at: when the sweeps of the run began.
    """
    entries = {name: entry_of(state) for name, state in states.items()}
    began = dump_timestamp(started_at)
    is_complete = all(entry.get("read_at") == began for entry in entries.values())
    own = entries[profiles].get("roster")
    if not is_complete or any(entry_of(state).get("roster") == own for state in others):
        return
    for name, entry in entries.items():
        states[name][_KEY] = {**entry, "roster": checksum}
    states[profiles]["roster"] |= known.dump()

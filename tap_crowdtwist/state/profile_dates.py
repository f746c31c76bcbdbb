"""The facts that a stream remembers for sweeps of updated members.

    {"all_at": "…", "read_at": "…", "checked": 812, "contradicted": 0}

* `all_at`: when the last complete sweep of all members began.
* `read_at`: when the last complete sweep of all or of updated members began. The rows of a member
  are read again if its profile was updated since.
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
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.state.sweep import SweepState

_KEY = "profile_dates"
_NAMES = frozenset({"all_at", "read_at"})


def entry_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the entry in the state of a stream; empty if no sweep of all members was complete."""
    entry = state.get(_KEY)
    return entry if isinstance(entry, dict) and entry.keys() >= _NAMES else {}


def record_all(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Record a complete sweep of all members in the state of its stream."""
    before = entry_of(state)
    began = dump_timestamp(sweep.started_at)
    state[_KEY] = {"all_at": began, "read_at": began}
    checked = before.get("checked", 0) + sweep.checked
    if checked:
        contradicted = before.get("contradicted", 0) + sweep.contradicted
        state[_KEY] |= {"checked": checked, "contradicted": contradicted}


def record_updated(state: MutableMapping[str, Any], started_at: datetime) -> None:
    """Record a complete sweep of updated members, which leaves all else as the last one of all."""
    state[_KEY] = {**entry_of(state), "read_at": dump_timestamp(started_at)}

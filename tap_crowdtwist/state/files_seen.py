"""The note in a stream's state of the files that its sweeps have taken into account.

    {"push": {"first": 20523, "sums": "…", "rest": "…"}, "live": {…}, "feeds": ["PROFILE", …],
     "all_at": "…", "fresh_at": "…", "members": "changed", "lacks_resource": true}

`push` and `live` are histories (`files.history`) of the files that were there when the last
complete sweep began, and of those that were read before; `feeds` is what Data Push brings. `all_at`
is when the last complete sweep of all members began: whatever happened earlier was read by it.
`fresh_at` is since when no file of a newer day has come. `members` is there if the last complete
sweep was of those only who changed, and `lacking` if the program lacked the resource then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.files.history import FileHistory, HistorySize, merged
from tap_crowdtwist.state.timestamps import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

KINDS = {"push": HistorySize(20, 40), "live": HistorySize(24, 48, periods_per_cell=24)}
"""How many sums of days of Data Push and of hours of Live Push a note holds."""

FilesSeen = dict[str, Any]


def files_at_start(noted: Mapping[str, Any] | None, present: Mapping[str, Any]) -> FilesSeen:
    """Give the ledgers of a sweep that begins.

    Args:
        noted: the note of the last complete sweep, if there is one.
        present: ledgers of the files that are there. What was read stays so if its file goes.
    """

    def chosen(kind: str) -> dict[str, Any]:
        old, now = history_of(noted, kind), history_of(present, kind)
        if any((*now.sums, *now.rest)):
            old.retreat(now.end - 1)
        return merged(lambda old, now: now or old, old, now).dump()

    return {**{kind: chosen(kind) for kind in KINDS}, "feeds": list(present.get("feeds") or ())}


def files_on_resume(
    noted: Mapping[str, Any] | None,
    files_at_start: Mapping[str, Any] | None,
    present: Mapping[str, Any],
) -> FilesSeen:
    """Give the ledgers of a sweep of members who changed that goes on.

    The members of a day whose files are others by now may have been behind the cursor when they
    came, so that day is left as the last complete sweep had it, and is due again for the next one.

    Args:
        noted: the note of the last complete sweep.
        files_at_start: the ledgers of the sweep.
        present: ledgers of the files that are there.
    """

    def chosen(kind: str) -> dict[str, Any]:
        old, own, now = (history_of(note, kind) for note in (noted, files_at_start, present))
        return merged(lambda old, own, now: own if own == now else old, old, own, now).dump()

    return {
        **{kind: chosen(kind) for kind in KINDS},
        "feeds": list((files_at_start or {}).get("feeds", ())),
    }


def record_complete(
    state: MutableMapping[str, Any],
    files: Mapping[str, Any] | None,
    started_at: datetime,
    *,
    changed: bool,
    lacks_resource: bool,
) -> None:
    """Write the note of a complete sweep into the state of its stream.

    Args:
        state: of the stream.
        files: the ledgers of the sweep; None where it had none, which leaves the former ones.
        started_at: when it began.
        changed: whether it was of those only who changed.
        lacks_resource: whether the program lacked the resource.
    """
    noted = state.pop("files", None) or {}
    ledgers = files or {kind: noted[kind] for kind in (*KINDS, "feeds") if kind in noted}
    if not ledgers:
        return
    feeds = {*ledgers.get("feeds", ()), *(noted.get("feeds", ()) if changed else ())}
    began = format_timestamp(started_at)
    same = _end(ledgers) == _end(noted) if changed else files is None
    state["files"] = {
        **ledgers,
        "feeds": sorted(feeds),
        "all_at": noted.get("all_at") if changed else began,
        "fresh_at": (noted.get("fresh_at") if same else None) or began,
        **({"members": "changed"} if changed else {}),
        **({"lacks_resource": True} if lacks_resource else {}),
    }


def is_of_changed(state: Mapping[str, Any]) -> bool:
    """Tell whether the last complete sweep was of those only who changed."""
    return (state.get("files") or {}).get("members") == "changed"


def lacks_resource(state: Mapping[str, Any]) -> bool:
    """Tell whether the program lacked the resource when members were asked for it last."""
    return bool((state.get("files") or {}).get("lacks_resource"))


def history_of(note: Mapping[str, Any] | None, kind: str) -> FileHistory:
    """Give a ledger of a note; an empty one where there is none."""
    return FileHistory.load((note or {}).get(kind), KINDS[kind])


def _end(note: Mapping[str, Any]) -> int:
    return history_of(note, "push").end

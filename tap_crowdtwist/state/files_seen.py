"""The files that the sweeps of a stream have taken into account, as its state records them.

    {"push": {"first": 20523, "sums": "…", "rest": "…"}, "live": {…}, "feeds": ["PROFILE", …],
     "all_at": "…", "fresh_at": "…", "members": "changed"}

* `push`, `live`: histories (`files.history`) of the Data Push and Live Push files that existed when
  the last complete sweep began, or were read before it.
* `feeds`: the feeds that Data Push delivers.
* `all_at`: when the last complete sweep of all members began. It read everything that happened
  before.
* `fresh_at`: the start of the last complete sweep that found files of a newer day, or that read all
  members.
* `members`: "changed" if the last complete sweep read only members that changed.

A resource that the program lacked leaves only `{"not_configured": true}`: nothing was read, so
sweeps of changed members skip the stream until a sweep of all members has read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.files.history import FileHistory, HistorySize, merged
from tap_crowdtwist.state.timestamps import dump_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

KINDS = {"push": HistorySize(20, 40), "live": HistorySize(24, 48, periods_per_cell=24)}
"""Sizes of the two histories: days of Data Push, hours of Live Push."""

FilesSeen = dict[str, Any]

_NOT_CONFIGURED = {"not_configured": True}


def files_at_start(last: Mapping[str, Any] | None, present: Mapping[str, Any]) -> FilesSeen:
    """Return the files of a sweep that begins.

    Args:
        last: the files of the last complete sweep, if there is one. Those that were removed since
            still count as read.
        present: the files that exist now.
    """
    files: FilesSeen = {"feeds": list(present.get("feeds", ()))}
    for kind in KINDS:
        old, now = history_of(last, kind), history_of(present, kind)
        # After a clock that was ahead, the old history may end in the future.
        if any((*now.sums, *now.rest)):
            old.retreat(now.end - 1)
        # A sum of 0 now: the files are gone, and count as read.
        files[kind] = merged(lambda old, now: now or old, old, now).dump()
    return files


def files_on_resume(
    last: Mapping[str, Any] | None,
    files_at_start: Mapping[str, Any] | None,
    present: Mapping[str, Any],
) -> FilesSeen:
    """Return the files of a resumed sweep of changed members.

    If the files of a day have changed since the sweep began, the cursor may have passed members of
    the new files already. So that day stays as the last complete sweep had it, and the next sweep
    reads it again.

    Args:
        last: the files of the last complete sweep.
        files_at_start: the files of this sweep when it began.
        present: the files that exist now.
    """
    begun = files_at_start or {}
    files: FilesSeen = {"feeds": list(begun.get("feeds", ()))}
    for kind in KINDS:
        old, own, now = (history_of(source, kind) for source in (last, begun, present))
        chosen = merged(lambda old, own, now: own if own == now else old, old, own, now)
        files[kind] = chosen.dump()
    return files


def record_complete(
    state: MutableMapping[str, Any],
    files: Mapping[str, Any] | None,
    started_at: datetime,
    *,
    changed: bool,
) -> None:
    """Record the files of a complete sweep in the state of its stream.

    Args:
        state: the state of the stream.
        files: the files of the sweep; None if they are not known, which keeps the former ones.
        started_at: when the sweep began.
        changed: whether only members that changed were swept.
    """
    last = state.pop("files", None) or {}
    histories = last if files is None else files
    # Nothing is known, or only that the program lacked the resource.
    if "push" not in histories:
        return
    began = dump_timestamp(started_at)
    seen = {name: histories[name] for name in (*KINDS, "feeds")}
    seen |= {"all_at": began, "fresh_at": began}
    if changed:
        # It adds feeds and never drops one: a feed that has stopped must be noticed as a gap.
        seen["feeds"] = sorted({*seen["feeds"], *last.get("feeds", ())})
        seen |= {"all_at": last.get("all_at"), "members": "changed"}
    has_newer_day = _end(histories) != _end(last)
    if (changed or files is None) and not has_newer_day:
        seen["fresh_at"] = last.get("fresh_at", began)
    state["files"] = seen


def is_of_changed(state: Mapping[str, Any]) -> bool:
    """Return whether the last complete sweep read only members that changed."""
    return (state.get("files") or {}).get("members") == "changed"


def record_not_configured(state: MutableMapping[str, Any]) -> None:
    """Record in the state of a stream that the program lacks its resource."""
    state["files"] = dict(_NOT_CONFIGURED)


def is_not_configured(state: Mapping[str, Any]) -> bool:
    """Return whether nothing was read of a stream, because the program lacked its resource."""
    # Beside histories, the key comes from an older state that Meltano has merged, and is void.
    return state.get("files") == _NOT_CONFIGURED


def history_of(files: Mapping[str, Any] | None, kind: str) -> FileHistory:
    """Return the history of one kind of files; an empty one if there is none."""
    return FileHistory.load((files or {}).get(kind), KINDS[kind])


def _end(files: Mapping[str, Any]) -> int:
    return history_of(files, "push").end

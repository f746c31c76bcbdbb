"""The note in a stream's state of the files that its sweeps have taken into account.

    {"push": {"first": 20523, "sums": "…", "rest": "…"}, "live": {…}, "feeds": ["PROFILE", …],
     "all_at": "…", "fresh_at": "…", "members": "changed", "lacking": true}

`push` and `live` are ledgers (`feeds.ledger`) of the files that were there when the last complete
sweep began, and of those that were read before; `feeds` is what Data Push brings. `all_at` is when
the last complete sweep of all members began: whatever happened earlier was read by it. `fresh_at`
is since when no file of a newer day has come. `members` is there if the last complete sweep was of
those only who changed, and `lacking` if the program lacked the resource when members were asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.files.history import Extent, Ledger, merged
from tap_crowdtwist.state.timestamps import spell

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

KINDS = {"push": Extent(20, 40), "live": Extent(24, 48, breadth=24)}
"""How many sums of days of Data Push and of hours of Live Push a note holds."""

Note = dict[str, Any]


def begun(noted: Mapping[str, Any] | None, present: Mapping[str, Any]) -> Note:
    """Give the ledgers of a sweep that begins.

    Args:
        noted: the note of the last complete sweep, if there is one.
        present: ledgers of the files that are there. What was read stays so if its file goes.
    """

    def chosen(kind: str) -> dict[str, Any]:
        old, now = ledger(noted, kind), ledger(present, kind)
        if any((*now.sums, *now.rest)):
            old.retreat(now.end - 1)
        return merged(lambda old, now: now or old, old, now).dump()

    return {**{kind: chosen(kind) for kind in KINDS}, "feeds": list(present.get("feeds") or ())}


def resumed(
    noted: Mapping[str, Any] | None, begun: Mapping[str, Any] | None, present: Mapping[str, Any]
) -> Note:
    """Give the ledgers of a sweep of members who changed that goes on.

    The members of a day whose files are others by now may have been behind the cursor when they
    came, so that day is left as the last complete sweep had it, and is due again for the next one.

    Args:
        noted: the note of the last complete sweep.
        begun: the ledgers of the sweep.
        present: ledgers of the files that are there.
    """

    def chosen(kind: str) -> dict[str, Any]:
        old, own, now = (ledger(note, kind) for note in (noted, begun, present))
        return merged(lambda old, own, now: own if own == now else old, old, own, now).dump()

    return {**{kind: chosen(kind) for kind in KINDS}, "feeds": list((begun or {}).get("feeds", ()))}


def complete(
    state: MutableMapping[str, Any],
    files: Mapping[str, Any] | None,
    started_at: datetime,
    *,
    changed: bool,
    lacking: bool,
) -> None:
    """Write the note of a complete sweep into the state of its stream.

    Args:
        state: of the stream.
        files: the ledgers of the sweep; None where it had none, which leaves the former ones.
        started_at: when it began.
        changed: whether it was of those only who changed.
        lacking: whether the program lacked the resource.
    """
    noted = state.pop("files", None) or {}
    ledgers = files or {kind: noted[kind] for kind in (*KINDS, "feeds") if kind in noted}
    if not ledgers:
        return
    feeds = {*ledgers.get("feeds", ()), *(noted.get("feeds", ()) if changed else ())}
    began = spell(started_at)
    same = _end(ledgers) == _end(noted) if changed else files is None
    state["files"] = {
        **ledgers,
        "feeds": sorted(feeds),
        "all_at": noted.get("all_at") if changed else began,
        "fresh_at": (noted.get("fresh_at") if same else None) or began,
        **({"members": "changed"} if changed else {}),
        **({"lacking": True} if lacking else {}),
    }


def of_changed(state: Mapping[str, Any]) -> bool:
    """Tell whether the last complete sweep was of those only who changed."""
    return (state.get("files") or {}).get("members") == "changed"


def lacking(state: Mapping[str, Any]) -> bool:
    """Tell whether the program lacked the resource when members were asked for it last."""
    return bool((state.get("files") or {}).get("lacking"))


def ledger(note: Mapping[str, Any] | None, kind: str) -> Ledger:
    """Give a ledger of a note; an empty one where there is none."""
    return Ledger.load((note or {}).get(kind), KINDS[kind])


def _end(note: Mapping[str, Any]) -> int:
    return ledger(note, "push").end

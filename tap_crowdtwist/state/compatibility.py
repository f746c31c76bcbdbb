"""Checks that a state fits this version of the tap, the `id_type` and the shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.members.roster import Roster


_OLD_NAMES = frozenset({"fell", "joined", "lacking", "read", "retry", "unlisted"})
"""Keys of a sweep in states of versions before 0.1, which mean something else or nothing now."""


def roster_identity(roster: Roster) -> dict[str, Any]:
    """Give what a state says of the names of its members, and of the part that it is about."""
    return {"id_type": roster.kind, "shard": str(roster.shard)}


def check_compatible(state: Mapping[str, Any], roster: Roster) -> None:
    """Refuse a state that speaks of members by other names, or of another part of them.

    Raises:
        TapError: it does; the message names the setting.
    """
    _check_names(state)
    known = state.get("roster")
    known = known if isinstance(known, dict) else {}
    for name, present in roster_identity(roster).items():
        if known.get(name, present) != present:
            raise TapError(
                f"Setting `{name}`: the state was written with {known[name]!r}, so it says nothing "
                f"about {present!r}; use a state of its own for each (for each `hash_key` too), or "
                "start without one"
            )


def _check_names(state: Mapping[str, Any]) -> None:
    """Refuse a state with the names of an older version, which would be read in part only.

    Raises:
        TapError: it has such a name.
    """
    sweep = state.get("sweep")
    if isinstance(sweep, dict) and not _OLD_NAMES.isdisjoint(sweep):
        raise TapError(
            "The state given to the tap was written by an older version of it; remove the entries "
            "with a `sweep` to read these streams from the start"
        )

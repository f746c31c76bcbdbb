"""Whose state it is: a state speaks of members by certain names, and of a certain part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.members.roster import Roster


def roster_identity(roster: Roster) -> dict[str, Any]:
    """Give what a state says of the names of its members, and of the part that it is about."""
    return {"id_type": roster.kind, "shard": str(roster.shard)}


def check_compatible(state: Mapping[str, Any], roster: Roster) -> None:
    """Refuse a state that speaks of members by other names, or of another part of them.

    Raises:
        TapError: it does; the message names the setting.
    """
    known = state.get("roster")
    known = known if isinstance(known, dict) else {}
    for name, present in roster_identity(roster).items():
        if known.get(name, present) != present:
            raise TapError(
                f"Setting `{name}`: the state was written with {known[name]!r}, so it says nothing "
                f"about {present!r}; use a state of its own for each (for each `hash_key` too), or "
                "start without one"
            )

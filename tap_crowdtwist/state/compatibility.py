"""Check that a state fits this version of the tap, the `id_type` and the shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.members.roster import Roster


_OLD_KEYS = {
    "sweep": frozenset(
        {"fell", "joined", "lacking", "lacks_resource", "read", "retry", "unlisted"}
    ),
    "files": frozenset({"lacking", "lacks_resource"}),
    "roster": frozenset({"swept"}),
}
"""Keys that older versions wrote; they mean something else, or nothing, now."""


def roster_identity(roster: Roster) -> dict[str, Any]:
    """Return the kind of member ids in a roster and its shard, as a state stores them."""
    return {"id_type": roster.kind, "shard": str(roster.shard)}


def roster_entry(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a state says of the roster; empty if it says nothing, or nothing that fits."""
    stored = state.get("roster")
    return stored if isinstance(stored, dict) else {}


def check_compatible(state: Mapping[str, Any], roster: Roster) -> None:
    """Check that a state matches the current `id_type`, `hash_key` and `shard`.

    Raises:
        TapError: the state does not match; the message says what to change.
    """
    stored = roster_entry(state)
    for name, present in roster_identity(roster).items():
        if stored.get(name, present) != present:
            raise TapError(
                f"Setting `{name}`: the state was written with {stored[name]!r} and cannot be used "
                f"with {present!r}; keep a separate state for each (also for each `hash_key`), or "
                "start without a state"
            )


def check_version(stream: str, state: Mapping[str, Any]) -> None:
    """Check that no older version wrote the state of a stream: it would be read only in part.

    Raises:
        TapError: the state has a key of an older version.
    """
    for name, keys in _OLD_KEYS.items():
        part = state.get(name)
        if isinstance(part, dict) and not keys.isdisjoint(part):
            raise TapError(
                f"The state was written by an older version of the tap: the entry of `{stream}`; "
                "remove it to read the stream from the start"
            )

"""Check that a state fits this version of the tap, the `id_type` and the shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.members.roster import Roster


_OLD_NAMES = frozenset({"fell", "joined", "lacking", "read", "retry", "unlisted"})
"""Keys of a sweep that older versions wrote; they mean something else, or nothing, now."""


def roster_identity(roster: Roster) -> dict[str, Any]:
    """Return the kind of member ids in a roster and its shard, as a state stores them."""
    return {"id_type": roster.kind, "shard": str(roster.shard)}


def check_compatible(state: Mapping[str, Any], roster: Roster) -> None:
    """Check that a state matches the current `id_type`, `hash_key` and `shard`.

    Raises:
        TapError: the state does not match, or an older version wrote it; the message says what to
            change.
    """
    _check_version(state)
    stored = state.get("roster")
    stored = stored if isinstance(stored, dict) else {}
    for name, present in roster_identity(roster).items():
        if stored.get(name, present) != present:
            raise TapError(
                f"Setting `{name}`: the state was written with {stored[name]!r} and cannot be used "
                f"with {present!r}; keep a separate state for each (also for each `hash_key`), or "
                "start without a state"
            )


def _check_version(state: Mapping[str, Any]) -> None:
    """Check that no older version wrote the state: its keys would be read only in part.

    Raises:
        TapError: the state has a key of an older version.
    """
    sweep = state.get("sweep")
    if isinstance(sweep, dict) and not _OLD_NAMES.isdisjoint(sweep):
        raise TapError(
            "The state was written by an older version of the tap; remove the entries with a "
            "`sweep` to read these streams from the start"
        )

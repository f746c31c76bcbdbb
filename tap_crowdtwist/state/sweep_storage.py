"""Loading and saving of a sweep in the state of its stream (`sweep` shows the form)."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.compatibility import roster_entry, roster_identity
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep import SweepState
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster

_DIGESTS = ("read_digest", "new_members", "failed_digest")


def dump(sweep: SweepState) -> dict[str, Any]:
    """Return a sweep in the form of a state, without values that are empty or 0."""
    values = {
        "started_at": dump_timestamp(sweep.started_at),
        "since": dump_timestamp(sweep.since),
        "after": sweep.after,
        "asked": sweep.asked,
        "missing": sweep.missing,
        "not_configured": sweep.not_configured,
        "failures": sweep.failures,
        **_dump_digests(sweep),
        "overflowed": sweep.failed.overflowed,
        "files": sweep.files,
        "members": sweep.members if sweep.is_partial else None,
        "checked": sweep.checked,
        "contradicted": sweep.contradicted,
        "newest_profile": sweep.newest_profile,
        "checksum": sweep.roster_checksum,
        "version": sweep.version,
        "doubt": sweep.doubt,
        **sweep.failed.dump(),
    }
    return {name: value for name, value in values.items() if value}


def _dump_digests(sweep: SweepState) -> dict[str, Any]:
    """Return the digests of a sweep; all but the first are left out if they are empty."""
    if sweep.read_digest is None:
        return {}
    dumped = {"read_digest": sweep.read_digest.dump()}
    if sweep.new_members.largest:
        dumped["new_members"] = sweep.new_members.dump()
    if sweep.failed_digest.largest:
        dumped["failed_digest"] = sweep.failed_digest.dump()
    return dumped


def load(stored: Mapping[str, Any]) -> SweepState:
    """Return the sweep that `dump` returned; all failed members count as those of earlier runs.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: a key is missing, or a value is malformed.
    """
    started_at = load_timestamp(stored["started_at"])
    if started_at is None:
        raise ValueError("started_at")
    failed = FailedMembers.load(stored)
    failed.overflowed = bool(stored.get("overflowed"))
    read_digest, new_members, failed_digest = (
        RosterDigest.load(stored.get(name)) for name in _DIGESTS
    )
    return SweepState(
        started_at,
        load_timestamp(stored.get("since")),
        stored.get("after"),
        failed,
        read_digest=read_digest,
        new_members=new_members or RosterDigest(),
        failed_digest=failed_digest or RosterDigest(),
        asked=int(stored.get("asked", 0)),
        missing=int(stored.get("missing", 0)),
        not_configured=int(stored.get("not_configured", 0)),
        failures=int(stored.get("failures", 0)),
        files=stored.get("files"),
        members=stored.get("members", "all"),
        checked=int(stored.get("checked", 0)),
        contradicted=int(stored.get("contradicted", 0)),
        newest_profile=int(stored.get("newest_profile", 0)),
        version=stored.get("version"),
        roster_checksum=stored.get("checksum"),
        doubt=stored.get("doubt", ""),
    )


def stored_sweep(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sweep that a state holds, without its cursor if that cannot be trusted.

    Meltano's merges never remove a key. So a sweep that is complete may come back with its old
    start, and the keys of two sweeps may be mixed, which the checksum shows. Of such a sweep only
    the failed members count: reading them once more does no harm.
    """
    stored: Mapping[str, Any] = state.get("sweep") or {}
    last_complete = load_timestamp(roster_entry(state).get("swept_at"))
    began = load_timestamp(stored.get("started_at"))
    # There is no checksum if the state holds failed members only.
    is_unmixed = stored.get("check") in {None, _checksum(stored)}
    if is_unmixed and (last_complete is None or began is None or began > last_complete):
        return stored
    return {name: stored[name] for name in ("failed", "failed_since") if name in stored}


def save(state: MutableMapping[str, Any], sweep: SweepState, roster: Roster, now: datetime) -> None:
    """Save a sweep that is not complete in the state of its stream."""
    # `at` shows the next run that this one was alive then (`resume`).
    stored = {**dump(sweep), "at": dump_timestamp(now)}
    state["sweep"] = {**stored, "check": _checksum(stored)}
    state["roster"] = {**roster_entry(state), **roster_identity(roster)}


def shorten(state: MutableMapping[str, Any]) -> None:
    """Remove the digests from a saved sweep, because the state is too large.

    The sweep after this one then reads all members from `start_date`.
    """
    for name in _DIGESTS:
        state["sweep"].pop(name, None)
    state["sweep"]["check"] = _checksum(state["sweep"])


def forget(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Remove a sweep from the state, except its failed members."""
    state.pop("sweep", None)
    failed = sweep.failed.dump()
    if failed:
        state["sweep"] = failed


def _checksum(stored: Mapping[str, Any]) -> int:
    """Return the checksum of a sweep in a state, whatever the order of its keys."""
    content = {name: value for name, value in stored.items() if name != "check"}
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())

"""Loading and saving of a sweep in the state of its stream (`sweep` shows the form)."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import files_seen
from tap_crowdtwist.state.compatibility import roster_identity
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep import SweepState
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.state.sweep import SweepPlan

MAX_CLOCK_SKEW = timedelta(hours=1)
"""Largest difference allowed between the clocks of several machines."""

_MAX_SHOWN = 60
"""Characters of a malformed bookmark that an error shows."""


def stored_sweep(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sweep that a state holds, without its cursor if that cannot be trusted.

    Meltano's merges never remove a key. So a sweep that is complete may come back with its old
    start, and the keys of two sweeps may be mixed, which the checksum shows. Of such a sweep only
    the failed members count: reading them once more does no harm.
    """
    stored: Mapping[str, Any] = state.get("sweep") or {}
    last_complete = load_timestamp((state.get("roster") or {}).get("swept_at"))
    began = load_timestamp(stored.get("started_at"))
    # There is no checksum if the state holds failed members only.
    is_unmixed = stored.get("check") in {None, _checksum(stored)}
    if is_unmixed and (last_complete is None or began is None or began > last_complete):
        return stored
    return {name: stored[name] for name in ("failed", "failed_since") if name in stored}


def read_bookmark(state: Mapping[str, Any], plan: SweepPlan) -> datetime | None:
    """Return the bookmark of a state; None if it has none, or one of another replication key.

    Raises:
        TapError: the bookmark is not a timestamp, or lies in the future.
    """
    if state.get("replication_key") != plan.replication_key:
        return None
    value = state.get("replication_key_value")
    try:
        bookmark = load_timestamp(value)
        plan.since(bookmark)  # OverflowError if it is earlier than any datetime
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state cannot be read: the bookmark of `{plan.stream}`, "
            f"{value!r:.{_MAX_SHOWN}}, is not a timestamp such as 2026-11-19T02:00:00Z; correct "
            "it, or remove the entry of the stream to read it from the start"
        ) from None
    if bookmark is not None and bookmark > plan.now + MAX_CLOCK_SKEW:
        raise TapError(
            f"The state's bookmark of `{plan.stream}`, {dump_timestamp(bookmark)}, lies in the "
            "future, so a clock is or was wrong; correct the clock, or set the bookmark to the "
            "time at which the last sync really began"
        )
    return bookmark


def load_sweep(
    state: Mapping[str, Any], stored: Mapping[str, Any], plan: SweepPlan, since: datetime | None
) -> SweepState | None:
    """Return the sweep to resume; None if there is none, or the settings now ask for another one.

    Args:
        state: the state of the stream.
        stored: the sweep in it, as `stored_sweep` returned it.
        plan: the facts that decide where a sweep starts.
        since: the lower bound that a new sweep would have.
    """
    if "started_at" not in stored or (stored.get("members") == "changed") is not plan.changed:
        return None
    stored_since = load_timestamp(stored.get("since"))
    # The members before the cursor were read from too late a date on.
    if stored_since is not None and (since is None or stored_since > since):
        return None
    files = stored.get("files")
    if plan.changed and plan.files is not None:
        files = files_seen.files_on_resume(state.get("files"), files, plan.files)
    return SweepState(
        load_timestamp(stored["started_at"]) or plan.now,
        stored_since,
        stored.get("after"),
        read_digest=RosterDigest.load(stored.get("read_digest")),
        new_members=RosterDigest.load(stored.get("new_members")) or RosterDigest(),
        failed_digest=RosterDigest.load(stored.get("failed_digest")) or RosterDigest(),
        is_uncertain=True,
        asked=int(stored.get("asked", 0)),
        missing=int(stored.get("missing", 0)),
        not_configured=int(stored.get("not_configured", 0)),
        files=files,
        changed=plan.changed,
    )


def save(
    state: MutableMapping[str, Any],
    sweep: SweepState,
    plan: SweepPlan,
    roster: Roster,
    now: datetime,
) -> None:
    """Save a sweep that is not complete in the state of its stream."""
    # `at` shows the next run that this one was alive then (`resume`).
    stored: dict[str, Any] = {
        "started_at": dump_timestamp(sweep.started_at),
        "at": dump_timestamp(now),
    }
    if sweep.since is not None:
        stored["since"] = dump_timestamp(sweep.since)
    if sweep.after is not None:
        stored |= {"after": sweep.after, "asked": sweep.asked, "missing": sweep.missing}
    # Without a bookmark there are no older rows that a new member may lack.
    if plan.replication_key is not None and not sweep.changed:
        stored |= _digests(sweep)
    if sweep.failed.overflowed:
        stored["overflowed"] = True
    if sweep.files is not None:
        stored["files"] = sweep.files
    if sweep.changed:
        stored["members"] = "changed"
    if sweep.not_configured:
        stored["not_configured"] = sweep.not_configured
    if sweep.roster_checksum is not None:
        stored |= _table_entries(sweep)
    stored |= sweep.failed.dump()
    state["sweep"] = {**stored, "check": _checksum(stored)}
    state["roster"] = {**(state.get("roster") or {}), **roster_identity(roster)}


def _table_entries(sweep: SweepState) -> dict[str, Any]:
    """Return the keys of a sweep that decide which rows of a table no longer exist."""
    entries: dict[str, Any] = {"checksum": sweep.roster_checksum}
    if sweep.version is not None:
        entries["version"] = sweep.version
    if sweep.doubt:
        entries["doubt"] = sweep.doubt
    return entries


def shorten(state: MutableMapping[str, Any]) -> None:
    """Remove the digests from a saved sweep, because the state is too large.

    The sweep after this one then reads all members from `start_date`.
    """
    for name in ("read_digest", "new_members", "failed_digest"):
        state["sweep"].pop(name, None)
    state["sweep"]["check"] = _checksum(state["sweep"])


def forget(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Remove a sweep from the state, except its failed members."""
    state.pop("sweep", None)
    if failed := sweep.failed.dump():
        state["sweep"] = failed


def _checksum(stored: Mapping[str, Any]) -> int:
    """Return the checksum of a sweep in a state, whatever the order of its keys."""
    content = {name: value for name, value in stored.items() if name != "check"}
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _digests(sweep: SweepState) -> dict[str, Any]:
    """Return the digests of a sweep, as a state holds them; empty ones are left out."""
    optional = {"new_members": sweep.new_members, "failed_digest": sweep.failed_digest}
    digests = {name: digest.dump() for name, digest in optional.items() if digest.largest}
    # Even if it is empty: if it is absent, the next run takes it for lost.
    if sweep.read_digest is not None:
        digests["read_digest"] = sweep.read_digest.dump()
    return digests

"""The decisions about a sweep: whether it goes on or begins anew, and from where."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import files_seen, table_version
from tap_crowdtwist.state.compatibility import check_compatible
from tap_crowdtwist.state.failed_members import FailedMembers, lower_bound
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep import SweepState
from tap_crowdtwist.state.sweep_storage import load, stored_sweep
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.state.sweep import SweepPlan

MAX_CLOCK_SKEW = timedelta(hours=1)
"""Largest difference allowed between the clocks of several machines."""

ROSTER_CHANGED = "the roster changed while the sweep was interrupted"
"""Why a resumed sweep may have missed members."""

MIXED_ROSTERS = -1
"""Checksum of a sweep that has read a part of one roster and a part of another."""

_MAX_SHOWN = 60
"""Characters of a malformed bookmark that an error shows."""


def begin(state: Mapping[str, Any], plan: SweepPlan, roster: Roster) -> SweepState:
    """Resume the sweep that a state holds, or start a new one.

    Raises:
        TapError: the state belongs to another shard or `id_type`, or cannot be read.
    """
    check_compatible(state, roster)
    bookmark = read_bookmark(state, plan)
    try:
        # An earlier `start_date` than before makes the bookmark void: everything is read again.
        since = plan.since(None if misses_earlier_rows(state, plan.start_date) else bookmark)
        stored = stored_sweep(state)
        if is_resumable(stored, plan, since):
            sweep = _resume(state, load(stored), plan, roster)
        else:
            sweep = _start(state, stored, plan, since, roster)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state cannot be read: the entry of `{plan.stream}`; remove it "
            "to read the stream from the start"
        ) from None
    sweep.previous_digest = _previous_digest(state, sweep, plan)
    return sweep


def _previous_digest(
    state: Mapping[str, Any], sweep: SweepState, plan: SweepPlan
) -> RosterDigest | None:
    """Return the digest with which the sweep compares the members that it reads, if it does."""
    last = RosterDigest.load(state.get("roster"))
    if plan.members == "updated":
        # Only the first stream compares, for all of them. With an empty digest, everybody is new.
        return (last or RosterDigest()) if plan.identifies else None
    # A sweep that reads all members from `start_date` need not know which were read before.
    return None if sweep.since == plan.start_date else last


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


def misses_earlier_rows(state: Mapping[str, Any], start_date: datetime | None) -> bool:
    """Return whether earlier runs read the members from a later date than `start_date`."""
    # Null, or absent: everything was read, or nothing is known.
    covered = load_timestamp(state.get("start_date"))
    return lower_bound(covered, start_date) != covered


def is_resumable(stored: Mapping[str, Any], plan: SweepPlan, since: datetime | None) -> bool:
    """Return whether to resume a sweep.

    Args:
        stored: the sweep, as `stored_sweep` returned it.
        plan: the facts that decide where a sweep starts.
        since: the lower bound that a new sweep would have.
    """
    if "started_at" not in stored:
        return False
    # Which profiles an interrupted run found updated is not in the state: it starts over.
    if plan.members == "updated" or stored.get("members", "all") != plan.members:
        return False
    # With a later bound, the members before the cursor were read from too late a date on.
    bound = load_timestamp(stored.get("since"))
    return lower_bound(bound, since) == bound


def _start(
    state: Mapping[str, Any],
    stored: Mapping[str, Any],
    plan: SweepPlan,
    since: datetime | None,
    roster: Roster,
) -> SweepState:
    """Return a new sweep; only the failed members are taken from the one in the state."""
    sweep = SweepState(plan.now.replace(microsecond=0), since, members=plan.members)
    sweep.failed = FailedMembers.load(stored)
    # An interrupted sweep that is not resumed had not yet found out which of them are new.
    if "started_at" in (state.get("sweep") or {}):
        failed = sweep.failed
        failed.earlier_since = lower_bound(failed.earlier_since, plan.start_date)
    if plan.files is not None:
        sweep.files = files_seen.files_at_start(state.get("files"), plan.files)
    if not plan.has_digest:
        sweep.read_digest = None
    if not sweep.is_partial:
        sweep.roster_checksum = roster.checksum
    sweep.identifies = plan.identifies
    new_version = table_version.next_version(state, sweep.started_at)
    sweep.version = _version(state, plan, new_version)
    return sweep


def _resume(
    state: Mapping[str, Any], sweep: SweepState, plan: SweepPlan, roster: Roster
) -> SweepState:
    """Adapt an interrupted sweep to this run."""
    sweep.is_uncertain = True
    sweep.identifies = plan.identifies
    # Without a cursor all members are asked again.
    if sweep.after is None:
        sweep.asked = sweep.missing = sweep.not_configured = sweep.failures = 0
    if sweep.is_partial and plan.files is not None:
        sweep.files = files_seen.files_on_resume(state.get("files"), sweep.files, plan.files)
    # Members that are new in the roster and before the cursor are not read by this sweep.
    if not sweep.is_partial and sweep.roster_checksum != roster.checksum:
        sweep.doubt = ROSTER_CHANGED
        sweep.roster_checksum = MIXED_ROSTERS
    # If the interrupted run wrote its rows without a version, this one must not have a version
    # either: the target would forget those rows.
    sweep.version = _version(state, plan, sweep.version)
    return sweep


def _version(state: Mapping[str, Any], plan: SweepPlan, own: int | None) -> int | None:
    """Return the table version of a sweep.

    Args:
        state: the state of the stream.
        plan: the facts that decide where a sweep starts.
        own: the version of the sweep if it sweeps all members.
    """
    if not plan.versioned:
        return None
    # The version of the last sweep of all members: the next one of all then replaces these rows
    # too. Without a version they would stay for ever in some targets.
    return own if plan.members == "all" else table_version.last_version(state)

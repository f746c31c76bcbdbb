"""The entries that a complete sweep leaves in the state of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state import files_seen, profile_dates, table_version
from tap_crowdtwist.state.compatibility import roster_entry, roster_identity
from tap_crowdtwist.state.sweep_storage import forget
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.state.roster_digest import RosterDigest
    from tap_crowdtwist.state.sweep import SweepPlan, SweepState


def finish(
    state: MutableMapping[str, Any],
    sweep: SweepState,
    plan: SweepPlan,
    roster: Roster,
    now: datetime,
) -> None:
    """Write a complete sweep into the state: the bookmark moves, and the cursor is removed.

    If more members failed than a state can list, the bookmark stays, so that the next sweep reads
    all members from the same bound.
    """
    end(state, sweep, roster)
    if sweep.failed.overflowed:
        return
    if sweep.members == "updated":
        profile_dates.record_updated(state, sweep, now)
        return
    state["completed_at"] = dump_timestamp(now)
    if sweep.doubt or "doubt" in state:
        state["doubt"] = sweep.doubt or None
    files_seen.record_complete(state, sweep.files, sweep.started_at, changed=sweep.is_partial)
    # Bookmark, digest and version describe the last sweep of all members.
    if sweep.is_partial:
        return
    profile_dates.record_all(state, sweep, now)
    found = found_members(sweep, roster)
    version = table_version.completed(state, sweep.version, found, versioned=plan.versioned)
    state["roster"] |= {"members": len(roster), **version, "checksum": sweep.roster_checksum}
    if plan.has_digest:
        state["roster"] |= _digest_after(sweep).dump()
    if plan.moves_bookmark:
        _move_bookmark(state, sweep, plan)
    else:
        _finish_table(state, sweep)


def end(state: MutableMapping[str, Any], sweep: SweepState, roster: Roster) -> None:
    """Remove a sweep that is over, so that no merge of states brings it back to life."""
    forget(state, sweep)
    swept = {**roster_identity(roster), "swept_at": dump_timestamp(sweep.started_at)}
    state["roster"] = {**roster_entry(state), **swept}


def _finish_table(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    # `forget` leaves a `sweep` only if members failed.
    has_failed_members = "sweep" in state
    if not has_failed_members and not sweep.doubt:
        state["whole_since"] = dump_timestamp(sweep.started_at)


def _move_bookmark(state: MutableMapping[str, Any], sweep: SweepState, plan: SweepPlan) -> None:
    state["start_date"] = _covered_since(state, sweep, plan)
    state["replication_key"] = plan.replication_key
    state["replication_key_value"] = dump_timestamp(sweep.started_at)


def _digest_after(sweep: SweepState) -> RosterDigest:
    """Return the digest of the members that need not be read from `start_date` by the next sweep.

    An empty one makes the next sweep read all members from there.
    """
    digest = sweep.known_digest
    # Members in buckets that differ may lack older rows if the sweep was interrupted, or if they
    # failed when they were read again. So the next sweep has to find these buckets different too.
    if sweep.is_uncertain and sweep.previous_digest is not None and sweep.read_digest is not None:
        return digest.without_changed_buckets(
            sweep.previous_digest, sweep.read_digest | sweep.failed_digest
        )
    return digest


def _covered_since(state: Mapping[str, Any], sweep: SweepState, plan: SweepPlan) -> str | None:
    """Return the date from which all members have been read after a complete sweep; None for all.

    A sweep from the bookmark adds to what earlier sweeps read, but reads new members only from its
    own `start_date`. So the later one of the two dates holds for all members.
    """
    dates = [plan.start_date]
    if sweep.since != plan.start_date:
        dates.append(load_timestamp(state.get("start_date")))
    return dump_timestamp(max((date for date in dates if date is not None), default=None))


def found_members(sweep: SweepState, roster: Roster) -> int:
    """Return how many members of the roster CrowdTwist knows."""
    return max(len(roster) - sweep.missing, 0)


def roster_size(state: Mapping[str, Any]) -> int:
    """Return how many members the roster of the last complete sweep had; 0 if that is unknown."""
    return table_version.roster_number(state, "members") or 0


def swept_at(state: Mapping[str, Any]) -> datetime | None:
    """Return when the last sweep that reached its end started, if a state tells."""
    return load_timestamp(roster_entry(state).get("swept_at"))


def void_if_roster_changed(state: MutableMapping[str, Any], roster: Roster) -> bool:
    """Leave a stream alone that the run before has completed; return whether the roster changed.

    If that run had another roster, other streams may read members that this one did not, so it
    does not count as whole.
    """
    has_changed = bool(roster_entry(state).get("checksum") != roster.checksum)
    if state.get("whole_since") and has_changed:
        # Not removed: a merge of states would bring the old value back.
        state["whole_since"] = None
    return has_changed

"""The decisions about a sweep: where it begins, and what it leaves in the state when complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import files_seen, table_version
from tap_crowdtwist.state.compatibility import check_compatible, roster_identity
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep import SweepState
from tap_crowdtwist.state.sweep_storage import forget, load_sweep, read_bookmark, stored_sweep
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.state.sweep import SweepPlan


def begin(state: MutableMapping[str, Any], plan: SweepPlan, roster: Roster) -> SweepState:
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
        resumed = load_sweep(state, stored, plan, since)
        sweep = resumed or _new_sweep(state, plan, since)
        overflowed = resumed is not None and bool(stored.get("overflowed"))
        sweep.failed = FailedMembers.load(stored, overflowed=overflowed)
        if plan.replication_key is None and not sweep.changed:
            _inherit_doubt(sweep, stored if resumed else None, roster)
        if plan.versioned:
            _set_version(state, sweep, stored if resumed else None)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state cannot be read: the entry of `{plan.stream}`; remove it "
            "to read the stream from the start"
        ) from None
    # A sweep that reads all members from `start_date` need not know which were read before.
    if sweep.since != plan.start_date:
        sweep.previous_digest = RosterDigest.load(state.get("roster"))
    return sweep


def _new_sweep(state: Mapping[str, Any], plan: SweepPlan, since: datetime | None) -> SweepState:
    files = None
    if plan.files is not None:
        files = files_seen.files_at_start(state.get("files"), plan.files)
    return SweepState(plan.now.replace(microsecond=0), since, files=files, changed=plan.changed)


def _inherit_doubt(sweep: SweepState, stored: Mapping[str, Any] | None, roster: Roster) -> None:
    """Record the roster of a sweep, and what earlier runs of it may have missed."""
    sweep.roster_checksum = roster.checksum
    if stored is None:
        return
    sweep.doubt = str(stored.get("doubt") or "")
    # Members that are new in the roster and before the cursor are not read by this sweep.
    if stored.get("checksum") != sweep.roster_checksum:
        sweep.doubt = sweep.doubt or "the roster changed while the sweep was interrupted"


def _set_version(
    state: Mapping[str, Any], sweep: SweepState, stored: Mapping[str, Any] | None
) -> None:
    """Set the table version of a sweep."""
    if sweep.changed:
        # The version of the last sweep of all members: the next one of all then replaces these rows
        # too. Without a version they would stay for ever in some targets.
        sweep.version = table_version.last_version(state)
    elif stored is None:
        sweep.version = table_version.next_version(state, sweep.started_at)
    else:
        # If the interrupted run wrote its rows without a version, this one must not have a version
        # either: the target would forget those rows.
        version = stored.get("version")
        sweep.version = None if version is None else int(version)


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
    forget(state, sweep)
    entries = {**roster_identity(roster), "swept_at": dump_timestamp(sweep.started_at)}
    state["roster"] = {**(state.get("roster") or {}), **entries}
    if sweep.failed.overflowed:
        return
    state["completed_at"] = dump_timestamp(now)
    record_files(state, sweep)
    # Bookmark, digest and version describe the last sweep of all members.
    if sweep.changed:
        return
    entries["members"] = len(roster)
    found = found_members(sweep, roster)
    entries |= table_version.completed(state, sweep.version, found, versioned=plan.versioned)
    state["roster"].update(entries)
    if plan.replication_key is None:
        state["roster"]["checksum"] = sweep.roster_checksum
        # `forget` leaves a `sweep` only if members failed.
        if "sweep" not in state and not sweep.doubt:
            state["whole_since"] = dump_timestamp(sweep.started_at)
    if plan.replication_key is not None:
        state["start_date"] = _covered_since(state, sweep, plan)
        state["replication_key"] = plan.replication_key
        state["replication_key_value"] = dump_timestamp(sweep.started_at)
        state["roster"] = {**_digest_after(sweep).dump(), **entries}


def _digest_after(sweep: SweepState) -> RosterDigest:
    """Return the digest of the members that need not be read from `start_date` by the next sweep.

    An empty one makes the next sweep read all members from there.
    """
    if sweep.read_digest is None:
        return RosterDigest()
    digest = sweep.read_digest | sweep.new_members
    # Members in buckets that differ may lack older rows if the sweep was interrupted, or if they
    # failed when they were read again. So the next sweep has to find these buckets different too.
    if sweep.is_uncertain and sweep.previous_digest is not None:
        return digest.without_changed_buckets(
            sweep.previous_digest, sweep.read_digest | sweep.failed_digest
        )
    return digest


def _covered_since(state: Mapping[str, Any], sweep: SweepState, plan: SweepPlan) -> str | None:
    """Return the date from which all members have been read after a complete sweep; None for all.

    A sweep from the bookmark adds to what earlier sweeps read, but reads new members only from its
    own `start_date`. So the later one of the two dates holds for all members.
    """
    covered, before = plan.start_date, load_timestamp(state.get("start_date"))
    if sweep.since != covered and before is not None:
        covered = before if covered is None else max(before, covered)
    return dump_timestamp(covered) if covered is not None else None


def misses_earlier_rows(state: Mapping[str, Any], start_date: datetime | None) -> bool:
    """Return whether earlier runs read the members from a later date than `start_date`."""
    # Null, or absent: everything was read, or nothing is known.
    if state.get("start_date") is None:
        return False
    covered = load_timestamp(state["start_date"])
    return covered is not None and (start_date is None or start_date < covered)


def found_members(sweep: SweepState, roster: Roster) -> int:
    """Return how many members of the roster CrowdTwist knows."""
    return max(len(roster) - sweep.missing, 0)


def roster_size(state: Mapping[str, Any]) -> int:
    """Return how many members the roster of the last complete sweep had; 0 if that is unknown."""
    roster = state.get("roster")
    members = roster.get("members") if isinstance(roster, dict) else None
    return members if isinstance(members, int) else 0


def void_if_roster_changed(state: MutableMapping[str, Any], roster: Roster) -> None:
    """Leave a stream alone that the run before has completed.

    If that run had another roster, other streams may read members that this one did not, so it
    does not count as whole.
    """
    names = (state.get("roster") or {}).get("checksum")
    if state.get("whole_since") and names != roster.checksum:
        # Not removed: a merge of states would bring the old value back.
        state["whole_since"] = None


def record_files(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Record in the state which files a complete sweep has taken into account."""
    files_seen.record_complete(
        state,
        sweep.files,
        sweep.started_at,
        changed=sweep.changed,
    )

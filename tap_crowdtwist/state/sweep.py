"""The state of a sweep: where it stands, what it owes, and from when it reads.

One entry per stream, whatever the number of members:

    {"replication_key": "last_date_purchased", "replication_key_value": "2026-11-19T02:00:00Z",
     "start_date": "2025-01-01T00:00:00Z",
     "roster": {"id_type": "id", "shard": "1/1", "swept_at": "…", "members": 200000,
                "found": 199990, "sums": "…", "largest": 1200999},
     "sweep": {"started_at": "…", "since": "…", "after": 1200345, "read_digest": {…},
               "failed": {"count": 1, "ids": "…"}, "check": 2849711623, …}}

`after` moves only past members whose rows are all written. A run that finds a sweep resumes it with
the same bounds. When the sweep is complete, its start becomes the bookmark, since every member was
read after that moment. Members that kept failing stay in `failed` (see `failed_members`) with their
lower bound, and the next run asks for them again.

`roster` holds a digest of the members that the last complete sweep read (see `roster_digest`). The
digests of the sweep under way (`read_digest`, `new_members`, `failed_digest`) are compared with it,
so that members that the last sweep did not read are read from `start_date`.

* `start_date`: all members in that digest were read from this date on; null for everything. If a
  user wants an earlier date now, the bookmark does not count.
* `files`: the Data Push and Live Push files that are already accounted for (see `files_seen`).
* `whole_since`, full tables only: the start of the last sweep of all members without a failure and
  without a doubt. A row that was last read before it no longer exists, if its member was asked
  since. `names` in `roster` is the checksum of the roster that this sweep was to read.

Meltano may merge a state into an older one (`--full-refresh`, `--merge-state`), and a merge never
removes a key: a `sweep` that is over comes back, or shows through the next one. Therefore
`swept_at` is the start of the last sweep that is over, and `check` a checksum of the other keys.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import files_seen, table_version
from tap_crowdtwist.state.compatibility import check_compatible, roster_identity
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.records.member_id import Member

MAX_CLOCK_SKEW = timedelta(hours=1)
"""How far clocks of several machines may be apart."""

_SHOWN = 60
"""Characters of a bookmark that an error shows."""


@dataclass
class SweepState:
    """A walk over the roster for one stream.

    Attributes:
        started_at: when it began, the future bookmark; aware, UTC, whole seconds.
        since: rows dated earlier are not needed; None for everything.
        after: the last member whose rows are all written.
        failed: members whose rows could not be read.
        previous_digest: members that the last complete sweep read; None if everybody is read from
            `start_date`, or if that is unknown.
        read_digest: members that this sweep read, except `new_members`; None if that is lost.
        new_members: members it read that are not compared with `previous_digest`: those with a
            larger number than any in it, and those that had failed before.
        failed_digest: members that failed in their turn, compared as if they had been read.
        is_uncertain: whether a member that only this sweep read may lack older rows, because the
            run was cut short or the member failed when it was read again.
        asked: members asked so far, by all runs that had a part in the sweep.
        missing: those of them that CrowdTwist did not know.
        files: the files that were there when it began (see `files_seen`); None if there are none.
        changed: whether only members that changed are swept.
        lacks_resource: whether everybody so far lacked the resource; None if that is unknown.
        version: the table version of its records (see `table_version`); None if they have none.
        names: checksum of the roster, in a sweep of all members for a full table.
        doubt: why it may have missed a row of a member of the roster, or "".
    """

    started_at: datetime
    since: datetime | None
    after: Member | None = None
    failed: FailedMembers = field(default_factory=FailedMembers)
    previous_digest: RosterDigest | None = None
    read_digest: RosterDigest | None = field(default_factory=RosterDigest)
    new_members: RosterDigest = field(default_factory=RosterDigest)
    failed_digest: RosterDigest = field(default_factory=RosterDigest)
    is_uncertain: bool = False
    asked: int = 0
    missing: int = 0
    files: dict[str, Any] | None = None
    changed: bool = False
    lacks_resource: bool | None = None
    version: int | None = None
    names: int | None = None
    doubt: str = ""

    def is_new_member(self, user_id: int) -> bool:
        """Return whether a member is new for certain, so that it is read from `start_date`."""
        return self.previous_digest is not None and user_id > self.previous_digest.largest

    def was_read(self, user_id: int, *, owed: bool = False) -> None:
        """Note that a member has been read."""
        if owed or self.is_new_member(user_id):
            self.new_members.add(user_id)
        elif self.read_digest is not None:
            self.read_digest.add(user_id)


@dataclass(frozen=True)
class SweepPlan:
    """What decides where a sweep starts.

    Attributes:
        stream: the name of the stream, for errors.
        now: the present.
        replication_key: the property the bookmark is about, or None for a full table.
        start_date: the earliest row wanted at all.
        lookback: how far before the bookmark to read again.
        files: which files are there now (`notes`); None where that is not known.
        changed: whether only members who changed are swept, from `start_date` on.
        versioned: whether records carry a table version.
    """

    stream: str
    now: datetime
    replication_key: str | None
    start_date: datetime | None
    lookback: timedelta
    files: dict[str, Any] | None = None
    changed: bool = False
    versioned: bool = False

    def since(self, bookmark: datetime | None) -> datetime | None:
        """Give the lower bound of a new sweep."""
        if bookmark is None or self.replication_key is None or self.changed:
            return self.start_date
        bound = bookmark - self.lookback
        return max(bound, self.start_date) if self.start_date else bound


def begin(state: MutableMapping[str, Any], plan: SweepPlan, roster: Roster) -> SweepState:
    """Resume the sweep that a state holds, or start a new one.

    Raises:
        TapError: the state is of another shard or `id_type`, or is not one of ours.
    """
    check_compatible(state, roster)
    bookmark = _bookmark(state, plan)
    try:
        since = plan.since(None if misses_earlier_rows(state, plan.start_date) else bookmark)
        stored = stored_sweep(state)
        resumed = _resumed(state, stored, plan, since)
        sweep = resumed or SweepState(
            plan.now.replace(microsecond=0),
            since,
            files=None
            if plan.files is None
            else files_seen.files_at_start(state.get("files"), plan.files),
            changed=plan.changed,
        )
        overflowed = resumed is not None and bool(stored.get("overflowed"))
        sweep.failed = FailedMembers.load(stored, overflowed=overflowed)
        if plan.replication_key is None and not sweep.changed:
            _inherit_doubt(sweep, stored if resumed else None, roster)
        if plan.versioned:
            _give_version(state, sweep, stored if resumed else None)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state given to the tap cannot be read: the entry of `{plan.stream}`; remove it "
            "to read the stream from the start"
        ) from None
    if sweep.since != plan.start_date:
        sweep.previous_digest = RosterDigest.load(state.get("roster"))
    return sweep


def _inherit_doubt(sweep: SweepState, stored: Mapping[str, Any] | None, roster: Roster) -> None:
    """Record the roster of a sweep, and what earlier runs of it may have missed.

    Members that joined the roster before the cursor meanwhile are not read by this sweep.
    """
    sweep.names = roster.checksum
    if stored is None:
        return
    sweep.doubt = str(stored.get("doubt") or "")
    if stored.get("names") != sweep.names:
        sweep.doubt = sweep.doubt or "the roster changed while the sweep was interrupted"


def _give_version(
    state: Mapping[str, Any], sweep: SweepState, stored: Mapping[str, Any] | None
) -> None:
    """Give a sweep its table version.

    Members who changed get the version of the last complete sweep of all: the next one finds their
    rows older than its own, and finds none without a version, which some targets never forget.
    """
    if sweep.changed:
        sweep.version = table_version.last_version(state)
    elif stored is None:
        sweep.version = table_version.next_version(state, sweep.started_at)
    else:  # rows of a run without versions would be forgotten
        version = stored.get("version")
        sweep.version = None if version is None else int(version)


def stored_sweep(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sweep that a state holds; only what it owes where it is over or not whole."""
    stored: Mapping[str, Any] = state.get("sweep") or {}
    over = parse_timestamp((state.get("roster") or {}).get("swept_at"))
    began = parse_timestamp(stored.get("started_at"))
    whole = stored.get("check") in {None, _check(stored)}
    if whole and (over is None or began is None or began > over):
        return stored
    return {name: stored[name] for name in ("failed", "failed_since") if name in stored}


def _check(stored: Mapping[str, Any]) -> int:
    """Return the checksum of a sweep in a state, in whatever order its keys stand."""
    content = {name: value for name, value in stored.items() if name != "check"}
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _bookmark(state: Mapping[str, Any], plan: SweepPlan) -> datetime | None:
    """Read the bookmark that a state holds.

    Raises:
        TapError: it is no instant, or lies in the future.
    """
    if state.get("replication_key") != plan.replication_key:
        return None
    value = state.get("replication_key_value")
    try:
        bookmark = parse_timestamp(value)
        plan.since(bookmark)  # may lie before the calendar begins
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state given to the tap cannot be read: the bookmark of `{plan.stream}`, "
            f"{value!r:.{_SHOWN}}, is no instant such as 2026-11-19T02:00:00Z; correct it, or "
            "remove the entry of the stream to read it from the start"
        ) from None
    if bookmark is not None and bookmark > plan.now + MAX_CLOCK_SKEW:
        raise TapError(
            f"The state's bookmark of `{plan.stream}`, {format_timestamp(bookmark)}, lies in the "
            "future, so a clock is or was wrong; set the clock, or the bookmark to when the last "
            "sync really began"
        )
    return bookmark


def _resumed(
    state: Mapping[str, Any], stored: Mapping[str, Any], plan: SweepPlan, since: datetime | None
) -> SweepState | None:
    """Return the sweep that a state holds, unless another one is wanted by now."""
    if "started_at" not in stored or (stored.get("members") == "changed") is not plan.changed:
        return None
    resumed = parse_timestamp(stored.get("since"))
    if resumed is not None and (since is None or resumed > since):
        return None
    files = stored.get("files")
    if plan.changed and plan.files is not None:
        files = files_seen.files_on_resume(state.get("files"), files, plan.files)
    return SweepState(
        parse_timestamp(stored["started_at"]) or plan.now,
        resumed,
        stored.get("after"),
        read_digest=RosterDigest.load(stored.get("read_digest")),
        new_members=RosterDigest.load(stored.get("new_members")) or RosterDigest(),
        failed_digest=RosterDigest.load(stored.get("failed_digest")) or RosterDigest(),
        is_uncertain=True,
        asked=int(stored.get("asked", 0)),
        missing=int(stored.get("missing", 0)),
        files=files,
        changed=plan.changed,
        lacks_resource=stored.get("lacks_resource"),
    )


def save(
    state: MutableMapping[str, Any],
    sweep: SweepState,
    plan: SweepPlan,
    roster: Roster,
    now: datetime,
) -> None:
    """Write a sweep that is under way into the state."""
    stored: dict[str, Any] = {
        "started_at": format_timestamp(sweep.started_at),
        "at": format_timestamp(now),
    }
    if sweep.since is not None:
        stored["since"] = format_timestamp(sweep.since)
    if sweep.after is not None:
        stored |= {"after": sweep.after, "asked": sweep.asked, "missing": sweep.missing}
    if plan.replication_key is not None and not sweep.changed:
        stored |= _digests(sweep)
    if sweep.failed.overflowed:
        stored["overflowed"] = True
    if sweep.files is not None:
        stored["files"] = sweep.files
    if sweep.changed:
        stored["members"] = "changed"
    if sweep.lacks_resource is not None:
        stored["lacks_resource"] = sweep.lacks_resource
    if sweep.names is not None:
        stored |= _table_of(sweep)
    stored |= sweep.failed.dump()
    state["sweep"] = {**stored, "check": _check(stored)}
    state["roster"] = {**(state.get("roster") or {}), **roster_identity(roster)}


def _table_of(sweep: SweepState) -> dict[str, Any]:
    """Return the keys of a sweep that decide which rows of a table no longer exist."""
    stored: dict[str, Any] = {"names": sweep.names}
    if sweep.version is not None:
        stored["version"] = sweep.version
    if sweep.doubt:
        stored["doubt"] = sweep.doubt
    return stored


def shorten(state: MutableMapping[str, Any]) -> None:
    """Take out of a sweep under way what costs most room: whom it has asked.

    The next sweep then reads everybody from `start_date`.
    """
    for name in ("read_digest", "new_members", "failed_digest"):
        state["sweep"].pop(name, None)
    state["sweep"]["check"] = _check(state["sweep"])


def _digests(sweep: SweepState) -> dict[str, Any]:
    """Return what a state says of whom a sweep has asked."""
    further = {"new_members": sweep.new_members, "failed_digest": sweep.failed_digest}
    digests = {name: digest.dump() for name, digest in further.items() if digest.largest}
    return (
        digests
        if sweep.read_digest is None
        else {**digests, "read_digest": sweep.read_digest.dump()}
    )


def finish(
    state: MutableMapping[str, Any],
    sweep: SweepState,
    plan: SweepPlan,
    roster: Roster,
    now: datetime,
) -> None:
    """Write a complete sweep into the state: the bookmark moves, the cursor goes.

    Where more members failed than a state can list, nothing moves, so that the next sweep reads
    everybody from the same bound.
    """
    forget(state, sweep)
    names = {**roster_identity(roster), "swept_at": format_timestamp(sweep.started_at)}
    state["roster"] = {**(state.get("roster") or {}), **names}
    if sweep.failed.overflowed:
        return
    state["completed_at"] = format_timestamp(now)
    record_files(state, sweep)
    if sweep.changed:  # the bookmark is of a sweep of all members, and so is who was known
        return
    names["members"] = len(roster)
    found = found_members(sweep, roster)
    names |= table_version.completed(state, sweep.version, found, versioned=plan.versioned)
    state["roster"].update(names)
    if plan.replication_key is None:
        state["roster"]["names"] = sweep.names
        if "sweep" not in state and not sweep.doubt:  # nobody failed
            state["whole_since"] = format_timestamp(sweep.started_at)
    if plan.replication_key is not None:
        state["start_date"] = _start(state, sweep, plan)
        state["replication_key"] = plan.replication_key
        state["replication_key_value"] = format_timestamp(sweep.started_at)
        state["roster"] = {**_known_after(sweep).dump(), **names}


def _known_after(sweep: SweepState) -> RosterDigest:
    """Return whom a complete sweep leaves as known."""
    if sweep.read_digest is None:
        return RosterDigest()
    digest = sweep.read_digest | sweep.new_members
    if sweep.is_uncertain and sweep.previous_digest is not None:
        return digest.without_changed_buckets(
            sweep.previous_digest, sweep.read_digest | sweep.failed_digest
        )
    return digest


def _start(state: Mapping[str, Any], sweep: SweepState, plan: SweepPlan) -> str | None:
    """Return from when on everybody has been read, once a sweep is complete.

    A sweep from the bookmark on leaves what was read before, but reads who is new, and a gap if
    there is one, from its own `start_date` only: the later one of the two holds for all.
    """
    own, before = plan.start_date, parse_timestamp(state.get("start_date"))
    if sweep.since != own and before is not None:
        own = before if own is None else max(before, own)
    return format_timestamp(own) if own is not None else None


def misses_earlier_rows(state: Mapping[str, Any], start_date: datetime | None) -> bool:
    """Return whether the members of a state were read from a later date on than is wanted now."""
    if state.get("start_date") is None:  # everything was read, or nobody knows
        return False
    covered = parse_timestamp(state["start_date"])
    return covered is not None and (start_date is None or start_date < covered)


def found_members(sweep: SweepState, roster: Roster) -> int:
    """Return how many members of the roster CrowdTwist knew."""
    return max(len(roster) - sweep.missing, 0)


def roster_size(state: Mapping[str, Any]) -> int:
    """Return how many members the last complete sweep was to ask; 0 where nobody knows."""
    roster = state.get("roster")
    members = roster.get("members") if isinstance(roster, dict) else None
    return members if isinstance(members, int) else 0


def keep_complete(state: MutableMapping[str, Any], roster: Roster) -> None:
    """Leave a stream alone that the run before has completed.

    If that run had another roster, other streams may read members that this one did not, so it
    does not count as whole.
    """
    names = (state.get("roster") or {}).get("names")
    if state.get("whole_since") and names != roster.checksum:
        state["whole_since"] = None  # a merge of states would bring back a key that is gone


def record_files(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Note in the state which files a complete sweep has taken into account."""
    files_seen.record_complete(
        state,
        sweep.files,
        sweep.started_at,
        changed=sweep.changed,
        lacks_resource=bool(sweep.lacks_resource)
        or (sweep.lacks_resource is None and files_seen.lacks_resource(state)),
    )


def forget(state: MutableMapping[str, Any], sweep: SweepState) -> None:
    """Take a sweep out of the state, but for what it owes."""
    state.pop("sweep", None)
    if debts := sweep.failed.dump():
        state["sweep"] = debts

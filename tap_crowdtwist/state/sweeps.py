"""The state of a sweep: where it stands, what it owes, and from when it reads.

One entry per stream, whatever the number of members:

    {"replication_key": "last_date_purchased", "replication_key_value": "2026-11-19T02:00:00Z",
     "start_date": "2025-01-01T00:00:00Z",
     "roster": {"id_type": "id", "shard": "1/1", "swept": "…", "members": 200000,
                "found": 199990, "sums": "…", "largest": 1200999},
     "sweep": {"started_at": "…", "since": "…", "after": 1200345, "read": {…},
               "retry": {"count": 1, "ids": "…"}, "check": 2849711623, …}}

`after` moves only past members whose rows are all written. A run that finds a sweep resumes it with
the same bounds. When the sweep is complete its start becomes the bookmark, since every member was
read after that moment. Members that kept failing stay in `retry` (`debts`), with the bound they are
owed from, and are asked again by the next run. `roster` tells whom the last complete sweep read;
`read`, `joined` and `fell` whom this one asked so far (`known`), so that whoever was not read is
read from `start_date`. `start_date` is from when on everybody in there was read, null for
everything; where an earlier one is wanted by now, the bookmark does not count. `files` tells in
which files of Data Push and Live Push nobody has to be looked for any more (`notes`).
`whole_since`, of a full table, is the start of the last sweep of all in which nobody failed and
nothing was in doubt: a row that was last read before it is no more, if its member was asked since.
The `names` of its `roster` are the checksum of whom the last complete sweep was to ask.

Meltano may merge a state into an older one (`--full-refresh`, `--merge-state`), and what is merged
never loses a key: a `sweep` that is over comes back, or shows through the next one. So `swept` is
the start of the last sweep that is over, and `check` the checksum of the others' content.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state import debts as debts_of
from tap_crowdtwist.state import notes, tables
from tap_crowdtwist.state.debts import owed
from tap_crowdtwist.state.instants import instant, spell
from tap_crowdtwist.state.known import RosterDigest
from tap_crowdtwist.state.whose import check_roster, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from tap_crowdtwist.roster import Member, Roster

AHEAD = timedelta(hours=1)
"""How far clocks of several machines may be apart."""

_SHOWN = 60
"""Characters of a bookmark that an error shows."""


@dataclass
class Sweep:
    """A walk over the roster for one stream.

    Attributes:
        started_at: when it began, the future bookmark; aware, UTC, whole seconds.
        since: rows dated earlier are not needed; None for everything.
        after: the last member whose rows are all written.
        retry: members that earlier runs could not read, as `Roster.token` has them.
        retry_since: the bound that they are owed from.
        failed: members that this run could not read, likewise.
        failed_since: the bound that they are owed from.
        unlisted: whether more members failed than a state can list, so that the bookmark stays.
        known: whom the last complete sweep read; None where everybody is read from `start_date`,
            or where nobody knows.
        read: whom this one has read so far, but for those in `joined`; None where that is lost.
        joined: whom it has read, and does not compare with `known`: members whose number is above
            all in there, and members who were owed.
        unsure: whether a member that it read, and the last one perhaps not, may lack older rows:
            the run was cut short, or the member failed when it was read again.
        fell: who failed in their turn, to be compared with `known` as if they had been read.
        asked: members asked so far, by all runs that had a part in the sweep.
        missing: those of them whom CrowdTwist did not know.
        files: which files were there when it began (`notes`); None where there are none.
        changed: whether only members who changed are swept.
        lacking: whether everybody so far lacked the resource; None where nobody tells.
        version: the table version of its records (`tables`); None where they have none.
        names: checksum of the roster that a sweep of all for a full table goes through.
        doubt: why it may have missed a row of the members in the roster, or "".
    """

    started_at: datetime
    since: datetime | None
    after: Member | None = None
    retry: set[int] = field(default_factory=set)
    retry_since: datetime | None = None
    failed: set[int] = field(default_factory=set)
    failed_since: datetime | None = None
    unlisted: bool = False
    known: RosterDigest | None = None
    read: RosterDigest | None = field(default_factory=RosterDigest)
    joined: RosterDigest = field(default_factory=RosterDigest)
    fell: RosterDigest = field(default_factory=RosterDigest)
    unsure: bool = False
    asked: int = 0
    missing: int = 0
    files: dict[str, Any] | None = None
    changed: bool = False
    lacking: bool | None = None
    version: int | None = None
    names: int | None = None
    doubt: str = ""

    def is_joined(self, user_id: int) -> bool:
        """Return whether a member is new for certain, so that it is read from `start_date`."""
        return self.known is not None and user_id > self.known.largest

    def was_read(self, user_id: int, *, owed: bool = False) -> None:
        """Note that a member has been read."""
        if owed or self.is_joined(user_id):
            self.joined.add(user_id)
        elif self.read is not None:
            self.read.add(user_id)


@dataclass(frozen=True)
class Plan:
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


def begin(state: MutableMapping[str, Any], plan: Plan, roster: Roster) -> Sweep:
    """Resume the sweep that a state holds, or start a new one.

    Raises:
        TapError: the state is of another shard or `id_type`, or is not one of ours.
    """
    check_roster(state, roster)
    bookmark = _bookmark(state, plan)
    try:
        since = plan.since(None if starts_later(state, plan.start_date) else bookmark)
        stored = under_way(state)
        resumed = _resumed(state, stored, plan, since)
        sweep = resumed or Sweep(
            plan.now.replace(microsecond=0),
            since,
            files=None if plan.files is None else notes.begun(state.get("files"), plan.files),
            changed=plan.changed,
        )
        sweep.retry, sweep.retry_since = debts_of.load(stored)
        if plan.replication_key is None and not sweep.changed:
            _take_over_doubt(sweep, stored if resumed else None, roster)
        if plan.versioned:
            _give_version(state, sweep, stored if resumed else None)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state given to the tap cannot be read: the entry of `{plan.stream}`; remove it "
            "to read the stream from the start"
        ) from None
    if sweep.since != plan.start_date:
        sweep.known = RosterDigest.load(state.get("roster"))
    return sweep


def _take_over_doubt(sweep: Sweep, stored: Mapping[str, Any] | None, roster: Roster) -> None:
    """Note the roster of a sweep, and what earlier runs of it may have missed.

    Members who are in the roster only now, before the cursor, are not asked by this sweep.
    """
    sweep.names = roster.checksum
    if stored is None:
        return
    sweep.doubt = str(stored.get("doubt") or "")
    if stored.get("names") != sweep.names:
        sweep.doubt = sweep.doubt or "the roster changed while the sweep was interrupted"


def _give_version(state: Mapping[str, Any], sweep: Sweep, stored: Mapping[str, Any] | None) -> None:
    """Give a sweep its table version.

    Members who changed get the version of the last complete sweep of all: the next one finds their
    rows older than its own, and finds none without a version, which some targets never forget.
    """
    if sweep.changed:
        sweep.version = tables.last_version(state)
    elif stored is None:
        sweep.version = tables.next_version(state, sweep.started_at)
    else:  # rows of a run without versions would be forgotten
        version = stored.get("version")
        sweep.version = None if version is None else int(version)


def under_way(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the sweep that a state holds; only what it owes where it is over or not whole."""
    stored: Mapping[str, Any] = state.get("sweep") or {}
    over = instant((state.get("roster") or {}).get("swept"))
    began = instant(stored.get("started_at"))
    whole = stored.get("check") in {None, _check(stored)}
    if whole and (over is None or began is None or began > over):
        return stored
    return {name: stored[name] for name in ("retry", "retry_since") if name in stored}


def _check(stored: Mapping[str, Any]) -> int:
    """Return the checksum of a sweep in a state, in whatever order its keys stand."""
    content = {name: value for name, value in stored.items() if name != "check"}
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _bookmark(state: Mapping[str, Any], plan: Plan) -> datetime | None:
    """Read the bookmark that a state holds.

    Raises:
        TapError: it is no instant, or lies in the future.
    """
    if state.get("replication_key") != plan.replication_key:
        return None
    found = state.get("replication_key_value")
    try:
        bookmark = instant(found)
        plan.since(bookmark)  # may lie before the calendar begins
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state given to the tap cannot be read: the bookmark of `{plan.stream}`, "
            f"{found!r:.{_SHOWN}}, is no instant such as 2026-11-19T02:00:00Z; correct it, or "
            "remove the entry of the stream to read it from the start"
        ) from None
    if bookmark is not None and bookmark > plan.now + AHEAD:
        raise TapError(
            f"The state's bookmark of `{plan.stream}`, {spell(bookmark)}, lies in the future, so a "
            "clock is or was wrong; set the clock, or the bookmark to when the last sync really "
            "began"
        )
    return bookmark


def _resumed(
    state: Mapping[str, Any], stored: Mapping[str, Any], plan: Plan, since: datetime | None
) -> Sweep | None:
    """Return the sweep that a state holds, unless another one is wanted by now."""
    if "started_at" not in stored or (stored.get("members") == "changed") is not plan.changed:
        return None
    resumed = instant(stored.get("since"))
    if resumed is not None and (since is None or resumed > since):
        return None
    files = stored.get("files")
    if plan.changed and plan.files is not None:
        files = notes.resumed(state.get("files"), files, plan.files)
    return Sweep(
        instant(stored["started_at"]) or plan.now,
        resumed,
        stored.get("after"),
        unlisted=bool(stored.get("unlisted")),
        read=RosterDigest.load(stored.get("read")),
        joined=RosterDigest.load(stored.get("joined")) or RosterDigest(),
        fell=RosterDigest.load(stored.get("fell")) or RosterDigest(),
        unsure=True,
        asked=int(stored.get("asked", 0)),
        missing=int(stored.get("missing", 0)),
        files=files,
        changed=plan.changed,
        lacking=stored.get("lacking"),
    )


def save(
    state: MutableMapping[str, Any], sweep: Sweep, plan: Plan, roster: Roster, now: datetime
) -> None:
    """Write a sweep that is under way into the state."""
    stored: dict[str, Any] = {"started_at": spell(sweep.started_at), "at": spell(now)}
    if sweep.since is not None:
        stored["since"] = spell(sweep.since)
    if sweep.after is not None:
        stored |= {"after": sweep.after, "asked": sweep.asked, "missing": sweep.missing}
    if plan.replication_key is not None and not sweep.changed:
        stored |= _digests(sweep)
    if sweep.unlisted:
        stored["unlisted"] = True
    if sweep.files is not None:
        stored["files"] = sweep.files
    if sweep.changed:
        stored["members"] = "changed"
    if sweep.lacking is not None:
        stored["lacking"] = sweep.lacking
    if sweep.names is not None:
        stored |= _of_table(sweep)
    stored |= owed(sweep)
    state["sweep"] = {**stored, "check": _check(stored)}
    state["roster"] = {**(state.get("roster") or {}), **names_of(roster)}


def _of_table(sweep: Sweep) -> dict[str, Any]:
    """Return what a state says of a sweep that decides which rows of a table are no more."""
    told: dict[str, Any] = {"names": sweep.names}
    if sweep.version is not None:
        told["version"] = sweep.version
    return {**told, "doubt": sweep.doubt} if sweep.doubt else told


def shorten(state: MutableMapping[str, Any]) -> None:
    """Take out of a sweep under way what costs most room: whom it has asked.

    The next sweep then reads everybody from `start_date`.
    """
    for name in ("read", "joined", "fell"):
        state["sweep"].pop(name, None)
    state["sweep"]["check"] = _check(state["sweep"])


def _digests(sweep: Sweep) -> dict[str, Any]:
    """Return what a state says of whom a sweep has asked."""
    further = {"joined": sweep.joined, "fell": sweep.fell}
    digests = {name: digest.dump() for name, digest in further.items() if digest.largest}
    return digests if sweep.read is None else {**digests, "read": sweep.read.dump()}


def finish(
    state: MutableMapping[str, Any], sweep: Sweep, plan: Plan, roster: Roster, now: datetime
) -> None:
    """Write a complete sweep into the state: the bookmark moves, the cursor goes.

    Where more members failed than a state can list, nothing moves, so that the next sweep reads
    everybody from the same bound.
    """
    forget(state, sweep)
    names = {**names_of(roster), "swept": spell(sweep.started_at)}
    state["roster"] = {**(state.get("roster") or {}), **names}
    if sweep.unlisted:
        return
    state["completed_at"] = spell(now)
    note_files(state, sweep)
    if sweep.changed:  # the bookmark is of a sweep of all members, and so is who was known
        return
    names["members"] = len(roster)
    counted = found(sweep, roster)
    names |= tables.completed(state, sweep.version, counted, versioned=plan.versioned)
    state["roster"].update(names)
    if plan.replication_key is None:
        state["roster"]["names"] = sweep.names
        if "sweep" not in state and not sweep.doubt:  # nobody is owed
            state["whole_since"] = spell(sweep.started_at)
    if plan.replication_key is not None:
        state["start_date"] = _start(state, sweep, plan)
        state["replication_key"] = plan.replication_key
        state["replication_key_value"] = spell(sweep.started_at)
        state["roster"] = {**_known_after(sweep).dump(), **names}


def _known_after(sweep: Sweep) -> RosterDigest:
    """Return whom a complete sweep leaves as known."""
    if sweep.read is None:
        return RosterDigest()
    digest = sweep.read | sweep.joined
    if sweep.unsure and sweep.known is not None:
        return digest.spoilt(sweep.known, sweep.read | sweep.fell)
    return digest


def _start(state: Mapping[str, Any], sweep: Sweep, plan: Plan) -> str | None:
    """Return from when on everybody has been read, once a sweep is complete.

    A sweep from the bookmark on leaves what was read before, but reads who is new, and a gap if
    there is one, from its own `start_date` only: the later one of the two holds for all.
    """
    own, before = plan.start_date, instant(state.get("start_date"))
    if sweep.since != own and before is not None:
        own = before if own is None else max(before, own)
    return spell(own) if own is not None else None


def starts_later(state: Mapping[str, Any], start_date: datetime | None) -> bool:
    """Return whether the members of a state were read from a later date on than is wanted now."""
    if state.get("start_date") is None:  # everything was read, or nobody knows
        return False
    covered = instant(state["start_date"])
    return covered is not None and (start_date is None or start_date < covered)


def found(sweep: Sweep, roster: Roster) -> int:
    """Return how many members of the roster CrowdTwist knew."""
    return max(len(roster) - sweep.missing, 0)


def members_of(state: Mapping[str, Any]) -> int:
    """Return how many members the last complete sweep was to ask; 0 where nobody knows."""
    roster = state.get("roster")
    members = roster.get("members") if isinstance(roster, dict) else None
    return members if isinstance(members, int) else 0


def go_without(state: MutableMapping[str, Any], roster: Roster) -> None:
    """Leave a stream alone that the run before has completed.

    Where it had another roster, members may be asked in other streams who were not asked in this
    one, so it does not count as whole.
    """
    names = (state.get("roster") or {}).get("names")
    if state.get("whole_since") and names != roster.checksum:
        state["whole_since"] = None  # where states are merged, one that is gone would stay


def note_files(state: MutableMapping[str, Any], sweep: Sweep) -> None:
    """Note in the state which files a complete sweep has taken into account."""
    notes.complete(
        state,
        sweep.files,
        sweep.started_at,
        changed=sweep.changed,
        lacking=bool(sweep.lacking) or (sweep.lacking is None and notes.lacking(state)),
    )


def forget(state: MutableMapping[str, Any], sweep: Sweep) -> None:
    """Take a sweep out of the state, but for what it owes."""
    state.pop("sweep", None)
    if debts := owed(sweep):
        state["sweep"] = debts

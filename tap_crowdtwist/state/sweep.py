"""The state of a sweep: its bounds, its cursor, and the members that failed.

One entry per stream, whatever the number of members; docs/incremental.md explains it to users, and
a test checks that both name the same fields:

    {"replication_key": "last_date_purchased", "replication_key_value": "2026-11-19T02:00:00Z",
     "start_date": "2025-01-01T00:00:00Z",
     "roster": {"id_type": "id", "shard": "1/1", "swept_at": "…", "members": 200000,
                "found": 199990, "sums": "…", "largest": 1200999},
     "profile_dates": {"all_at": "…", "read_at": "…", "roster": 658034120},
     "sweep": {"started_at": "…", "at": "…", "since": "…", "after": 1200345, "asked": 56000,
               "missing": 3, "read_digest": {…}, "failed": {"count": 1, "bits": 20, "ids": "…"},
               "failed_since": "…", "check": 2849711623}}

* `replication_key`, `replication_key_value`: the bookmark. It is the start of the last complete
  sweep, not the largest date: every member was read after that moment.
* `start_date`: all members in the digest below were read from this date on; null: from the
  beginning. If a user wants an earlier date now, the bookmark does not count.
* `roster`, about the last complete sweep:

  * `id_type`, `shard`: a run with others is refused (see `compatibility`).
  * `swept_at`: when the last sweep that reached its end started.
  * `members`, `found`: the size of the roster, and how many of them CrowdTwist knew; members that
    failed count as known.
  * `sums`, `largest`: the digest of the members that it read, and the largest of their numbers (see
    `roster_digest`). Members that it did not read are read from `start_date`.
  * `checksum`: of the roster, to notice that a run which resumes this one has another.
  * `version`, full tables only: see `table_version`.

* `sweep`, if one is under way or members failed:

  * `started_at`, `since`: when it began, the next bookmark, and its lower bound. A run that resumes
    it keeps both. No `since` means everything.
  * `at`: when a run last worked on it (see `resume`).
  * `after`: the last member whose rows are all written, or that is listed as failed.
  * `asked`, `missing`, `not_configured`, `failures`: members requested so far, those of them that
    CrowdTwist did not know, those for which it said that the program lacks the resource, and those
    that failed.
  * `read_digest`, `new_members`, `failed_digest`: digests of members, to compare with `roster`.
  * `failed`, `failed_since`: members that could not be read, as a count and a code of their ids
    (see `failed_members`), and their lower bound; without `failed_since`, everything of theirs is
    missing. The next run retries them.
  * `overflowed`: more members failed than `failed` can list.
  * `members`: "changed" or "updated", if it is no sweep of all members.
  * `checked`, `contradicted`: see `profile_dates`; of this sweep so far.
  * `newest_profile`: the newest date of a profile so far, in Unix seconds.
  * `files`, `version`, `checksum`, `doubt`: see the attributes of `SweepState`.
  * `check`: a checksum of the other keys of `sweep`. If it is wrong, only `failed` counts.

* `files`: the Data Push and Live Push files that are accounted for (see `files_seen`).
* `profile_dates`: what a sweep of updated members has to know (see `profile_dates`).
* `whole_since`, full tables only: the start of the last sweep of all members without a failure and
  without a doubt. A row that was last read before it no longer exists, if its member was asked
  since.
* `completed_at`, `doubt`: this run has completed the stream, and why it may lack rows all the same,
  if it may (see `resume`).

Meltano may merge a state into an older one (`--full-refresh`, `--merge-state`), and a merge never
removes a key: a `sweep` that is over may come back, or its keys may be mixed with those of the next
one. `swept_at` and `check` show that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tap_crowdtwist.records.member_id import Member


SweepMembers = Literal["all", "changed", "updated"]
"""The members that are swept, as in the setting `sweep_members`."""


@dataclass
class SweepState:
    """A walk over the roster for one stream.

    Attributes:
        started_at: when it began, the future bookmark; aware, UTC, whole seconds.
        since: rows dated earlier are not needed; None for everything.
        after: the last member whose rows are all written.
        failed: members whose rows could not be read.
        previous_digest: members that the last complete sweep read; None if all members are read
            from `start_date`, or if that is unknown.
        read_digest: members that this sweep read, except `new_members`; None if that is lost, or
            not needed, since there is no bookmark: then nothing is added to any digest.
        new_members: members it read that are not compared with `previous_digest`: those with a
            larger number than any in it, and those that had failed before.
        failed_digest: members that failed in their turn, compared as if they had been read.
        is_uncertain: whether a member that only this sweep read may lack older rows, because the
            run was cut short or the member failed when it was read again.
        asked: members asked so far, by all runs that had a part in the sweep.
        missing: those of them that CrowdTwist did not know.
        not_configured: those of them for which it said that the program lacks the resource.
        failures: those of them that failed; one that failed twice counts twice in both.
        files: the files that were there when it began (see `files_seen`); None if there are none.
        members: the members that are swept.
        checked: members whose newest row was compared with their profile.
        contradicted: those of them with a row that is dated later than the profile.
        newest_profile: the newest date of a profile, in Unix seconds; 0 if none has been read.
        identifies: as in `SweepPlan`.
        version: the table version of its records (see `table_version`); None if they have none.
        roster_checksum: checksum of the roster, in a sweep of all members.
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
    not_configured: int = 0
    failures: int = 0
    files: dict[str, Any] | None = None
    members: SweepMembers = "all"
    checked: int = 0
    contradicted: int = 0
    newest_profile: int = 0
    identifies: bool = False
    version: int | None = None
    roster_checksum: int | None = None
    doubt: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether not all members are swept, so that the state keeps what the last sweep left."""
        return self.members != "all"

    @property
    def are_all_missing(self) -> bool:
        """Whether CrowdTwist knows none of the members so far."""
        return 0 < self.missing == self.asked

    @property
    def is_lacked_by_all(self) -> bool:
        """Whether the program lacks the resource for all members so far, and none was read.

        Those that are missing, or that failed, do not say whether it has the resource.
        """
        return 0 < self.not_configured == self.asked - self.missing - self.failures

    def is_new_member(self, user_id: int) -> bool:
        """Return whether a member is new for certain, so that it is read from `start_date`."""
        return self.previous_digest is not None and user_id > self.previous_digest.largest

    def record_read(self, user_id: int, *, failed_before: bool = False) -> None:
        """Add a member that was read to the digests.

        Args:
            user_id: the member's numeric id.
            failed_before: whether an earlier run failed to read it.
        """
        if self.read_digest is None:
            return
        if self.previous_digest is None:  # nothing will be compared
            self.read_digest.add(user_id)
            return
        # The digest that tells who is new to the roster has members that failed too.
        failed_before = failed_before and not self.identifies
        # `previous_digest` has no member that failed before. In `read_digest` it would make its
        # buckets differ, so that others are read again from `start_date`.
        if failed_before or self.is_new_member(user_id):
            self.new_members.add(user_id)
        else:
            self.read_digest.add(user_id)

    def record_failed(self, user_id: int) -> None:
        """Add a member that failed in its turn to the digests.

        That keeps it from looking new: the next run reads it from the list of failed members, with
        its own lower bound.
        """
        if self.read_digest is None:
            return
        if self.previous_digest is None:  # nothing will be compared
            if self.identifies:
                self.read_digest.add(user_id)
        elif not self.is_new_member(user_id):
            self.failed_digest.add(user_id)
        elif self.identifies:
            self.new_members.add(user_id)

    @property
    def known_digest(self) -> RosterDigest:
        """The digest of the members that need not be read from `start_date` by the next sweep."""
        if self.read_digest is None:
            return RosterDigest()
        known = self.read_digest | self.new_members
        # Who failed here is read from its own bound, and by the other streams all the same.
        return known | self.failed_digest if self.identifies else known


@dataclass(frozen=True)
class SweepPlan:
    """The facts that decide where a sweep starts.

    Attributes:
        stream: the name of the stream, for errors.
        now: the current time.
        replication_key: the property the bookmark is about, or None for a full table.
        start_date: the setting; None for everything.
        lookback: the time before the bookmark that is read again.
        files: the files that exist now (see `files_seen`); None if that is not known.
        members: the members that are swept; with "changed", from `start_date` on.
        versioned: whether records carry a table version.
        identifies: whether it is the sweep that tells which members are new to the roster, for all
            streams of a run that sweeps updated members.
    """

    stream: str
    now: datetime
    replication_key: str | None
    start_date: datetime | None
    lookback: timedelta
    files: dict[str, Any] | None = None
    members: SweepMembers = "all"
    versioned: bool = False
    identifies: bool = False

    @property
    def moves_bookmark(self) -> bool:
        """Whether the sweep moves a bookmark when it is complete."""
        return self.replication_key is not None and self.members == "all"

    @property
    def has_digest(self) -> bool:
        """Whether the sweep adds the members that it reads to a digest."""
        return self.moves_bookmark or (self.identifies and self.members != "changed")

    def since(self, bookmark: datetime | None) -> datetime | None:
        """Return the lower bound of a new sweep; None for everything.

        Args:
            bookmark: the bookmark of the stream, if there is one.
        """
        if bookmark is None or self.replication_key is None or self.members == "changed":
            return self.start_date
        bound = bookmark - self.lookback
        return max(bound, self.start_date) if self.start_date else bound

"""The requests of a sweep: which members, in which order, from which date on; and their results."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.state import lower_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.members.user_ids import UserIdLookup
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.state import SweepState
    from tap_crowdtwist.sync.updated_members import UpdatedMembers

DELETED_AT = "_sdc_deleted_at"
"""The property by which targets learn when a row was deleted."""


class RequestKind(enum.Enum):
    """Reason to read a member."""

    IN_ORDER = "it is next in the roster"
    FAILED_BEFORE = "an earlier run failed to read it"
    REREAD = "it was read from the bookmark, and may be new to the roster"


class MemberRequest(NamedTuple):
    """One member to read, by its position in the roster, and the lower bound of its rows."""

    position: int
    since: datetime | None
    kind: RequestKind = RequestKind.IN_ORDER


class MemberResult(NamedTuple):
    """The outcome of a request.

    Attributes:
        rows: raw rows; none if there is an error.
        since: the lower bound they were read with.
        extracted: when they were received.
        error: why the member could not be read.
    """

    rows: list[Row]
    since: datetime | None
    extracted: datetime
    error: ApiError | None = None

    @property
    def was_read(self) -> bool:
        """Whether the member exists and all of its rows were read."""
        return self.error is None and not self.deleted

    @property
    def deleted(self) -> int:
        """Number of rows that say that the member was deleted."""
        return sum(DELETED_AT in row for row in self.rows)


def requests_of(
    roster: Roster, sweep: SweepState, start_date: datetime | None, updated: UpdatedMembers | None
) -> Iterator[MemberRequest]:
    """Yield the rest of the roster, then the members that failed in earlier runs.

    Args:
        roster: the members of the run.
        sweep: the sweep.
        start_date: the lower bound of members that are new to the roster.
        updated: the members to read, besides those that failed; None for all.

    Those come last, so that a member that fails for good never keeps others from being read. One
    that is read now leaves the list when the sweep is complete; one that fails again is added anew
    by `FailurePolicy`.
    """
    failed = roster.with_tokens(sweep.failed.earlier)
    later = frozenset(failed)
    for position in range(roster.after(sweep.after), len(roster)):
        if position in later:
            continue
        if updated is None:
            yield MemberRequest(position, sweep.since)
        elif position in updated:
            yield MemberRequest(position, start_date if updated.is_new(position) else sweep.since)
    bound = lower_bound(sweep.failed.earlier_since, sweep.since)
    # The same email or user name may belong to another member by now, who was never read.
    if roster.id_type != "id":
        bound = start_date
    yield from [MemberRequest(position, bound, RequestKind.FAILED_BEFORE) for position in failed]


def since_of(
    request: MemberRequest,
    sweep: SweepState,
    user_ids: UserIdLookup,
    start_date: datetime | None,
) -> datetime | None:
    """Return the lower bound for a member.

    It is `start_date` for a member whose number shows that it is new, and for one that failed
    before its number was known.
    """
    if sweep.previous_digest is None or request.kind is not RequestKind.IN_ORDER:
        return request.since
    user_id = user_ids.known_id(request.position)
    is_new = user_id is None or sweep.is_new_member(user_id)
    return start_date if is_new else request.since


def new_member_test(sweep: SweepState) -> Callable[[int], bool] | None:
    """Return a test for members that this sweep has read and the last complete one may not have.

    Returns:
        The test, which takes CrowdTwist's number; None if there is no such member.
    """
    if sweep.previous_digest is None or sweep.read_digest is None:
        return None
    read_or_failed = sweep.read_digest | sweep.failed_digest
    is_new = sweep.previous_digest.new_member_test(read_or_failed)
    largest = sweep.previous_digest.largest
    if is_new is None:
        return None
    # A member with a larger number is new for certain, and has been read from `start_date`.
    return lambda user_id: user_id <= largest and is_new(user_id)


def reread_requests(
    members: int,
    known_id: Callable[[int], int | None],
    is_new: Callable[[int], bool],
    first: int,
    start_date: datetime | None,
) -> Iterator[MemberRequest]:
    """Yield the members to read again from `start_date`: the last sweep may not have read them.

    This includes members before `first` whose number is unknown, because an interrupted run read
    them. The fetch has to look their number up and apply `is_new` then.

    Args:
        members: size of the roster.
        known_id: returns the number of a member, by position, or None.
        is_new: what `new_member_test` returned.
        first: the position at which this run began.
        start_date: the lower bound.
    """
    for position in range(members):
        user_id = known_id(position)
        may_be_new = position < first if user_id is None else is_new(user_id)
        if may_be_new:
            yield MemberRequest(position, start_date, RequestKind.REREAD)

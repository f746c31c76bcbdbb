"""Whom to ask in a sweep, in which order and from when on; and what came of each."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.state import lower_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.state import SweepState

DELETED_AT = "_sdc_deleted_at"
"""By what name targets know when a row was deleted."""


class RequestKind(enum.Enum):
    """Why a member is asked about."""

    IN_ORDER = "its place in the roster has come"
    FAILED_BEFORE = "an earlier run failed to read it"
    REREAD = "it was read from the bookmark, and may be new to the roster"


class MemberRequest(NamedTuple):
    """One member to ask about, and from when on."""

    position: int
    since: datetime | None
    kind: RequestKind = RequestKind.IN_ORDER


class MemberResult(NamedTuple):
    """What came of an request: raw rows, from when on and when they came, or why there are none."""

    rows: list[Row]
    since: datetime | None
    extracted: datetime
    error: ApiError | None = None

    @property
    def was_read(self) -> bool:
        """Whether there is such a member, and all of its rows came."""
        return self.error is None and not self.deleted

    @property
    def deleted(self) -> int:
        """How many of the rows say that the member is deleted."""
        return sum(DELETED_AT in row for row in self.rows)


def requests_of(
    roster: Roster, sweep: SweepState, start_date: datetime | None
) -> Iterator[MemberRequest]:
    """Yield the rest of the roster, then who is owed, so that nobody owed is in the way."""
    owed = roster.with_tokens(sweep.failed.earlier)
    later = frozenset(owed)
    for place in range(roster.after(sweep.after), len(roster)):
        if place not in later:
            yield MemberRequest(place, sweep.since)
    bound = lower_bound(sweep.failed.earlier_since, sweep.since)
    if roster.id_type != "id":  # behind the same name there may be another member by now
        bound = start_date
    yield from [MemberRequest(place, bound, RequestKind.FAILED_BEFORE) for place in owed]


def new_member_test(sweep: SweepState) -> Callable[[int], bool] | None:
    """Return a test for members that a sweep has read, and the last complete one perhaps not.

    Returns:
        The test, by CrowdTwist's number; None where there is nobody.
    """
    if sweep.previous_digest is None or sweep.read_digest is None:
        return None
    is_new, largest = (
        sweep.previous_digest.new_member_test(sweep.read_digest | sweep.failed_digest),
        sweep.previous_digest.largest,
    )
    if is_new is None:
        return None
    # Whoever has a larger number was read from `start_date` in the first place.
    return lambda user_id: user_id <= largest and is_new(user_id)


def reread_requests(
    members: int,
    known_id: Callable[[int], int | None],
    is_new: Callable[[int], bool],
    first: int,
    start_date: datetime | None,
) -> Iterator[MemberRequest]:
    """Yield whom to read from `start_date` after all, since the last sweep may not have read them.

    Members before `first` whose number is unknown are among them: their turn was in a run that was
    cut short. Whoever asks for it has to look again.

    Args:
        members: how many there are.
        known_id: returns the number of a member, by position, or None.
        is_new: what `new_member_test` returned.
        first: the position at which this run began.
        start_date: from when on they are wanted.
    """
    for place in range(members):
        user_id = known_id(place)
        if place < first if user_id is None else is_new(user_id):
            yield MemberRequest(place, start_date, RequestKind.REREAD)

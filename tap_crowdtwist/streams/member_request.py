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
    from tap_crowdtwist.state import Sweep

DELETED_AT = "_sdc_deleted_at"
"""By what name targets know when a row was deleted."""


class Turn(enum.Enum):
    """Why a member is asked about."""

    FIRST = "its place in the roster has come"
    OWED = "an earlier run failed to read it"
    AGAIN = "it was read from the bookmark, and may be new to the roster"


class Errand(NamedTuple):
    """One member to ask about, and from when on."""

    position: int
    since: datetime | None
    turn: Turn = Turn.FIRST


class Haul(NamedTuple):
    """What came of an errand: raw rows, from when on and when they came, or why there are none."""

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


def turns(roster: Roster, walk: Sweep, start_date: datetime | None) -> Iterator[Errand]:
    """Yield the rest of the roster, then who is owed, so that nobody owed is in the way."""
    owed = roster.with_tokens(walk.failed.earlier)
    later = frozenset(owed)
    for place in range(roster.after(walk.after), len(roster)):
        if place not in later:
            yield Errand(place, walk.since)
    bound = lower_bound(walk.failed.earlier_since, walk.since)
    if roster.id_type != "id":  # behind the same name there may be another member by now
        bound = start_date
    yield from [Errand(place, bound, Turn.OWED) for place in owed]


def newcomers(walk: Sweep) -> Callable[[int], bool] | None:
    """Return a test for members that a sweep has read, and the last complete one perhaps not.

    Returns:
        The test, by CrowdTwist's number; None where there is nobody.
    """
    if walk.known is None or walk.read is None:
        return None
    is_new, largest = walk.known.newcomers(walk.read | walk.fell), walk.known.largest
    if is_new is None:
        return None
    # Whoever has a larger number was read from `start_date` in the first place.
    return lambda user_id: user_id <= largest and is_new(user_id)


def again(
    members: int,
    known_id: Callable[[int], int | None],
    is_new: Callable[[int], bool],
    first: int,
    start_date: datetime | None,
) -> Iterator[Errand]:
    """Yield whom to read from `start_date` after all, since the last sweep may not have read them.

    Members before `first` whose number is unknown are among them: their turn was in a run that was
    cut short. Whoever asks for it has to look again.

    Args:
        members: how many there are.
        known_id: returns the number of a member, by position, or None.
        is_new: what `newcomers` returned.
        first: the position at which this run began.
        start_date: from when on they are wanted.
    """
    for place in range(members):
        user_id = known_id(place)
        if place < first if user_id is None else is_new(user_id):
            yield Errand(place, start_date, Turn.AGAIN)

"""The Live Push events of a day, in order of time."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from crowdtwist_sandbox.feeds import live_shapes as shapes
from crowdtwist_sandbox.feeds.days import today_of
from crowdtwist_sandbox.feeds.live_profile import profile_event
from crowdtwist_sandbox.feeds.memberships import memberships

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.feeds.days import MemberDay, Today
    from crowdtwist_sandbox.world.program import Row

    _Entry = tuple[tuple[int, int, int], str, Callable[[], Row]]

FEEDS = ("users", "activities", "redemptions", "points-expiration", "segments")


def live_events(engine: Engine, day: int) -> Iterator[tuple[str, Row]]:
    """Yield every event of a day with the name of its feed, in order of time.

    A member's profile is sent once, at the time of the member's last change of the day.

    Raises:
        ValueError: there is no such day.
    """
    today = today_of(engine, day)
    entries = [entry for member_day in today.member_days for entry in _entries(today, member_day)]
    entries.sort(key=itemgetter(0))
    for _, feed, build in entries:
        yield feed, build()


def _entries(today: Today, member_day: MemberDay) -> Iterator[_Entry]:
    """Yield the sort key, the feed and the builder of each event of one member."""
    # Built only when sent, so that a day's events need not all be in memory.
    for completion in member_day.completions:
        yield (
            # Time, member and feed. The sort is stable: a group is left before the next is entered.
            (completion.created, member_day.index, 0),
            "activities",
            partial(shapes.activity, today, member_day, completion),
        )
    for order in member_day.orders:
        yield (
            (order.at, member_day.index, 1),
            "redemptions",
            partial(shapes.redemption, today, member_day, order),
        )
    for change in memberships(today, member_day):
        yield (
            (change.at, member_day.index, 2),
            "segments",
            partial(shapes.segment, member_day, change),
        )
    if member_day.changed_at is not None:
        yield (
            (member_day.changed_at, member_day.index, 3),
            "users",
            partial(profile_event, today, member_day),
        )
    if member_day.reminder is not None:
        yield (
            (member_day.reminder.at, member_day.index, 4),
            "points-expiration",
            partial(shapes.expiration, today, member_day, member_day.reminder),
        )

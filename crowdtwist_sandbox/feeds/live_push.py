"""Live Push: the events of a day, in order of time."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from crowdtwist_sandbox.feeds import live_shapes as shapes
from crowdtwist_sandbox.feeds.days import today_of
from crowdtwist_sandbox.feeds.memberships import memberships

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.feeds.days import Appearance, Today
    from crowdtwist_sandbox.world.program import Row

    _Entry = tuple[tuple[int, int, int], str, Callable[[], Row]]

FEEDS = ("users", "activities", "redemptions", "points-expiration", "segments")


def live_events(engine: Engine, day: int) -> Iterator[tuple[str, Row]]:
    """Every event of a day, each with its feed's name, in order of time.

    A profile comes after the member's last change of the day, as it is at the day's end.

    Raises:
        ValueError: for a day that no sandbox has.
    """
    today = today_of(engine, day)
    entries = [entry for seen in today.appearances for entry in _entries(today, seen)]
    entries.sort(key=itemgetter(0))
    for _, feed, build in entries:
        yield feed, build()


def _entries(today: Today, seen: Appearance) -> Iterator[_Entry]:
    """Events of one member, with what they are sorted by, and still to be built."""
    for line in seen.lines:
        yield (
            (line.created, seen.index, 0),
            "activities",
            partial(shapes.activity, today, seen, line),
        )
    for order in seen.orders:
        yield (
            (order.at, seen.index, 1),
            "redemptions",
            partial(shapes.redemption, today, seen, order),
        )
    for change in memberships(today, seen):
        yield (change.at, seen.index, 2), "segments", partial(shapes.segment, seen, change)
    if seen.changed_at is not None:
        yield (seen.changed_at, seen.index, 3), "users", partial(shapes.user, today, seen)
    if seen.reminder is not None:
        yield (
            (seen.reminder.at, seen.index, 4),
            "points-expiration",
            partial(shapes.expiration, today, seen, seen.reminder),
        )

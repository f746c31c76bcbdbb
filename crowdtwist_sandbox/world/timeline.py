"""The timeline of a member up to a day: events in order, and the points after each of them.

A later day only adds events. It changes nothing that an earlier day has shown, except purchases (by
a later receipt for the same order, or a return). All events of a member have different times, so
that no two rows of a listing are equal even without their ids. With the option `late_rows`, some
events are dated days before the day that adds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.world.account import Account, Prices
from crowdtwist_sandbox.world.deterministic_random import STEP, mix, seed_of
from crowdtwist_sandbox.world.events import (
    COMPLETION,
    EXPIRY,
    LATER_RECEIPT,
    RECEIPT,
    REDEMPTION,
    Event,
    Timeline,
)
from crowdtwist_sandbox.world.expiration import month_end_clock
from crowdtwist_sandbox.world.pace import USUAL, Pace
from crowdtwist_sandbox.world.population import Population, is_heavy
from crowdtwist_sandbox.world.profile_dates import USUAL_DATES, ProfileDates
from crowdtwist_sandbox.world.timestamps import DAY, date_of, month_end

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.program import Program
    from crowdtwist_sandbox.world.rewards import Rewards

_SECONDS = 86_000  # of a day; the rest is room to move a colliding event
_FIRST_DAILY = -2  # daily life starts a little before day 0, so that day 0 has recent purchases


class TimelineBuilder:
    """Computes the timelines of members.

    One 64-bit seed decides everything about an event: each property takes other bits of it
    (`seed >> 16`), so that they do not depend on one another.
    """

    def __init__(
        self,
        key: int,
        first_day: int,
        population: Population,
        program: Program,
        rewards: Rewards,
        pace: Pace = USUAL,
        dates: ProfileDates = USUAL_DATES,
    ) -> None:
        self._key = key
        self._first_day = first_day
        self._population = population
        self._prices = Prices(program, rewards, first_day)
        self._pace = pace
        self._dates = dates

    def timeline(self, index: int, day: int) -> Timeline:
        """Return a member's timeline at the end of a day."""
        joined = self._population.join_day(index)
        joined_at = (self._first_day + joined) * DAY + seed_of(self._key, "hour", index) % 60
        events = self._past_events(index, joined)
        moved, moved_at = self._add_daily_events(index, joined, day, events)
        if index % 6 == 0:
            events += self._expirations(index, joined, day)
        # Later receipts were added with their purchase, and may lie after the end of the day.
        last = (self._first_day + day + 1) * DAY
        events = [event for event in events if event[0] < last]
        account = Account(index, joined_at, self._prices, self._dates)
        for event in sorted(events):
            account.book(event)
        return account.timeline([joined_at, *moved_at], moved, last - 1)

    def _past_events(self, index: int, joined: int) -> list[Event]:
        """Return the events between the day of joining and the days computed one by one."""
        span = _FIRST_DAILY - joined
        shape = seed_of(self._key, "shape", index)
        # One member in twelve has no events before day 1: there must be members without rows.
        if span <= 0 or (shape % 12 == 0 and not is_heavy(index)):
            return []
        if is_heavy(index):
            amounts = (260 + shape % 300, 60 + (shape >> 16) % 40, 40 + (shape >> 24) % 30)
        else:
            amounts = ((shape >> 8) % 10, (shape >> 16) % 4, (shape >> 24) % 3)
        events = []
        for kind, amount in zip((COMPLETION, RECEIPT, REDEMPTION), amounts, strict=True):
            key = seed_of(shape, "event", kind)
            for number in range(amount):
                seed = mix(key + number * STEP)
                start = (self._first_day + joined + 1 + seed % span) * DAY
                at = start + (seed >> 20) % _SECONDS
                events.append((at, kind, kind * 1000 + number, seed))
                # Ranges of sequence numbers: below 10,000 the past, from there on 20 for each
                # day, and above 500,000 later receipts. They make the ids of rows.
                if kind == RECEIPT:
                    _add_later_receipt(events, at, kind * 1000 + number, seed)
        return events

    def _add_daily_events(
        self, index: int, joined: int, day: int, events: list[Event]
    ) -> tuple[int, list[int]]:
        """Add each day's events; return the seed of the last move to another city, and the times.

        The times are those of all moves.
        """
        key = seed_of(self._key, "daily", index)
        moved = key
        moved_at = []
        start = max(joined, _FIRST_DAILY)
        if joined <= 0 and seed_of(self._key, "shape", index) % 12 == 0 and not is_heavy(index):
            start = 1
        for today in range(start, day + 1):
            seed = mix(key + today * STEP)
            midnight = (self._first_day + today) * DAY
            if (seed >> 32) % self._pace.move_every == 0:
                moved = seed
                moved_at.append(midnight + (seed >> 40) % _SECONDS)
            # On the day of joining, every member does something.
            if seed & 0xFFFF >= self._pace.eager and today != joined:
                continue
            base = 10_000 + (today - _FIRST_DAILY) * 20
            for number in range(1 + (seed >> 16) % 3):
                event_seed = mix(seed + number)
                events.append(
                    (
                        midnight + (event_seed >> 20) % _SECONDS,
                        COMPLETION,
                        base + number,
                        event_seed,
                    )
                )
            if (seed >> 20) % 3 == 0:
                event_seed = mix(seed + 8)
                at = midnight + (event_seed >> 20) % _SECONDS
                events.append((at, RECEIPT, base + 8, event_seed))
                _add_later_receipt(events, at, base + 8, event_seed)
            if (seed >> 24) % 4 == 0:
                event_seed = mix(seed + 12)
                events.append(
                    (midnight + (event_seed >> 20) % _SECONDS, REDEMPTION, base + 12, event_seed)
                )
        return moved, moved_at

    def _expirations(self, index: int, joined: int, day: int) -> list[Event]:
        """Return the expirations of a member's points: month ends, from two years ago on."""
        events = []
        today = date_of(self._first_day + day)
        since = (self._first_day + max(joined, -730)) * DAY
        months = (date_of(self._first_day).year - 3) * 12
        for month in range(months, today.year * 12 + today.month):
            at = month_end(month // 12, month % 12 + 1) + month_end_clock(self._key, index)
            if at > since:
                seed = mix(seed_of(self._key, "expiry", index) + month * STEP)
                events.append((at, EXPIRY, 0, seed))
        return events


def _add_later_receipt(events: list[Event], at: int, sequence: int, seed: int) -> None:
    """Add another receipt, one to three days later, to one purchase in four."""
    if (seed >> 40) % 4 == 0:
        midnight = at - at % DAY + (1 + (seed >> 44) % 3) * DAY
        events.append((midnight + (seed >> 30) % _SECONDS, LATER_RECEIPT, sequence, seed))

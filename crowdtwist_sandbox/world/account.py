"""A member's account of points: every event booked in order of time, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.world.deterministic_random import mix
from crowdtwist_sandbox.world.events import (
    COMPLETION,
    RECEIPT,
    REDEMPTION,
    Completion,
    Event,
    Line,
    Purchase,
    Redemption,
    Timeline,
)
from crowdtwist_sandbox.world.program import Program, activity_count
from crowdtwist_sandbox.world.rewards import REWARDS, Rewards
from crowdtwist_sandbox.world.timestamps import DAY
from crowdtwist_sandbox.world.words import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crowdtwist_sandbox.world.profile_dates import ProfileDates

_SEQUENCE = 1_000_000  # room for the events of one member
_LATER = 500_000  # added to the sequence number of a later receipt, for its own history line
# A multiple of the 3 of Batch Activity files: no line of a file is turned into a deduction.
_DEDUCTION_EVERY, _DEDUCTION_REST = 60, 1
_RETURN_EVERY = 6  # of the later receipts
_MOST_POINTS = 150  # of a receipt, at once
_LATE_EVERY = 4  # with the option `late_rows`


_MAY_BE_LATE = frozenset({COMPLETION, RECEIPT, REDEMPTION})
"""Kinds of events whose rows may arrive after their date."""


class Prices(NamedTuple):
    """Points that activities bring and rewards cost; `first_day` is day 0 as an epoch day."""

    program: Program
    rewards: Rewards
    first_day: int


class Account:
    """The account of one member, who is a number in the population.

    Each event takes its properties from other bits of its seed, so that they do not depend on one
    another.
    """

    def __init__(
        self, index: int, joined_at: int, prices: Prices, profile_dates: ProfileDates
    ) -> None:
        self._prefix = (index + 1) * _SEQUENCE
        self._prices = prices
        self._profile_dates = profile_dates
        self._profile_events: list[int] = []
        self._joined_at = self._tier_since = joined_at
        self._completions: list[Completion] = []
        self._purchases: dict[int, Purchase] = {}
        self._redemptions: list[Redemption] = []
        self._expiries: list[tuple[int, int]] = []
        self._total = self._balance = self._bought = self._tier = self._at = 0
        self._dated = 0  # the date of the current event's rows
        # In the order of the constants of the kinds, which are its indexes.
        self._booking: tuple[Callable[[int, int], None], ...] = (
            self._complete,
            self._buy,
            self._come_back,
            self._redeem,
            self._expire,
        )

    def book(self, event: Event) -> None:
        """Book the next event; events must come in order of time."""
        at, kind, sequence, seed = event
        # No two events at the same second.
        self._at = max(at, self._at + 1)
        late_days = self._late_days(kind, seed)
        self._dated = self._at - late_days * DAY
        if not late_days or self._profile_dates.with_late_rows:
            self._profile_events.append(self._at)
        self._booking[kind](sequence, seed)

    def _late_days(self, kind: int, seed: int) -> int:
        """Return how many days after their date an event's rows arrive; 0 for nearly all.

        The event keeps its place, so that no balance that was sent before is another one later.
        """
        may_be_late = self._profile_dates.has_late_rows and kind in _MAY_BE_LATE
        since_day_0 = self._at // DAY - self._prices.first_day
        if not may_be_late or since_day_0 < 1 or (seed >> 50) % _LATE_EVERY:
            return 0
        days = 1 + (seed >> 52) % 3
        return days if self._at - days * DAY > self._joined_at else 0

    def timeline(self, changes: Sequence[int], moved: int, now: int) -> Timeline:
        """Return everything booked so far.

        Args:
            changes: times of changes of the profile itself, that of joining first.
            moved: seed of the last move to another city.
            now: the present.
        """
        return Timeline(
            self._joined_at,
            max(*changes, self._at),
            self._profile_dates.date(changes, self._profile_events, now),
            self._completions,
            list(self._purchases.values()),
            self._redemptions,
            self._expiries,
            self._total,
            self._balance,
            self._bought,
            self._tier,
            self._tier_since,
            moved,
        )

    def _complete(self, sequence: int, seed: int) -> None:
        """Book a completion, or points that staff deduct instead."""
        back_dated = (seed >> 40) % 10 == 0
        chosen = mix(seed) % _DEDUCTION_EVERY == _DEDUCTION_REST
        if chosen and not back_dated and self._balance > 0:
            points = min(self._balance, 10 + (seed >> 48) % 90)
            self._add_line(Line.DEDUCTION, sequence, -points, seed)
            return
        # Only activities that existed on that day.
        today = self._dated // DAY - self._prices.first_day
        activity = (seed >> 8) % activity_count(today)
        points = self._prices.program.activity_points(activity)
        awarded = self._dated
        if back_dated:  # awarded for an earlier day
            awarded -= (1 + (seed >> 44) % 4) * DAY
        number = self._prefix + sequence
        line = Completion(number, self._dated, awarded, activity, points, seed, Line.ACTIVITY)
        self._add(line)

    def _buy(self, sequence: int, seed: int) -> None:
        self._add_receipt(sequence, 100 + (seed >> 16) % 20_000, sequence, seed)

    def _come_back(self, sequence: int, seed: int) -> None:
        """Book a later receipt: for more, or for what was returned."""
        if (seed >> 54) % _RETURN_EVERY or self._balance == 0:
            self._add_receipt(sequence, 100 + (seed >> 32) % 20_000, sequence + _LATER, seed)
            return
        old = self._purchases[sequence]
        points = 1 + (seed >> 24) % min(self._balance, old.awarded)
        # A point stands for 100 cents, so no purchase is worth less than nothing.
        self._purchases[sequence] = old._replace(
            last=self._dated,
            cents=old.cents - 100 * points,
            earned=old.earned - points,
            awarded=old.awarded - points,
        )
        self._bought -= points
        self._add_line(Line.RETURN, sequence + _LATER, -points, seed)

    def _add_receipt(self, sequence: int, cents: int, line: int, seed: int) -> None:
        earned = cents // 100
        # A purchase above 150 points is awarded in part; the rest awaits fulfillment.
        points = min(earned, _MOST_POINTS)
        first = Purchase(sequence, self._dated, self._dated, 0, 0, 0, seed)
        old = self._purchases.get(sequence, first)
        self._purchases[sequence] = old._replace(
            last=self._dated,
            cents=old.cents + cents,
            earned=old.earned + earned,
            awarded=old.awarded + points,
        )
        self._bought += points
        self._add_line(Line.PURCHASE, line, points, seed)

    def _redeem(self, sequence: int, seed: int) -> None:
        reward = (seed >> 8) % REWARDS
        quantity = 2 if (seed >> 40) % 6 == 0 else 1
        # No balance is ever negative; a member with too few points pays what is there.
        cost = min(self._balance, quantity * self._prices.rewards.price(reward))
        left = self._balance - cost
        number = self._prefix + sequence
        self._redemptions.append(
            Redemption(number, self._dated, reward, quantity, cost, left, seed)
        )
        self._add_line(Line.REDEMPTION, sequence, -cost, seed)

    def _expire(self, _sequence: int, seed: int) -> None:
        lapsed = min(self._balance, seed % 40)
        self._balance -= lapsed
        self._expiries.append((self._at, lapsed))

    def _add_line(self, kind: Line, sequence: int, points: int, seed: int) -> None:
        number = self._prefix + sequence
        self._add(Completion(number, self._dated, self._dated, None, points, seed, kind))

    def _add(self, line: Completion) -> None:
        """Add a line to the history; only points that were earned count towards a tier."""
        self._completions.append(line)
        self._balance += line.points
        self._total += max(line.points, 0)
        while self._tier + 1 < len(TIERS) and self._total >= TIERS[self._tier + 1][1]:
            self._tier += 1
            self._tier_since = line.created

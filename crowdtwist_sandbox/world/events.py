"""Events in a member's life; times are epoch seconds."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

COMPLETION, RECEIPT, LATER_RECEIPT, REDEMPTION, EXPIRY = range(5)

Event = tuple[int, int, int, int]
"""Time, kind (one of the constants above), sequence number and seed; sorts by time."""


class Line(Enum):
    """The kind of a line of the points history; the last three have negative points.

    The public pages show negative points for redemptions only. Staff deduct points in Member Care,
    which is an activity with a note, and returned purchases cost points too.
    """

    ACTIVITY = "activity"
    PURCHASE = "purchase"
    REDEMPTION = "redemption"
    DEDUCTION = "deduction"
    RETURN = "return"


class Completion(NamedTuple):
    """A line of the points history; `activity` is set for activities only."""

    number: int
    created: int
    awarded: int
    activity: int | None
    points: int
    seed: int
    kind: Line


class Purchase(NamedTuple):
    """An order or a receipt, with the sum of everything booked under it so far."""

    sequence: int
    first: int
    last: int
    cents: int
    earned: int
    awarded: int
    seed: int


class Redemption(NamedTuple):
    """An order of a reward."""

    number: int
    at: int
    reward: int
    quantity: int
    cost: int
    balance: int
    seed: int


class Timeline(NamedTuple):
    """A member's life up to a day; its lists are in the order in which things were booked.

    `updated_at` is when something last happened; `profile_updated_at` is what the profile says.
    """

    joined_at: int
    updated_at: int
    profile_updated_at: int
    completions: list[Completion]
    purchases: list[Purchase]
    redemptions: list[Redemption]
    expiries: list[tuple[int, int]]
    total_points: int
    redeemable_points: int
    purchased_points: int
    tier: int
    tier_since: int
    moved: int

"""Events in a member's life; times are epoch seconds."""

from __future__ import annotations

from typing import NamedTuple


class Completion(NamedTuple):
    """A line of the points history. Negative points are a redemption, as they may not be live."""

    number: int
    created: int
    awarded: int
    activity: int | None
    points: int
    seed: int


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
    """A member's life up to a day; its lists are in order of time."""

    joined_at: int
    updated_at: int
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

"""Rows that are away for a day and come back on another.

The API leaves out what is no more (a reward out of stock, a used coupon) without a word, so
nothing but a later answer tells of it.
"""

from __future__ import annotations

from crowdtwist_sandbox.world.deterministic_random import STEP, mix

_ODDS = 9


def is_away(key: int, day: int) -> bool:
    """Whether a row is away on a day; on day 0 all are there."""
    return day > 0 and mix(key + day * STEP) % _ODDS == 0

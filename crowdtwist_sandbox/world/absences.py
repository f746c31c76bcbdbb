"""Rows that are absent on some days.

The API silently omits rows that no longer apply (a reward out of stock, a used coupon), so only a
later response shows that they are gone.
"""

from __future__ import annotations

from crowdtwist_sandbox.world.deterministic_random import STEP, mix

_ABSENT_EVERY = 9


def is_away(key: int, day: int) -> bool:
    """Return whether a row is absent on a day; none is absent on day 0."""
    return day > 0 and mix(key + day * STEP) % _ABSENT_EVERY == 0

"""The expiration of a member's points. Shapes follow the page "Points Expiration"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.world.deterministic_random import STEP, mix, seed_of
from crowdtwist_sandbox.world.events import Line
from crowdtwist_sandbox.world.timestamps import DAY, clock_text, date_of, month_end

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.events import Timeline
    from crowdtwist_sandbox.world.program import Row

_PAST_MONTHS, _MONTHS_AHEAD = 3, 6
_INACTIVITY_SECONDS = 365 * DAY
_SUSPENDED_EVERY = 9


def last_qualified(life: Timeline) -> int | None:
    """Return when the member last earned points, None if that suspended the inactivity rule."""
    lines = [line for line in life.completions if line.kind is not Line.REDEMPTION]
    # Points taken back need no other decision than if they had been earned.
    if not lines or mix(lines[-1].seed) % _SUSPENDED_EVERY == 0:
        return None
    return next(line.created for line in reversed(lines) if line.points > 0)


def inactivity_expiry(qualified: int) -> int:
    """Return when all points of a member expire who last earned some at a given time."""
    return qualified + _INACTIVITY_SECONDS


def month_end_clock(key: int, index: int) -> int:
    """Return the second of a month's last day at which points of a member expire."""
    return (0, 14_400, 86_399)[seed_of(key, "expiration", index) % 3]


def expirations(key: int, index: int, life: Timeline, now: int) -> list[Row]:
    """Return the rows of ten months (three past, the current one, six ahead) and of inactivity.

    Each row has two properties that are not sent as such: `rule_type`, which is the array that the
    API puts the row in, and `entry`, the month, or a number for the inactivity rule, whose date
    moves. The time of day of a month's end is not always midnight.
    """
    today = date_of(now // DAY)
    this_month = today.year * 12 + today.month - 1
    seed = seed_of(key, "expiration", index)
    clock = month_end_clock(key, index)
    rows: list[Row] = []
    left = life.redeemable_points
    for month in range(this_month - _PAST_MONTHS, this_month + _MONTHS_AHEAD + 1):
        start = month_end(month // 12, month % 12) + DAY
        end = month_end(month // 12, month % 12 + 1)
        past = month < this_month
        # Points expire once: no more than are left after the months before.
        expiring = 0 if past else min(left, mix(seed + month * STEP) % 200)
        left -= expiring
        rows.append(
            {
                "rule_type": "redemption_period",
                "entry": clock_text(end + clock)[:7],
                "expiration_date": end + clock,
                "points_expired": sum(n for at, n in life.expiries if start <= at < end + DAY),
                "points_expiring": expiring,
                "points_redeemed": sum(
                    order.cost for order in life.redemptions if start <= order.at < end + DAY
                ),
            }
        )
    qualified = last_qualified(life)
    if qualified is not None:
        expires_at = inactivity_expiry(qualified)
        rows.append(
            {
                "rule_type": "inactivity",
                "entry": "1",
                "last_qualified_date": qualified,
                "expiration_date": expires_at,
                "days_until_expiry": max(0, (expires_at - now) // DAY),
                "points_expiring": life.redeemable_points,
            }
        )
    return rows

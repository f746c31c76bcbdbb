"""Rows that are away for a day and come back on another.

The API leaves out what is no more (a reward out of stock, a used coupon) without a word, so
nothing but a later answer tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.world.dice import STEP, key_of, mix
from crowdtwist_sandbox.world.instants import DAY

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.listing import Member

_ODDS = 9


def is_away(key: int, day: int) -> bool:
    """Whether a row is away on a day; on day 0 all are there."""
    return day > 0 and mix(key + day * STEP) % _ODDS == 0


def is_barred(member: Member) -> bool:
    """Whether the member may do and redeem nothing on that day."""
    return is_away(key_of(member.roll, "barred"), member.day)


def was_taken(member: Member, key: int) -> bool:
    """Whether a row is away by something that happened to the member, so that a feed tells of it.

    That is as it was on the day of the member's last change.
    """
    changed = member.life.updated_at // DAY - member.world.first_day
    return is_away(key_of(key, "taken"), changed)

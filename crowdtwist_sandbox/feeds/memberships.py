"""Entries into and exits from segments and groups on a day.

A group is all members of a tier, whose name is `fan_level` in the API. New members enter the
segments in their profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.feeds.push_rows import profile_of
from crowdtwist_sandbox.world.words import TIERS

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import MemberDay, Today

_FIRST_GROUP = 41


class Membership(NamedTuple):
    """An event: a member `entered` or `exited` a `segment` or a `group`."""

    at: int
    type: str
    name: str
    subscription_id: int
    event: str


def memberships(today: Today, member_day: MemberDay) -> list[Membership]:
    """Return the changes of one member on the day, in order of time."""
    life, midnight = member_day.life, today.midnight
    changes = []
    if life.joined_at >= midnight:
        changes = [
            Membership(life.joined_at, "segment", each["name"], each["subscription_id"], "entered")
            for each in profile_of(today, member_day)["segments"]
        ]
    # Only earned points count towards a tier, so the tier before the day follows from the sum.
    earned = sum(max(line.points, 0) for line in member_day.completions)
    before = _tier(life.total_points - earned)
    if before != life.tier:
        changes += [_group(life.tier_since, before, "exited")]
    if life.tier_since >= midnight:
        changes += [_group(life.tier_since, life.tier, "entered")]
    return changes


def _tier(points: int) -> int:
    return max(number for number, (_, least, _) in enumerate(TIERS) if points >= least)


def _group(at: int, tier: int, event: str) -> Membership:
    return Membership(at, "group", TIERS[tier][0], _FIRST_GROUP + tier, event)

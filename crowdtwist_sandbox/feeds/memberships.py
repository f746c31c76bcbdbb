"""Who enters and leaves segments and groups on a day.

A group is all members of a tier, whose name the API gives as `fan_level`; who joins with a segment
in the profile enters that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.feeds.push_rows import profile_of
from crowdtwist_sandbox.world.words import TIERS

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import Appearance, Today

_FIRST_GROUP = 41


class Membership(NamedTuple):
    """That a member `entered` or `exited` a `segment` or a `group`."""

    at: int
    type: str
    name: str
    subscription_id: int
    event: str


def memberships(today: Today, seen: Appearance) -> list[Membership]:
    """The changes of one member on the day, in order of time."""
    life, midnight = seen.life, today.midnight
    changes = []
    if life.joined_at >= midnight:
        changes = [
            Membership(life.joined_at, "segment", each["name"], each["subscription_id"], "entered")
            for each in profile_of(today, seen)["segments"]
        ]
    earned = sum(max(line.points, 0) for line in seen.lines)
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

"""The rows of every stream, for a member and a day.

Rows of member streams are built one by one from small items (a NamedTuple of the timeline or an
index of an activity, reward or badge), so that a page of ten costs ten rows, whatever the length of
the listing. The `seed` beside a row is that row's own; its drift is derived from it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from crowdtwist_sandbox.world import member_rows
from crowdtwist_sandbox.world.deterministic_random import seed_of
from crowdtwist_sandbox.world.expiration import expirations
from crowdtwist_sandbox.world.facts import Facts, Member
from crowdtwist_sandbox.world.listing import Listing
from crowdtwist_sandbox.world.profile import profile
from crowdtwist_sandbox.world.program import BADGES, activity_count
from crowdtwist_sandbox.world.rewards import REWARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crowdtwist_sandbox.world.program import Row

PROGRAM_STREAMS = ("activities", "rewards", "badges")
MEMBER_STREAMS = (
    "users",
    "user_activities",
    "user_activity_history",
    "purchases",
    "user_rewards",
    "redemptions",
    "points_expiration",
    "receipts",
    "coupons",
    "user_badges",
    "points_awaiting_fulfillment",
)
STREAMS = PROGRAM_STREAMS + MEMBER_STREAMS


class World(Facts):
    """The facts, and the rows of every stream that follow from them."""

    def program_listing(self, stream: str, day: int) -> Listing:
        """Return the rows of a program stream."""
        builders: dict[str, tuple[int, Callable[[int], Row]]] = {
            "activities": (activity_count(day), self.program.activity),
            "rewards": (REWARDS, partial(self.rewards.reward, day=day)),
            "badges": (BADGES, self.program.badge),
        }
        count, build = builders[stream]
        return Listing(range(count), lambda index: (build(index), seed_of(self.key, stream, index)))

    def profile(self, member: Member) -> tuple[Row, int]:
        """Return the member's profile and its seed."""
        row = profile(self.key, member.index, member.life, member.now)
        return row, self.profile_seed(member)

    def profile_seed(self, member: Member) -> int:
        """Return the seed of the member's profile."""
        return seed_of(member.seed, "users")

    def expirations(self, member: Member) -> list[tuple[Row, int]]:
        """Return the entries of the member's points expiration, each with its seed."""
        rows = expirations(self.key, member.index, member.life, member.now)
        return [
            (row, seed_of(member.seed, "points_expiration", number))
            for number, row in enumerate(rows)
        ]

    def listing(self, stream: str, member: Member) -> Listing:
        """Return the rows of a member stream that the API sends as a list."""
        return member_rows.LISTINGS[stream](self, member)

    def rows(self, stream: str, member: Member) -> Iterator[tuple[Row, int]]:
        """Return the rows of any member stream, each with its seed."""
        if stream == "users":
            return iter([self.profile(member)])
        if stream == "points_expiration":
            return iter(self.expirations(member))
        return self.listing(stream, member).rows()

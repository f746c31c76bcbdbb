"""The whole made-up world: rows of every stream, for a member and a day.

Rows of member streams are built one by one from light items (a NamedTuple of the timeline or an
index of the catalog), so that a page of ten costs ten rows, whatever the listing's length. The
`roll` that comes with a row is its own random key: the wire takes its drift from it.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from crowdtwist_sandbox.world import member_rows
from crowdtwist_sandbox.world.dice import key_of, mix
from crowdtwist_sandbox.world.expiration import expirations
from crowdtwist_sandbox.world.instants import DAY, epoch_day
from crowdtwist_sandbox.world.listing import Listing, Member
from crowdtwist_sandbox.world.pace import USUAL, Pace
from crowdtwist_sandbox.world.population import Population
from crowdtwist_sandbox.world.profile import profile
from crowdtwist_sandbox.world.program import BADGES, Program, activity_count
from crowdtwist_sandbox.world.rewards import REWARDS, Rewards
from crowdtwist_sandbox.world.timeline import Historian

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from crowdtwist_sandbox.world.program import Row

_REMEMBERED = 256  # timelines, so that the pages of one listing are not computed again and again

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


class World:
    """Everything that is true, from a seed, a number of members, a first day and a pace."""

    def __init__(self, seed: int, members: int, today: date, pace: Pace = USUAL) -> None:
        self.first_day = epoch_day(today)
        self.key = mix(seed)
        self.pace = pace
        self.population = Population(self.key, members, pace)
        self.program = Program(self.key, self.first_day)
        self.rewards = Rewards(self.key, self.first_day)
        historian = Historian(
            self.key, self.first_day, self.population, self.program, self.rewards, pace
        )
        self.timeline = lru_cache(maxsize=_REMEMBERED)(historian.timeline)

    def now(self, day: int) -> int:
        """The last second of a day."""
        return (self.first_day + day + 1) * DAY - 1

    def member(self, index: int, day: int) -> Member:
        """A member, who must exist on that day."""
        return Member(self, index, day, key_of(self.key, "member", index))

    def catalog(self, stream: str, day: int) -> Listing:
        """Rows of a program stream."""
        catalogs: dict[str, tuple[int, Callable[[int], Row]]] = {
            "activities": (activity_count(day), self.program.activity),
            "rewards": (REWARDS, partial(self.rewards.reward, day=day)),
            "badges": (BADGES, self.program.badge),
        }
        count, build = catalogs[stream]
        return Listing(range(count), lambda index: (build(index), key_of(self.key, stream, index)))

    def profile(self, member: Member) -> tuple[Row, int]:
        """The member's profile."""
        row = profile(self.key, member.index, member.life, member.now)
        return row, self.profile_roll(member)

    def profile_roll(self, member: Member) -> int:
        """The roll of the member's profile."""
        return key_of(member.roll, "users")

    def expirations(self, member: Member) -> list[tuple[Row, int]]:
        """Entries of the member's points expiration, each with its rule_type."""
        rows = expirations(self.key, member.index, member.life, member.now)
        return [
            (row, key_of(member.roll, "points_expiration", number))
            for number, row in enumerate(rows)
        ]

    def listing(self, stream: str, member: Member) -> Listing:
        """Rows of a member stream that comes as a list."""
        return member_rows.LISTINGS[stream](self, member)

    def rows(self, stream: str, member: Member) -> Iterator[tuple[Row, int]]:
        """Rows of any member stream."""
        if stream == "users":
            return iter([self.profile(member)])
        if stream == "points_expiration":
            return iter(self.expirations(member))
        return self.listing(stream, member).rows()

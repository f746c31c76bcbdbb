"""The facts behind every row: the seed, the members and their timelines, the program, the days."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crowdtwist_sandbox.world.absences import is_away
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of
from crowdtwist_sandbox.world.pace import USUAL, Pace
from crowdtwist_sandbox.world.population import Population
from crowdtwist_sandbox.world.profile_dates import USUAL_DATES, ProfileDates
from crowdtwist_sandbox.world.program import Program
from crowdtwist_sandbox.world.rewards import Rewards
from crowdtwist_sandbox.world.timeline import TimelineBuilder
from crowdtwist_sandbox.world.timestamps import DAY, epoch_day

if TYPE_CHECKING:
    from datetime import date

    from crowdtwist_sandbox.world.events import Timeline

_CACHED_TIMELINES = 256  # so that the pages of one listing do not compute it again and again


class Facts:
    """The world of a seed: a number of members, a first day, a pace, and the dates of profiles."""

    def __init__(
        self,
        seed: int,
        members: int,
        today: date,
        pace: Pace = USUAL,
        dates: ProfileDates = USUAL_DATES,
    ) -> None:
        self.first_day = epoch_day(today)
        self.key = mix(seed)
        self.pace = pace
        self.population = Population(self.key, members, pace)
        self.program = Program(self.key, self.first_day)
        self.rewards = Rewards(self.key, self.first_day)
        timelines = TimelineBuilder(
            self.key, self.first_day, self.population, self.program, self.rewards, pace, dates
        )
        self.timeline = lru_cache(maxsize=_CACHED_TIMELINES)(timelines.timeline)

    def now(self, day: int) -> int:
        """Return the last second of a day."""
        return (self.first_day + day + 1) * DAY - 1

    def member(self, index: int, day: int) -> Member:
        """Return a member, who must exist on that day."""
        return Member(self, index, day, seed_of(self.key, "member", index))


@dataclass(frozen=True)
class Member:
    """One member at the end of one day.

    `seed` is derived from the world's seed and the member's index.
    """

    world: Facts
    index: int
    day: int
    seed: int

    @property
    def life(self) -> Timeline:
        """The history of the member up to that day."""
        return self.world.timeline(self.index, self.day)

    @property
    def now(self) -> int:
        """The last second of that day."""
        return self.world.now(self.day)

    @property
    def is_barred(self) -> bool:
        """Whether the member may neither do activities nor redeem rewards on that day."""
        return is_away(seed_of(self.seed, "barred"), self.day)

    def was_taken_away(self, key: int) -> bool:
        """Return whether a row is absent because of something that happened to the member.

        That must be in a day's feeds, so it changes only on days on which the member changed.
        """
        changed = self.life.updated_at // DAY - self.world.first_day
        return is_away(seed_of(key, "taken"), changed)

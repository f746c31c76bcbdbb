"""Who is a member, since when, and until when."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from crowdtwist_sandbox.world import identity
from crowdtwist_sandbox.world.deterministic_random import MASK, seed_of
from crowdtwist_sandbox.world.pace import USUAL, Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY_EVERY = 97
_HEAVY_REST = 13
_GONE_EVERY = 100
_GONE_REST = 37
_MILLION = 1_000_000


def is_heavy(index: int) -> bool:
    """About one member in 97 has years of dense history."""
    return index % HEAVY_EVERY == _HEAVY_REST


class Population:
    """The roster: members of day 0, those who join at about 1 % a day, those who leave at 0.5 %.

    Another pace has other rates. Days count from the sandbox's first day, and are negative before.
    """

    def __init__(self, key: int, members: int, pace: Pace = USUAL) -> None:
        self._key = key
        self._founders = members
        self._pace = pace

    def size(self, day: int) -> int:
        """How many members the roster lists on a day, those deleted meanwhile included."""
        return self._founders - (-self._founders * day * self._pace.growth // _MILLION)

    def joined(self, index: int) -> int:
        """The day on which the member signed up."""
        late = index - self._founders + 1
        if late > 0:
            return _MILLION * (late - 1) // (self._founders * self._pace.growth) + 1
        seed = seed_of(self._key, "joined", index)
        return -(900 + seed % 300) if is_heavy(index) else -(3 + seed % 1100)

    def deleted(self, index: int) -> int:
        """The day from which every endpoint answers that it does not know the member."""
        seed = seed_of(self._key, "deleted", index)
        if index < self._founders and index % _GONE_EVERY == _GONE_REST and not is_heavy(index):
            return -(seed % 3)
        wait = int(log((seed + 1) / (MASK + 2)) / log(1 - self._pace.loss))
        return max(self.joined(index), 0) + 1 + wait

    def has(self, index: int, day: int) -> bool:
        """Whether the member exists on that day: joined, and not deleted."""
        return 0 <= index < self.size(day) and day < self.deleted(index)

    def living(self, day: int) -> Iterator[int]:
        """Indexes of the members who exist on that day, ascending."""
        return (index for index in range(self.size(day)) if day < self.deleted(index))

    def roster(self, day: int, id_type: str = "id") -> Iterator[str]:
        """The ids a brand would hand over: all who ever joined and have an id of that type."""
        spell = identity.ID_TYPES[id_type]
        return (text for index in range(self.size(day)) if (text := spell(index)) is not None)

"""The members: when each of them joins and is deleted."""

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
_DELETED_EVERY = 100
_DELETED_REST = 37
_MILLION = 1_000_000


def is_heavy(index: int) -> bool:
    """Return whether a member has years of dense history, as one in 97 has."""
    return index % HEAVY_EVERY == _HEAVY_REST


class Population:
    """The members of day 0, and those who join later.

    At the usual pace, about 1 % join on a day and 0.5 % are deleted. Days count from the sandbox's
    first day, and are negative before it.
    """

    def __init__(self, key: int, members: int, pace: Pace = USUAL) -> None:
        self._key = key
        self._founders = members
        self._pace = pace

    def size(self, day: int) -> int:
        """Return the number of members who have joined up to a day, deleted ones included."""
        # The double negation rounds up.
        return self._founders - (-self._founders * day * self._pace.growth // _MILLION)

    def join_day(self, index: int) -> int:
        """Return the day on which the member joined."""
        later = index - self._founders + 1
        if later > 0:  # the inverse of `size`
            return _MILLION * (later - 1) // (self._founders * self._pace.growth) + 1
        seed = seed_of(self._key, "joined", index)
        return -(900 + seed % 300) if is_heavy(index) else -(3 + seed % 1100)

    def deletion_day(self, index: int) -> int:
        """Return the day from which every endpoint says that there is no such member."""
        seed = seed_of(self._key, "deleted", index)
        # Some members of day 0 are deleted already, so that the first sweep meets deleted ones.
        if (
            index < self._founders
            and index % _DELETED_EVERY == _DELETED_REST
            and not is_heavy(index)
        ):
            return -(seed % 3)
        # Days until the deletion at a constant rate, from a uniform number (inverse transform).
        wait = int(log((seed + 1) / (MASK + 2)) / log(1 - self._pace.loss))
        return max(self.join_day(index), 0) + 1 + wait

    def has(self, index: int, day: int) -> bool:
        """Return whether the member exists on that day: joined, and not deleted."""
        return 0 <= index < self.size(day) and day < self.deletion_day(index)

    def living(self, day: int) -> Iterator[int]:
        """Yield the indexes of the members who exist on that day, ascending."""
        return (index for index in range(self.size(day)) if day < self.deletion_day(index))

    def roster(self, day: int, id_type: str = "id") -> Iterator[str]:
        """Yield the ids that a brand would export: of all who ever joined and have such an id."""
        format_id = identity.ID_TYPES[id_type]
        return (text for index in range(self.size(day)) if (text := format_id(index)) is not None)

"""Randomness without state: the same seed always gives the same numbers.

Every fact of the world is a function of (seed, topic, index, day). So nothing has to be stored, and
any member can be computed alone, in any order, for any day.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15  # splitmix64's increment: 2**64 divided by the golden ratio


def mix(value: int) -> int:
    """Scramble an integer into 64 bits (the finalizer of splitmix64)."""
    value = (value + STEP) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@lru_cache(maxsize=256)
def topic(name: str) -> int:
    """Hash a topic's name to 64 bits, so that equal indexes of two topics get unrelated seeds."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def seed_of(key: int, name: str, index: int = 0) -> int:
    """Derive a seed from a parent seed, a topic and an index."""
    # Topics are strings all over the package: changing one changes the rows of the world.
    return mix(mix(key ^ topic(name)) + index * STEP)


class DeterministicRandom:
    """A sequence of random numbers from one seed."""

    __slots__ = ("_state",)

    def __init__(self, key: int) -> None:
        self._state = key

    def below(self, limit: int) -> int:
        """Return an integer from 0 to limit - 1."""
        self._state = (self._state + STEP) & MASK
        return mix(self._state) % limit

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + self.below(high - low + 1)

    def one_in(self, odds: int) -> bool:
        """Return True with a probability of 1 in `odds`."""
        return self.below(odds) == 0

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

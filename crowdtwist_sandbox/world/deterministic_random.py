"""Randomness without state: the same key always rolls the same numbers.

Every fact of the world is a function of (seed, topic, index, day), so nothing has to be remembered
and any member can be computed alone, in any order, at any day.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """Scramble an integer into 64 bits (the finaliser of splitmix64)."""
    value = (value + STEP) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@lru_cache(maxsize=256)
def topic(name: str) -> int:
    """64 bits that stand for a topic, so that equal indexes of two topics roll apart."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def seed_of(key: int, name: str, index: int = 0) -> int:
    """The key of one thing: a topic and an index under a parent key."""
    return mix(mix(key ^ topic(name)) + index * STEP)


class DeterministicRandom:
    """A stream of rolls from one key."""

    __slots__ = ("_state",)

    def __init__(self, key: int) -> None:
        self._state = key

    def below(self, limit: int) -> int:
        """An integer of 0 to limit - 1."""
        self._state = (self._state + STEP) & MASK
        return mix(self._state) % limit

    def between(self, low: int, high: int) -> int:
        """An integer of low to high, both included."""
        return low + self.below(high - low + 1)

    def one_in(self, odds: int) -> bool:
        """True once in `odds` rolls."""
        return self.below(odds) == 0

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.below(len(choices))]

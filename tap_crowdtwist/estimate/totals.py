"""From the members of a sample to all members: sums, and how uncertain they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STANDARD_ERRORS = 2.5
"""Half the width of an interval. 2 would be enough if members were alike: a few have long lists."""


@dataclass(frozen=True)
class Total:
    """A sum over all members.

    Attributes:
        estimate: the sum.
        margin: the interval reaches from this much below it to as much above it; it holds the true
            sum in about 95 of 100 samples.
    """

    estimate: float
    margin: float = 0.0

    def __add__(self, other: Total) -> Total:
        """Add a total; the margins are added too, since both may err on the same side."""
        return Total(self.estimate + other.estimate, self.margin + other.margin)

    def __mul__(self, factor: float) -> Total:
        """Return a multiple of a total."""
        return Total(self.estimate * factor, self.margin * factor)

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return max(self.estimate - self.margin, 0.0)

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.estimate + self.margin


def total_of(values: Sequence[float], members: int) -> Total:
    """Return the sum over all members, from the values of a random sample of them.

    Args:
        values: one value per member of the sample.
        members: how many members there are, those of the sample included.
    """
    asked = len(values)
    if not asked:
        return Total(0.0)
    estimate = members * fmean(values)
    if asked in {1, members}:  # nothing is uncertain, or nothing is known about it
        return Total(estimate)
    # The last factor is that of a sample without repeats (finite population correction).
    error = stdev(values) / sqrt(asked) * sqrt(1 - asked / members)
    return Total(estimate, STANDARD_ERRORS * members * error)

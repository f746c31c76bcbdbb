"""The decision which request and which listing meets which fault, from the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.faults.registry import PARAMETERS
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of, topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_sandbox.faults.spec import Rule

_ALL = 2**64


class Plan:
    """The faults of one spec, and the count of requests.

    Attributes:
        number: number of the latest request.
    """

    def __init__(self, seed: int, rules: Sequence[Rule]) -> None:
        self._key = seed_of(mix(seed), "faults")
        ordered = sorted(rules, key=lambda rule: not rule.numbers)  # stable; numbers before rates
        self._faults = [
            rule for rule in (each.only(paging_faults=False) for each in ordered) if rule.names
        ]
        self._paging_faults = [
            rule for rule in (each.only(paging_faults=True) for each in ordered) if rule.names
        ]
        self._faulty_listings: dict[int, str] = {}
        self._turned: set[int] = set()
        self.number = 0

    def __bool__(self) -> bool:
        """Return whether there is any fault."""
        return bool(self._faults or self._paging_faults)

    def next(self) -> tuple[str, float] | None:
        """Count a request, and return the name and the parameter of its fault, if any."""
        self.number += 1
        for rule in self._faults:
            if self.number in rule.numbers or self._drawn(rule, self.number):
                name = self._pick(rule, self.number)
                return name, PARAMETERS.get(name, 0) if rule.amount is None else rule.amount
        return None

    def paging_fault(self, listing: str) -> str | None:
        """Return the paging fault of the listing that the latest request is for, if any."""
        listing_topic = topic(listing)
        # `next` has counted this request before, so `number` is the request for this page.
        for rule in self._paging_faults:
            if self.number in rule.numbers:
                self._faulty_listings[listing_topic] = self._pick(rule, listing_topic)
        if listing_topic in self._faulty_listings:
            return self._faulty_listings[listing_topic]
        # Not stored: the same listing always draws the same.
        drawn = (
            self._pick(rule, listing_topic)
            for rule in self._paging_faults
            if self._drawn(rule, listing_topic)
        )
        return next(drawn, None)

    def is_turned(self, listing: str, *, is_onward: bool) -> bool:
        """Return whether a page beyond the first of a listing has been requested so far.

        Args:
            listing: the listing.
            is_onward: whether such a page is requested now.
        """
        listing_topic = topic(listing)
        if is_onward:
            self._turned.add(listing_topic)
        return listing_topic in self._turned

    def _drawn(self, rule: Rule, index: int) -> bool:
        return seed_of(self._key, rule.word, index) < rule.rate * _ALL

    def _pick(self, rule: Rule, index: int) -> str:
        # Another topic than in `_drawn`, so that the two draws are independent.
        seed = seed_of(self._key, f"one of {rule.word}", index)
        return rule.names[seed % len(rule.names)]

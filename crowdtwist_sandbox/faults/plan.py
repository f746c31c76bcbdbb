"""Decides which request meets which fault and which listing lies, from the seed alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.faults.catalogue import PARAMETERS
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of, topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_sandbox.faults.spec import Rule

_ALL = 2**64


class Plan:
    """The faults of one spec, and how far requests have come.

    Attributes:
        number: of the latest request.
    """

    def __init__(self, seed: int, rules: Sequence[Rule]) -> None:
        self._key = seed_of(mix(seed), "faults")
        ordered = sorted(rules, key=lambda rule: not rule.numbers)
        self._faults = [
            rule for rule in (each.only(paging_faults=False) for each in ordered) if rule.names
        ]
        self._paging_faults = [
            rule for rule in (each.only(paging_faults=True) for each in ordered) if rule.names
        ]
        self._faulty_lists: dict[int, str] = {}
        self._turned: set[int] = set()
        self.number = 0

    def __bool__(self) -> bool:
        """Whether there is any fault."""
        return bool(self._faults or self._paging_faults)

    def next(self) -> tuple[str, float] | None:
        """Number one more request; the fault that it meets and the fault's parameter."""
        self.number += 1
        for rule in self._faults:
            if self.number in rule.numbers or self._drawn(rule, self.number):
                name = self._pick(rule, self.number)
                return name, PARAMETERS.get(name, 0) if rule.amount is None else rule.amount
        return None

    def lie(self, listing: str) -> str | None:
        """The lie that a listing tells, asked for by the latest request."""
        known = topic(listing)
        for rule in self._paging_faults:
            if self.number in rule.numbers:
                self._faulty_lists[known] = self._pick(rule, known)
        if known in self._faulty_lists:
            return self._faulty_lists[known]
        drawn = (
            self._pick(rule, known) for rule in self._paging_faults if self._drawn(rule, known)
        )
        return next(drawn, None)

    def turn(self, listing: str, *, onward: bool) -> bool:
        """Whether a page beyond the first of a listing has been asked for; `onward` asks now."""
        known = topic(listing)
        if onward:
            self._turned.add(known)
        return known in self._turned

    def _drawn(self, rule: Rule, index: int) -> bool:
        return seed_of(self._key, rule.word, index) < rule.rate * _ALL

    def _pick(self, rule: Rule, index: int) -> str:
        seed = seed_of(self._key, f"one of {rule.word}", index)
        return rule.names[seed % len(rule.names)]

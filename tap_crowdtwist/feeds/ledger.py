"""Which files have been read, in a few bytes per day or hour whatever they hold.

For each slot (a day, or an hour of captures) the sum of its files' digests is kept, in 24 bits. A
slot whose files add up to another sum has a file that is new, late, or has other content, so its
files are due. Two contents are taken for one with a chance of 2^-24 per changed file. A state holds
`most` slots only, the last ones once everything has been read: files from before count as read.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.feeds.folder import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_crowdtwist.feeds.folder import File

_WIDTH = 3
_MASK = (1 << 8 * _WIDTH) - 1
_FARTHEST = 1_000_000
"""Slots. Hours of more than a century, so that a state that was tampered with costs no memory."""


@dataclass
class Ledger:
    """The files that have been read.

    Attributes:
        first: the number of the first slot that is kept.
        sums: one sum per slot from there on; 0 where nothing was read.
        settled: whether files from before `first` count as read.
        most: how many slots a state holds.
    """

    first: int = 0
    sums: list[int] = field(default_factory=list)
    settled: bool = False
    most: int = 400

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None, most: int) -> Ledger:
        """Read a ledger from a state; an empty one where there is none that makes sense."""
        try:
            packed = base64.b64decode((stored or {})["sums"], validate=True)
            first = int((stored or {})["first"])
        except (KeyError, OverflowError, TypeError, ValueError):
            return cls(most=most)
        if len(packed) % _WIDTH or abs(first) > _FARTHEST:
            return cls(most=most)
        places = range(0, len(packed), _WIDTH)
        sums = [int.from_bytes(packed[place : place + _WIDTH], "big") for place in places]
        return cls(first, sums, bool((stored or {}).get("settled")), most)

    def dump(self, due_from: int | None = None) -> dict[str, Any]:
        """Give what `load` reads.

        Args:
            due_from: the first slot with a file that is still to be read, if there is one. It does
                not come to lie before what is kept, where it would count as read; rather the newest
                slots are left out, whose files are then read again.
        """
        surplus = max(0, len(self.sums) - self.most)
        if due_from is not None:
            surplus = min(surplus, max(0, due_from - self.first))
        kept = self.sums[surplus : surplus + self.most]
        packed = b"".join(total.to_bytes(_WIDTH, "big") for total in kept)
        stored = {"first": self.first + surplus, "sums": base64.b64encode(packed).decode()}
        return {**stored, "settled": True} if self.settled or surplus else stored

    def due(self, files: Iterable[File], *, in_order: bool = False) -> list[File]:
        """Give the files that are to be read, in the order given.

        Args:
            files: all there are, ordered by slot.
            in_order: whether a file that comes late makes those after it due again, so that the
                last word on anything stays the last.
        """
        due: list[File] = []
        for slot, group in groupby(files, key=lambda file: file.slot):
            members = list(group)
            if (due and in_order) or not self.holds(slot, members):
                due += members
        return due

    def holds(self, slot: int, files: Iterable[File]) -> bool:
        """Tell whether all files of a slot have been read."""
        if self.settled and slot < self.first:
            return True
        return self[slot] == sum(map(digest, files)) & _MASK

    def __getitem__(self, slot: int) -> int:
        place = slot - self.first
        return self.sums[place] if 0 <= place < len(self.sums) else 0

    def clear(self, slots: Iterable[int]) -> None:
        """Forget what was read of some slots, before their files are read again."""
        for slot in slots:
            if 0 <= slot - self.first < len(self.sums):
                self.sums[slot - self.first] = 0

    def add(self, slot: int, number: int) -> None:
        """Note that a file of a slot has been read whole.

        Args:
            slot: its slot.
            number: its digest.
        """
        if not self.sums:
            self.first = slot
        if slot < self.first:
            self.sums[:0] = [0] * (self.first - slot)
            self.first = slot
        self.sums += [0] * (slot - self.first + 1 - len(self.sums))
        self.sums[slot - self.first] = (self.sums[slot - self.first] + number) & _MASK

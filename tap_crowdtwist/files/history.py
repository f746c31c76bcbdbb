"""Which files have been read, in a few bytes per day or hour whatever they hold.

For each slot (a day, or an hour of captures) the sum of its files' digests is kept, in 24 bits. A
slot whose files add up to another sum has a file that is new, late, or has other content, so its
files are due. Two contents are taken for one with a chance of 2^-24 per changed file.

Only the newest slots have a sum each. The others, however old, share a fixed number of cells, each
with the sum of the files in it. A file whose date is wrong changes a sum like any other, so no file
is ever taken for read because of its date. All files of its cell are then due, since a sum does not
say which of them is new, or whether one is gone; rows that are read twice have the same key.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.files.folder import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_crowdtwist.files.folder import File

_WIDTH = 3
_MASK = (1 << 8 * _WIDTH) - 1


class HistorySize(NamedTuple):
    """How many sums a ledger holds.

    Attributes:
        periods: of the newest slots, one each.
        cells: of all other slots; those of a cell lie `cells * breadth` slots apart.
        periods_per_cell: how many slots in a row share a cell.
    """

    periods: int
    cells: int
    periods_per_cell: int = 1


@dataclass
class FileHistory:
    """The files that have been read.

    Attributes:
        size: how many sums it holds.
        end: the slot after the newest that has a sum of its own.
        sums: the sums of the slots before `end`; 0 where nothing was read.
        rest: the sums of the cells.
    """

    size: HistorySize
    end: int = 0
    sums: list[int] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = self.sums or [0] * self.size.periods
        self.rest = self.rest or [0] * self.size.cells

    @classmethod
    def load(cls, stored: Mapping[str, Any] | None, size: HistorySize) -> FileHistory:
        """Read a ledger from a state; an empty one where there is none that makes sense.

        Without cells, as in a state from before there were any, all older files are due.
        """
        try:
            sums = _unpacked((stored or {})["sums"])
            first = int((stored or {})["first"])
            rest = _unpacked((stored or {}).get("rest", ""))
        except (KeyError, OverflowError, TypeError, ValueError):
            return cls(size)
        history = cls(size, first, rest=rest if len(rest) == size.cells else [])
        for period, total in enumerate(sums, start=first):
            history.add(period, total)
        return history

    def dump(self) -> dict[str, Any]:
        """Return what `load` reads."""
        blank = next((place for place, total in enumerate(self.sums) if total), len(self.sums))
        stored = {"first": self.start + blank, "sums": _packed(self.sums[blank:])}
        return {**stored, "rest": _packed(self.rest)} if any(self.rest) else stored

    @property
    def start(self) -> int:
        """The first slot that has a sum of its own; older ones share the cells."""
        return self.end - self.size.periods

    def due(self, files: Iterable[File], *, in_order: bool = False) -> list[File]:
        """Return the files that are to be read, in the order given.

        Args:
            files: all there are, ordered by slot.
            in_order: whether a file that comes late makes those after it due again, so that the
                last word on anything stays the last.
        """
        files = list(files)
        totals: Counter[int] = Counter()
        for file in files:
            totals[self._place(file.period)] += digest_of(file)
        changed = {place for place, total in totals.items() if total & _MASK != self._at(place)}
        due: list[File] = []
        for file in files:
            if (due and in_order) or self._place(file.period) in changed:
                due.append(file)
        return due

    def begin(self, files: Sequence[File], *, in_order: bool = False) -> list[File]:
        """Return the files that are to be read, as `due` does, and forget what was read of them.

        The cells then tell of the files only that are there and stay read, so that files which
        were removed do not make the rest of their cell due more than once.
        """
        if files:
            self.retreat(max(file.period for file in files))
        due = self.due(files, in_order=in_order)
        unread = {file.path for file in due}
        self.rest = [0] * self.size.cells
        for file in files:
            place = self._place(file.period)
            if file.path not in unread:
                if place < 0:
                    self._add(place, digest_of(file))
            elif 0 <= place < len(self.sums):
                self.sums[place] = 0
        return due

    def __getitem__(self, period: int) -> int:
        """Return the sum of a slot; 0 if it has none of its own."""
        place = self._place(period)
        return self._at(place) if place >= 0 else 0

    def add(self, period: int, number: int) -> None:
        """Note that a file of a slot has been read whole.

        Args:
            period: its slot.
            number: its digest.
        """
        self.advance(period + 1)
        self._add(self._place(period), number)

    def advance(self, end: int) -> None:
        """Make room for newer slots; the oldest go to their cells."""
        gain = end - self.end
        if gain <= 0:
            return
        for period, total in enumerate(self.sums[:gain], start=self.start):
            self._add(~self._cell(period), total)
        self.sums = self.sums[gain:] + [0] * min(gain, self.size.periods)
        self.end = end

    def retreat(self, newest: int) -> None:
        """Forget the newest slots if all files are older, as after a clock that was ahead.

        Otherwise every new file would be sought in the cells until that date has come.
        """
        if newest < self.start:
            self.sums = [0] * self.size.periods
            self.end = newest + 1

    def lost(self, files: Iterable[File], before: FileHistory) -> int | None:
        """Return a slot with files that were read since another ledger, of which none is left.

        Returns:
            The slot; one before `start` where the cells tell; None where there is no such slot.
        """
        before = FileHistory(before.size, before.end, before.sums[:], before.rest[:])
        before.advance(self.end)
        there = {self._place(file.period) for file in files}
        for place in chain(range(len(self.sums)), range(-len(self.rest), 0)):
            period = self.start + max(place, -1)
            known = before[period] if place >= 0 else before.rest[~place]
            if self._at(place) not in {0, known} and place not in there:
                return period
        return None

    def _place(self, period: int) -> int:
        """Return where the sum of a slot is: in `sums` or beyond, or, complemented, in `rest`."""
        place = period - self.start
        return place if place >= 0 else ~self._cell(period)

    def _cell(self, period: int) -> int:
        return period // self.size.periods_per_cell % self.size.cells

    def _at(self, place: int) -> int:
        if place < 0:
            return self.rest[~place]
        return self.sums[place] if place < len(self.sums) else 0

    def _add(self, place: int, number: int) -> None:
        sums, place = (self.rest, ~place) if place < 0 else (self.sums, place)
        sums[place] = (sums[place] + number) & _MASK


def merged(choose: Callable[..., int], *ledgers: FileHistory) -> FileHistory:
    """Return one ledger of several, with sums that are chosen from theirs, in the order given."""
    end = max(history.end for history in ledgers)
    for history in ledgers:
        history.advance(end)
    sums = [choose(*each) for each in zip(*(history.sums for history in ledgers), strict=True)]
    rest = [choose(*each) for each in zip(*(history.rest for history in ledgers), strict=True)]
    return FileHistory(ledgers[0].size, end, sums, rest)


def _packed(sums: Iterable[int]) -> str:
    return base64.b64encode(b"".join(total.to_bytes(_WIDTH, "big") for total in sums)).decode()


def _unpacked(text: str) -> list[int]:
    packed = base64.b64decode(text, validate=True)
    if len(packed) % _WIDTH:
        raise ValueError
    places = range(0, len(packed), _WIDTH)
    return [int.from_bytes(packed[place : place + _WIDTH], "big") for place in places]

"""A compact record of the files that have been read: a few bytes per day or hour.

For each period (a day of Data Push, or an hour of Live Push) the sum of its files' digests is kept,
in 24 bits. If the files of a period add up to another sum, one of them is new, late or changed, so
all of them are due. A changed file goes unnoticed with a probability of 2^-24.

Only the newest periods have a sum each. All older ones share a fixed number of cells, each with the
sum of the files in it. A file with a wrong date changes a sum like any other, so no file is ever
skipped because of its date. All files of its cell are then due, since a sum does not tell which of
them is new, or whether one is gone. That is safe: rows that are read twice have the same key.
"""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, dropwhile
from operator import not_
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.files.folder import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_crowdtwist.files.folder import File

_SUM_BYTES = 3
_MASK = (1 << 8 * _SUM_BYTES) - 1


class HistorySize(NamedTuple):
    """The number of sums in a history.

    Attributes:
        periods: number of newest periods, with one sum each.
        cells: number of cells for all older periods.
        periods_per_cell: number of consecutive periods that share a cell. After
            `cells * periods_per_cell` periods the first cell is used again.
    """

    periods: int
    cells: int
    periods_per_cell: int = 1


@dataclass
class FileHistory:
    """The files that have been read.

    Attributes:
        size: the number of sums.
        end: the period after the newest one that has its own sum.
        totals: the sums of the cells, then those of the periods before `end`; 0 where nothing was
            read.
    """

    size: HistorySize
    end: int = 0
    totals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.totals = self.totals or [0] * (self.size.cells + self.size.periods)

    @classmethod
    def load(cls, stored: Any, size: HistorySize) -> FileHistory:
        """Read a history from a state; return an empty one if it is absent or malformed."""
        try:
            first = int(stored["first"])
            sums = _unpacked(stored["sums"])
            rest = _unpacked(stored.get("rest", ""))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return cls(size)
        history = cls(size, first)
        history.totals[: len(rest)] = rest
        for period, total in enumerate(sums, start=first):
            history.add(period, total)
        return history

    def dump(self) -> dict[str, Any]:
        """Return what `load` reads."""
        sums = list(dropwhile(not_, self.sums))
        stored = {"first": self.end - len(sums), "sums": _packed(sums)}
        if any(self.rest):
            stored["rest"] = _packed(self.rest)
        return stored

    @property
    def start(self) -> int:
        """The first period that has its own sum; older ones share the cells."""
        return self.end - self.size.periods

    @property
    def rest(self) -> list[int]:
        """The sums of the cells."""
        return self.totals[: self.size.cells]

    @property
    def sums(self) -> list[int]:
        """The sums of the periods from `start` to `end`."""
        return self.totals[self.size.cells :]

    def due(self, files: Iterable[File], *, in_order: bool = False) -> list[File]:
        """Return the files that must be read, in the given order.

        Args:
            files: all files that exist, ordered by period.
            in_order: whether a late file makes all later ones due again, so that the newest file
                stays the last to write a row.
        """
        files = list(files)
        totals: Counter[int] = Counter()
        for file in files:
            totals[self._place(file.period)] += digest_of(file)
        changed = {place for place, total in totals.items() if total & _MASK != self._at(place)}
        if in_order:
            return list(dropwhile(lambda file: self._place(file.period) not in changed, files))
        return [file for file in files if self._place(file.period) in changed]

    def begin(self, files: Sequence[File], *, in_order: bool = False) -> list[File]:
        """Return the files that must be read, as `due` does, and drop their sums.

        The cells then count only files that exist and are not due. So a file that was removed
        makes the other files of its cell due once, not in every run.
        """
        if not files:
            return []
        newest = files[-1].period
        self.retreat(newest)
        due = self.due(files, in_order=in_order)
        self.advance(newest + 1)
        # One file cannot be taken out of a cell, so the cells are built anew from what stays read.
        # Own sums of due periods are cleared; their files are added again as they are read.
        self.totals[: self.size.cells] = [0] * self.size.cells
        for file in due:
            self.totals[self._place(file.period)] = 0
        unread = set(due)
        for file in files:
            if file.period < self.start and file not in unread:
                self._add(self._place(file.period), digest_of(file))
        return due

    def __getitem__(self, period: int) -> int:
        """Return the sum of a period, or of its cell if it has none of its own."""
        return self._at(self._place(period))

    def add(self, period: int, number: int) -> None:
        """Record that a file has been read completely.

        Args:
            period: its period.
            number: its digest.
        """
        self.advance(period + 1)
        self._add(self._place(period), number)

    def advance(self, end: int) -> None:
        """Make room for newer periods; the sums of the oldest are added to their cells."""
        gain = max(0, end - self.end)
        for period, total in enumerate(self.sums[:gain], start=self.start):
            self._add(self._cell(period), total)
        self.totals = [*self.rest, *self.sums[gain:], *[0] * min(gain, self.size.periods)]
        self.end += gain

    def retreat(self, newest: int) -> None:
        """Drop the sums of the newest periods if all files are older, as after a wrong clock.

        Otherwise every new file would be counted in the cells until that date is reached.
        """
        if newest < self.start:
            self.totals[self.size.cells :] = [0] * self.size.periods
            self.end = newest + 1

    def lost_period(self, files: Iterable[File], before: FileHistory) -> int | None:
        """Return a period whose files were read after another history and no longer exist.

        Both histories are advanced to the same end.

        Returns:
            The period, its own sums first; `start - 1` if it is one of those that share the cells;
            None if there is no such period.
        """
        self.advance(before.end)
        before.advance(self.end)
        existing = {self._place(file.period) for file in files}
        cells = self.size.cells
        for place in chain(range(cells, len(self.totals)), range(cells)):
            if self._at(place) not in {0, before._at(place)} and place not in existing:
                return self.start + max(place - cells, -1)
        return None

    def _place(self, period: int) -> int:
        """Return the index of a period's sum, or of its cell, in `totals` or past its end."""
        own = period - self.start
        return self.size.cells + own if own >= 0 else self._cell(period)

    def _cell(self, period: int) -> int:
        return period // self.size.periods_per_cell % self.size.cells

    def _at(self, place: int) -> int:
        return self.totals[place] if place < len(self.totals) else 0

    def _add(self, place: int, number: int) -> None:
        self.totals[place] = (self.totals[place] + number) & _MASK


def merged(choose: Callable[..., int], *histories: FileHistory) -> FileHistory:
    """Return one history made of several.

    Args:
        choose: takes the sums of one period or cell, in the order of the histories, and returns
            the one to keep.
        histories: the histories; they are advanced to the same end.
    """
    end = max(history.end for history in histories)
    for history in histories:
        history.advance(end)
    totals = map(choose, *(history.totals for history in histories))
    return FileHistory(histories[0].size, end, list(totals))


def _packed(sums: Iterable[int]) -> str:
    return base64.b64encode(b"".join(total.to_bytes(_SUM_BYTES, "big") for total in sums)).decode()


def _unpacked(text: str) -> list[int]:
    packed = base64.b64decode(text, validate=True)
    places = range(0, len(packed), _SUM_BYTES)
    return [int.from_bytes(packed[place : place + _SUM_BYTES], "big") for place in places]

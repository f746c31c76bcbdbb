"""The members that appear in files of Data Push and Live Push.

Profiles, activities and expirations of Data Push identify their member by the CrowdTwist id.
Redemptions, as far as their columns are published, do not. Their members are looked up by email
address, user name or third-party id in the other files of the same day, of the day before and of
the day after.
"""

from __future__ import annotations

import heapq
import logging
from array import array
from contextlib import suppress
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from tap_crowdtwist.errors import FileError
from tap_crowdtwist.files.csv_format import DOCUMENTED_FORMAT, CsvFormat
from tap_crowdtwist.files.data_push import CsvTable
from tap_crowdtwist.files.live_push import NameConverter, events
from tap_crowdtwist.records.member_id import parse_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_crowdtwist.files.folder import File

    FileOpener = Callable[[File], IO[bytes]]

logger = logging.getLogger(__name__)

_ID_COLUMNS = {"PROFILE": "id", "USER_ACTIVITY": "id", "POINTS_EXPIRATION": "user_id"}

_UNSORTED_IDS = 65_536
"""Ids kept in a set, at ten times the memory, before they are merged into the array."""

_MAX_SHARED = 50
"""Members that may share an identifier; beyond that it is a placeholder and identifies nobody."""

_UNKNOWN_MEMBER = (
    "so the changed members are not known; correct the line, or run once with `sweep_members` set "
    "to all"
)

_convert_names = NameConverter({"properties": {key: {} for key in ("id", "user_id", "member_id")}})


class MemberIdentifiers(NamedTuple):
    """The identifiers of a member besides the CrowdTwist id, without case; "" where absent.

    They stand from the most to the least reliable: several members may share a third-party id.
    """

    email_address: str
    username: str
    third_party_id: str

    @classmethod
    def of(cls, row: Mapping[str, str]) -> MemberIdentifiers:
        """Return the identifiers in a row."""
        return cls(*(_plain(row.get(name, "")) for name in cls._fields))

    def contradicts(self, other: MemberIdentifiers) -> bool:
        """Return whether both have an identifier of one kind, and not the same."""
        pairs = zip(self, other, strict=True)
        return any(own != theirs for own, theirs in pairs if own and theirs)


_WANTED_COLUMNS = {"id", "user_id", "member_id", *MemberIdentifiers._fields}


class MemberNumbers:
    """CrowdTwist ids of members, each once, in ascending order, at 8 bytes each."""

    def __init__(self) -> None:
        self._sorted = array("q")
        self._recent: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        self._merge_recent()
        return iter(self._sorted)

    def append(self, number: int) -> None:
        """Add an id, unless it is already included."""
        self._recent.add(number)
        # A merge copies the whole array. Merging only when the set has an eighth of its size keeps
        # the total cost linear in the number of ids, up to a constant factor.
        if len(self._recent) >= max(_UNSORTED_IDS, len(self._sorted) // 8):
            self._merge_recent()

    def _merge_recent(self) -> None:
        merged = heapq.merge(self._sorted, sorted(self._recent))
        self._sorted = array("q", (number for number, _ in groupby(merged)))
        self._recent = set()


class MembersInFiles:
    """The members that appear in files.

    Args:
        csv_format: the delimiter and encoding of the Data Push files.
    """

    def __init__(self, csv_format: CsvFormat = DOCUMENTED_FORMAT) -> None:
        self._csv_format = csv_format
        self.numbers = MemberNumbers()
        """The CrowdTwist ids of the members."""
        self.without_id: set[MemberIdentifiers] = set()
        """The members of redemptions whose CrowdTwist id was not found."""

    def add_tables(
        self, files: Iterable[File], nearby: Iterable[File], open_file: FileOpener
    ) -> None:
        """Add the members that appear in the files of Data Push of one day.

        Args:
            files: the files of the day.
            nearby: those of the day before and of the day after. They are read only to look up
                members without an id that the files of the day do not identify.
            open_file: opens a file for reading bytes.

        Raises:
            FileError: a file cannot be read completely, or a row does not identify a member.
        """
        # Files without ids are read first: the others are then read once, both for their own
        # members and to look up those without an id.
        files_with_ids = []
        without_id: set[MemberIdentifiers] = set()
        for file in files:
            if file.feed in _ID_COLUMNS:
                files_with_ids.append(file)
            else:
                without_id |= self._read_redemptions(file, open_file)
        lookup = _IdLookup(without_id)
        for file in files_with_ids:
            for number, row in self._rows_with_ids(file, open_file):
                self.numbers.append(number)
                lookup.match(row)
        for file in nearby:
            if lookup.unmatched and file.feed in _ID_COLUMNS:
                self._look_up(lookup, file, open_file)
        self.without_id |= lookup.unmatched

    def add_captures(self, files: Iterable[File], open_file: FileOpener) -> None:
        """Add the members that appear in files of Live Push.

        Raises:
            FileError: a file cannot be read.
        """
        unidentified = 0
        for file in files:
            for event in events(file, open_file):
                row = _convert_names(event.capture.event)
                own = row.get("id") if file.feed == "live_users" else None
                number = _number(row.get("user_id") or row.get("member_id") or own)
                if number is not None:
                    self.numbers.append(number)
                else:
                    unidentified += 1
        if unidentified:
            logger.warning(
                "%d events of Live Push do not have their member's CrowdTwist id; these members "
                "are read when files of Data Push name them",
                unidentified,
            )

    def _read_redemptions(self, file: File, open_file: FileOpener) -> set[MemberIdentifiers]:
        """Return the members of a file without an id, and add those that have one all the same."""
        without_id = set()
        with CsvTable(file, open_file, self._csv_format) as table:
            for line, row in _rows(table):
                number = _number(row.get("user_id") or row.get("member_id"))
                identifiers = MemberIdentifiers.of(row)
                if number is not None:
                    self.numbers.append(number)
                elif any(identifiers):
                    without_id.add(identifiers)
                else:
                    raise table.error(line, f"does not identify a member, {_UNKNOWN_MEMBER}")
        return without_id

    def _rows_with_ids(
        self, file: File, open_file: FileOpener
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the CrowdTwist id of each row's member, and the row."""
        column = _ID_COLUMNS[file.feed]
        with CsvTable(file, open_file, self._csv_format) as table:
            if column not in map(str.lower, table.columns):
                raise table.error(
                    table.header_line,
                    f"names no column `{column}`; check whether the feed has changed",
                )
            for line, row in _rows(table):
                number = _number(row[column])
                if number is None:
                    raise table.error(line, f"has no member id in `{column}`, {_UNKNOWN_MEMBER}")
                yield number, row

    def _look_up(self, lookup: _IdLookup, file: File, open_file: FileOpener) -> None:
        """Add the members without an id whom a file identifies that was read by another sweep."""
        # The file may never have been opened: a sweep of all members counts the files of its time
        # as read. If it is broken, its members stay unmatched, which does not end the run.
        with suppress(FileError):
            for number, row in self._rows_with_ids(file, open_file):
                if lookup.match(row):
                    self.numbers.append(number)


class _IdLookup:
    """Lookup of members without an id by the most reliable of their other identifiers."""

    def __init__(self, without_id: set[MemberIdentifiers]) -> None:
        self.unmatched = without_id
        self._by_column: dict[str, dict[str, list[MemberIdentifiers]]] = {}
        for identifiers in without_id:
            column, name = next(item for item in identifiers._asdict().items() if item[1])
            by_name = self._by_column.setdefault(column, {})
            by_name.setdefault(name, []).append(identifiers)

    def match(self, row: Mapping[str, str]) -> bool:
        """Remove the members whom a row with an id identifies; return whether there are any."""
        if not self.unmatched:
            return False
        agreed: set[MemberIdentifiers] = set()
        for column, by_name in self._by_column.items():
            same = by_name.get(_plain(row.get(column, "")), ())
            if len(same) <= _MAX_SHARED:
                agreed.update(
                    member for member in same if not member.contradicts(MemberIdentifiers.of(row))
                )
        self.unmatched -= agreed
        return bool(agreed)


def _plain(name: str) -> str:
    return name.strip().casefold()


def _rows(table: CsvTable) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the ids and other identifiers of each row, and the line on which it begins."""
    columns = {name.lower(): place for place, name in enumerate(table.columns)}
    wanted = [(name, columns[name]) for name in _WANTED_COLUMNS & columns.keys()]
    for line, cells in table:
        yield line, {name: cells[place] for name, place in wanted}


def _number(value: Any) -> int | None:
    return cast("int | None", parse_id(str(value), "id"))

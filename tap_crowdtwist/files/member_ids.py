"""The members that appear in files of Data Push and Live Push.

Profiles, activities and expirations of Data Push identify their member by the CrowdTwist id.
Redemptions, as far as their columns are published, do not. Their members are looked up by email
address, user name or third-party id in the other files; those not found there are left to the
caller.
"""

from __future__ import annotations

import heapq
import logging
from array import array
from typing import IO, TYPE_CHECKING, Any, NamedTuple

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
_OTHER_IDENTIFIERS = ("email_address", "username", "third_party_id")
"""From the most to the least reliable: several members may share a third-party id."""

_UNSORTED_IDS = 65_536
"""Ids kept in a set, at ten times the memory, before they are merged into the array."""

_MAX_SHARED = 50
"""Members that may share an identifier; beyond that it is a placeholder and identifies nobody."""

_UNKNOWN_MEMBER = (
    "so the changed members are not known; correct the line, or run once with `sweep_members` set "
    "to all"
)

_convert_names = NameConverter(
    {"properties": {key: {} for key in ("id", "user_id", "member_id", *_OTHER_IDENTIFIERS)}}
)


class MemberIdentifiers(NamedTuple):
    """The other identifiers of a member whose row has no CrowdTwist id."""

    email_address: str | None
    username: str | None
    third_party_id: str | None

    def agrees(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has at least one of the identifiers, and contradicts none."""
        pairs = [(own, row[key]) for key, own in self._asdict().items() if own and row.get(key)]
        return bool(pairs) and all(_plain(own) == _plain(other) for own, other in pairs)


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
        if not self._recent:
            return
        merged = array("q")
        last = None
        for number in heapq.merge(self._sorted, sorted(self._recent)):
            if number != last:
                merged.append(number)
            last = number
        self._sorted, self._recent = merged, set()


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
        """The members whose CrowdTwist id was not found."""

    def add_tables(self, files: Iterable[File], open_file: FileOpener) -> None:
        """Add the members that appear in files of Data Push.

        Raises:
            FileError: a file cannot be read completely, or a row does not identify a member.
        """
        # Files without ids are read first: the others are then read once, both for their own
        # members and to look up those without an id.
        files_with_ids = []
        for file in files:
            if file.feed in _ID_COLUMNS:
                files_with_ids.append(file)
            else:
                self._add_without_id(file, open_file)
        lookup = _IdLookup(self.without_id)
        for file in files_with_ids:
            for row in _rows_with_ids(file, open_file, self._csv_format):
                self.numbers.append(row["number"])
                if lookup.has_candidates:
                    lookup.match(row)
        self.without_id = lookup.unmatched

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
                elif any(identifiers := _identifiers(row)):
                    self.without_id.add(identifiers)
                else:
                    unidentified += 1
        if unidentified:
            logger.warning(
                "%d events of Live Push do not identify a member; these members are read when "
                "files of Data Push name them",
                unidentified,
            )

    def _add_without_id(self, file: File, open_file: FileOpener) -> None:
        with CsvTable(file, open_file, self._csv_format) as table:
            columns = _columns(table)
            for line, cells in table:
                row = dict(zip(columns, cells))  # noqa: B905 - counted by the table
                number = _number(row.get("user_id") or row.get("member_id"))
                identifiers = _identifiers(row)
                if number is not None:
                    self.numbers.append(number)
                elif any(identifiers):
                    self.without_id.add(identifiers)
                else:
                    raise table.error(line, f"does not identify a member, {_UNKNOWN_MEMBER}")


class _IdLookup:
    """Lookup of members without an id by the most reliable of their other identifiers."""

    def __init__(self, without_id: set[MemberIdentifiers]) -> None:
        self.unmatched = set(without_id)
        self._by_name: dict[tuple[str, str], set[MemberIdentifiers]] = {}
        for identifiers in without_id:
            most_reliable = next(
                (key, _plain(name)) for key, name in identifiers._asdict().items() if name
            )
            self._by_name.setdefault(most_reliable, set()).add(identifiers)
        self._by_name = {
            name: members for name, members in self._by_name.items() if len(members) <= _MAX_SHARED
        }

    @property
    def has_candidates(self) -> bool:
        """Whether there is anybody to look up."""
        return bool(self._by_name)

    def match(self, row: Mapping[str, Any]) -> None:
        """Remove the members whom a row with an id identifies."""
        for name in _OTHER_IDENTIFIERS:
            value = row.get(name)
            if value and (same := self._by_name.get((name, _plain(value)))):
                agreed = {identifiers for identifiers in same if identifiers.agrees(row)}
                same -= agreed
                self.unmatched -= agreed


def _rows_with_ids(
    file: File, open_file: FileOpener, csv_format: CsvFormat
) -> Iterator[dict[str, Any]]:
    """Yield the identifiers of each row's member, with the CrowdTwist id as `number`."""
    with CsvTable(file, open_file, csv_format) as table:
        places = {name: place for place, name in enumerate(_columns(table))}
        column = _ID_COLUMNS[file.feed]
        if column not in places:
            raise table.error(
                table.header_line,
                f"names no column `{column}`; check whether the feed has changed",
            )
        place = places[column]
        others = [(name, places[name]) for name in _OTHER_IDENTIFIERS if name in places]
        for line, cells in table:
            number = _number(cells[place])
            if number is None:
                raise table.error(line, f"has no member id in `{column}`, {_UNKNOWN_MEMBER}")
            yield {"number": number, **{name: cells[place] for name, place in others}}


def _columns(table: CsvTable) -> list[str]:
    return [name.lower() for name in table.columns]


def _plain(name: Any) -> str:
    return str(name).strip().casefold()


def _number(value: Any) -> int | None:
    member = None if value is None or isinstance(value, bool) else parse_id(str(value), "id")
    return None if member is None else int(member)


def _identifiers(row: Mapping[str, Any]) -> MemberIdentifiers:
    cells = (row.get(name) for name in _OTHER_IDENTIFIERS)
    return MemberIdentifiers(*(str(cell).strip() or None if cell else None for cell in cells))

"""Which members appear in files of Data Push and in captures of Live Push.

Profiles, activities and expirations of Data Push name their member by CrowdTwist's number;
redemptions, as far as their columns are published, do not. Those are found through the member's
other rows of the same files, and left to the caller where there are none.
"""

from __future__ import annotations

import heapq
import logging
from array import array
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.files.data_push import DOCUMENTED_FORMAT, CsvFormat, CsvTable
from tap_crowdtwist.files.live_push import NameConverter, events
from tap_crowdtwist.records.member_id import parse_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_crowdtwist.files.folder import File

    Opener = Callable[[File], IO[bytes]]

logger = logging.getLogger(__name__)

_NUMBER = {"PROFILE": "id", "USER_ACTIVITY": "id", "POINTS_EXPIRATION": "user_id"}
_IDENTITIES = ("email_address", "username", "third_party_id")
"""What else a member may be named by, the surest first: third-party ids may be shared."""

_BATCH = 65_536
"""Numbers that are kept in a set, in ten times the room, before they are sorted in."""

_SHARED = 50
"""Members that may have a name in common before it is taken for one that says nothing."""

_UNSAID = "so who changed is not known; mend the line, or else run once with `sweep_members` all"

_NAMES = NameConverter(
    {"properties": {key: {} for key in ("id", "user_id", "member_id", *_IDENTITIES)}}
)


class MemberIdentifiers(NamedTuple):
    """A member without a number: what else the row says of who they are."""

    email_address: str | None
    username: str | None
    third_party_id: str | None

    def agrees(self, row: Mapping[str, Any]) -> bool:
        """Tell whether no name in a row is another one, and at least one is the same."""
        told = [(name, row[key]) for key, name in self._asdict().items() if name and row.get(key)]
        return bool(told) and all(_plain(one) == _plain(other) for one, other in told)


class MemberNumbers:
    """CrowdTwist's numbers of members, each once, ascending, in 8 bytes each."""

    def __init__(self) -> None:
        self._sorted = array("q")
        self._recent: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        self._sort_in()
        return iter(self._sorted)

    def append(self, number: int) -> None:
        """Add a number, unless it is there already."""
        self._recent.add(number)
        if len(self._recent) >= max(_BATCH, len(self._sorted) // 8):
            self._sort_in()

    def _sort_in(self) -> None:
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
        form: how the files of Data Push are written.
    """

    def __init__(self, form: CsvFormat = DOCUMENTED_FORMAT) -> None:
        self._form = form
        self.numbers = MemberNumbers()
        """Who they are."""
        self.without_id: set[MemberIdentifiers] = set()
        """Members of whom no number was found."""

    def add_tables(self, files: Iterable[File], opened: Opener) -> None:
        """Add who appears in files of Data Push.

        Raises:
            FileError: a file cannot be read to its end, or a row does not say whose it is.
        """
        others = []
        for file in files:
            if file.feed in _NUMBER:
                others.append(file)
            else:
                self._add_without_id(file, opened)
        wanted = _Wanted(self.without_id)
        for file in others:
            for row in _named_rows(file, opened, self._form):
                number = row["number"]
                self.numbers.append(number)
                if wanted:
                    wanted.found(row)
        self.without_id = wanted.left

    def add_captures(self, files: Iterable[File], opened: Opener) -> None:
        """Add who appears in captures of Live Push.

        Raises:
            FileError: a file cannot be read.
        """
        unsaid = 0
        for file in files:
            for event in events(file, opened):
                row = _NAMES(event.capture.event)
                own = row.get("id") if file.feed == "live_users" else None
                number = _number(row.get("user_id") or row.get("member_id") or own)
                if number is not None:
                    self.numbers.append(number)
                elif any(identifiers := _identifiers(row)):
                    self.without_id.add(identifiers)
                else:
                    unsaid += 1
        if unsaid:
            logger.warning(
                "%d events of Live Push do not say whose they are; their members are swept when "
                "files of Data Push name them",
                unsaid,
            )

    def _add_without_id(self, file: File, opened: Opener) -> None:
        with CsvTable(file, opened, self._form) as table:
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
                    raise table.wrong(line, f"does not say whose row it is, {_UNSAID}")


class _Wanted:
    """Members without a number, by each of their other names."""

    def __init__(self, without_id: set[MemberIdentifiers]) -> None:
        self.left = set(without_id)
        self._by_name: dict[tuple[str, str], set[MemberIdentifiers]] = {}
        for identifiers in without_id:
            surest = next(
                (key, _plain(name)) for key, name in identifiers._asdict().items() if name
            )
            self._by_name.setdefault(surest, set()).add(identifiers)
        self._by_name = {
            name: aliases for name, aliases in self._by_name.items() if len(aliases) <= _SHARED
        }

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def found(self, row: Mapping[str, Any]) -> None:
        """Strike out those that a numbered row names too."""
        for name in _IDENTITIES:
            value = row.get(name)
            if value and (same := self._by_name.get((name, _plain(value)))):
                agreed = {identifiers for identifiers in same if identifiers.agrees(row)}
                same -= agreed
                self.left -= agreed


def _named_rows(file: File, opened: Opener, form: CsvFormat) -> Iterator[dict[str, Any]]:
    """Yield what each row says of its member, with the `number`."""
    with CsvTable(file, opened, form) as table:
        places = {name: place for place, name in enumerate(_columns(table))}
        column = _NUMBER[file.feed]
        if column not in places:
            raise table.wrong(
                table.header_line,
                f"names no column `{column}`; check whether the feed has changed",
            )
        place = places[column]
        others = [(name, places[name]) for name in _IDENTITIES if name in places]
        for line, cells in table:
            number = _number(cells[place])
            if number is None:
                raise table.wrong(line, f"has no member's number in `{column}`, {_UNSAID}")
            yield {"number": number, **{name: cells[place] for name, place in others}}


def _columns(table: CsvTable) -> list[str]:
    return [name.lower() for name in table.columns]


def _plain(name: Any) -> str:
    return str(name).strip().casefold()


def _number(value: Any) -> int | None:
    member = None if value is None or isinstance(value, bool) else parse_id(str(value), "id")
    return None if member is None else int(member)


def _identifiers(row: Mapping[str, Any]) -> MemberIdentifiers:
    said = (row.get(name) for name in _IDENTITIES)
    return MemberIdentifiers(*(str(value).strip() or None if value else None for value in said))

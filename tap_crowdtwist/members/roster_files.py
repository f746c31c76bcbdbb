"""Reading of the ids of a roster from settings and from files: text, CSV or JSON lines.

A file may be a path, a glob or any URL that fsspec supports. The ending of its name decides on the
format: .csv or .tsv, .jsonl, .ndjson or .json; anything else is text. Each may be compressed
(`files.packing`), as in members.csv.gz. Files are streamed.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from fsspec.implementations.local import LocalFileSystem

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.filesystems import open_files
from tap_crowdtwist.files.packing import PackingError, check_regular, open_unpacked
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.files.read_ahead import ReadAhead
from tap_crowdtwist.files.remote_access import NO_SETTINGS, RemoteAccess
from tap_crowdtwist.members.roster_columns import FILES_WITH_FIELDS, values_with_lines
from tap_crowdtwist.records.member_id import SEPARATORS, bare, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_crowdtwist.records.member_id import Member

_SETTING = "user_ids_path"
_EXPECTED = {
    "id": ("a numeric CrowdTwist id", "numeric CrowdTwist ids"),
    "email": ("an e-mail address", "e-mail addresses"),
}

_PROBLEMS: tuple[tuple[type[Exception], str], ...] = (
    (PackingError, "{name} {error}"),
    (FileNotFoundError, "there is no file {name}"),
    (UnicodeError, "{name} is not UTF-8 text"),
    (Exception, "cannot read {name}: {reason}"),
)
"""Explanations of the errors of a file; the first that fits the error counts."""

_MAX_SHOWN = 5
"""Places that an error names."""


def located_in_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[tuple[str, Member]]:
    """Yield the ids of the setting `user_ids`, each with its place, such as "entry 3 of …".

    Raises:
        SettingError: an entry is not an id of this type.
    """
    check = _IdCheck(id_type)
    for place, member in check.valid(enumerate(map(str, user_ids), start=1)):
        yield f"entry {place} of `user_ids`", member
    if check.invalid:
        raise SettingError("user_ids", check.describe("entry", "entries"))


def located_in_files(
    path: str, id_type: str, column: str | None = None, access: RemoteAccess = NO_SETTINGS
) -> Iterator[tuple[str, Member]]:
    """Yield the ids of all files that a path, glob or URL names, in the order of their names.

    Each comes with its place as text: line and file.

    Args:
        path: a path, a glob or an fsspec URL.
        id_type: the type of the ids.
        column: the CSV column or JSON property that holds them.
        access: how remote systems are accessed.

    Raises:
        SettingError: there is no such file, it cannot be read, it holds no id, or a line of it
            is not an id.
    """
    try:
        files = open_files(path, access, mode="rb")
    except SettingError:
        raise
    except Exception as error:  # noqa: BLE001 - each filesystem has its own
        raise SettingError(
            _SETTING, f"cannot open {display_name(path)}: {describe_error(error)}"
        ) from None
    if not files:
        raise SettingError(_SETTING, f"no file matches {display_name(path)}")
    for file in files:
        yield from _from_file(file, id_type, column)


def _from_file(file: Any, id_type: str, column: str | None) -> Iterator[tuple[str, Member]]:
    name = display_name(file.path)
    try:
        check_regular(file.fs, file.path)
        with ExitStack() as inner:
            raw = _opened(file, inner)
            unpacked_name, content = open_unpacked(file.path, raw, inner)
            # "-sig": Excel puts a byte order mark first. newline "": line ends are left to csv.
            lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            values = values_with_lines(unpacked_name, name, lines, id_type, column)
            has_fields = unpacked_name.endswith(FILES_WITH_FIELDS)
            yield from _checked(values, name, id_type, has_fields=has_fields)
    except SettingError:
        raise
    except Exception as error:  # noqa: BLE001 - each filesystem and compression has its own
        problem = next(text for kind, text in _PROBLEMS if isinstance(error, kind))
        reason = describe_error(error)
        raise SettingError(
            _SETTING, problem.format(name=name, error=error, reason=reason)
        ) from None


class _Roster(NamedTuple):
    """A remote file that was not listed."""

    path: str
    size: int = 0


def _opened(file: Any, inner: ExitStack) -> Any:
    """Open a file; a remote one is copied first, since reading in parts costs round trips."""
    if isinstance(file.fs, LocalFileSystem):
        return inner.enter_context(file)
    copies = inner.enter_context(ReadAhead(file.fs, (), growing=False))
    return inner.enter_context(copies.open(_Roster(file.path)))


def _checked(
    values: Iterable[tuple[int, str]], name: str, id_type: str, *, has_fields: bool
) -> Iterator[tuple[str, Member]]:
    """Yield the members in some lines, up to the first line without a valid id.

    Raises:
        SettingError: lines have no valid id, or there is no line. It is raised after the last line,
            so that it can count them all.
    """
    check = _IdCheck(id_type)
    for number, member in check.valid(values):
        yield f"line {number} of {name}", member
    if not check.count:
        raise SettingError(_SETTING, f"{name} holds no ids")
    if check.invalid:
        problem = check.describe(f"line of {name}", f"lines of {name}")
        raise SettingError(_SETTING, f"{problem}{check.advice(has_fields=has_fields)}")


class _IdCheck:
    """A check of the entries of a roster, which remembers where the first invalid ones are.

    Attributes:
        count: the number of entries.
        invalid: the numbers of entries that are no valid ids: "empty" and "wrong" ones.
    """

    def __init__(self, id_type: str) -> None:
        self._id_type = id_type
        self._places: dict[str, list[int]] = {"empty": [], "wrong": []}
        self._has_separators = False
        self.count = 0
        self.invalid: Counter[str] = Counter()

    def valid(self, values: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Member]]:
        """Yield the place and the id of each entry, up to the first one that is invalid."""
        for place, value in values:
            self.count += 1
            member = parse_id(value, self._id_type)
            if member is None:
                self._add(place, bare(value))
            elif not self.invalid:
                yield place, member

    def _add(self, place: int, text: str) -> None:
        kind = "wrong" if text else "empty"
        self.invalid[kind] += 1
        self._has_separators |= not SEPARATORS.isdisjoint(text)
        if self.invalid[kind] <= _MAX_SHOWN:
            self._places[kind].append(place)

    def describe(self, one: str, many: str) -> str:
        """Return what is wrong, without the values, which may be personal.

        Args:
            one: the word for a place, such as "entry".
            many: its plural.
        """
        an_id, ids = _EXPECTED.get(
            self._id_type, (f"an id of type {self._id_type}", f"ids of type {self._id_type}")
        )
        kinds = (
            ("empty", f"{one} has no id", f"{many} have no id"),
            ("wrong", f"{one} is not {an_id}", f"{many} are not {ids}"),
        )
        return ", and ".join(
            _with_places(self._places[kind], self.invalid[kind], singular, plural)
            for kind, singular, plural in kinds
            if kind in self.invalid
        )

    def advice(self, *, has_fields: bool) -> str:
        """Return advice on the lines of a file, to be added to the error message; may be "".

        Args:
            has_fields: whether the file is of a kind that has columns already.
        """
        if self._has_separators and not has_fields:
            return (
                "; put one id on each line, or give a file that ends in .csv and whose first line "
                "names the columns"
            )
        return "; check `id_type` too" if self.invalid["wrong"] else ""


def _with_places(places: Sequence[int], count: int, one: str, many: str) -> str:
    if count == 1:
        return re.sub(r"^(line|entry)", rf"\1 {places[0]}", one)
    further = ", …" if count > len(places) else ""
    return f"{count:,} {many} ({', '.join(map(str, places))}{further})"

"""Reads the ids of a roster from settings and from files: text, CSV or JSON lines.

A file may be a path, a glob or any URL that fsspec knows. What it holds is told by its ending:
.csv or .tsv, .jsonl, .ndjson or .json, anything else is text; each may be packed (`packing`), as
in members.csv.gz. Files are streamed.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.filesystems import open_files
from tap_crowdtwist.files.packing import PackingError, check_regular, open_unpacked
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.records.member_id import SEPARATORS, bare, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_crowdtwist.records.member_id import Member

_SETTING = "user_ids_path"
_COLUMN = "user_ids_column"
_DELIMITERS = ",;\t|"
_CSV = (".csv", ".tsv")
_JSON = (".jsonl", ".ndjson", ".json")
_FIELDED = (*_CSV, *_JSON)
_NUMBERS = ("user_id", "member_id", "id", "CTUserID")
_ALIASES = {"id": _NUMBERS, "email": ("email_address",)}
"""Columns that are taken for the ids where the user names none, beside the `id_type` itself."""

_WANTED = {
    "id": ("a numeric CrowdTwist id", "numeric CrowdTwist ids"),
    "email": ("an e-mail address", "e-mail addresses"),
}

_SHOWN = 5
"""Places that are named where several are bad."""

_WORDY = frozenset({"third_party_id", "username"})
"""Types of ids that cannot be told from names of columns."""

_NAME = re.compile(r"^[^@]*[^\W\d_][^@]*$")
"""What may name a column: it has a letter and no @. A file without a header would lose a member."""

_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
"""The line by which some programs tell Excel the delimiter; the header tells it as well."""

_GUARDED = re.compile(r"""\s*(?:'(\+?\d.*)|="(.*)")\s*""")
"""Cells that are written so that a spreadsheet takes them for text: `'0049…` and `="0049…"`."""


def ids_from_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[Member]:
    """Yield the ids of the setting `user_ids`.

    Raises:
        SettingError: an entry is not an id of this type.
    """
    return (member for _, member in located_in_setting(user_ids, id_type))


def located_in_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[tuple[str, Member]]:
    """Yield what `ids_from_setting` does, each with its place in words."""
    bad = _BadIds(id_type)
    for place, value in enumerate(user_ids, start=1):
        member = parse_id(str(value), id_type)
        if member is None:
            bad.add(place, str(value))
        elif not bad:
            yield f"entry {place} of `user_ids`", member
    if bad:
        raise SettingError("user_ids", bad.told("entry", "entries"))


def ids_from_files(
    path: str, id_type: str, column: str | None = None, known_hosts: str | None = None
) -> Iterator[Member]:
    """Yield the ids of every file that a path, glob or URL names, in the order of their names.

    Args:
        path: a path, a glob or an fsspec URL.
        id_type: what the ids are.
        column: the CSV column or JSON property that holds them.
        known_hosts: a file with keys of SFTP hosts, beside the user's own.

    Raises:
        SettingError: there is no such file, it cannot be read, it holds no id, or a line of it
            is not one.
    """
    return (member for _, member in located_in_files(path, id_type, column, known_hosts))


def located_in_files(
    path: str, id_type: str, column: str | None = None, known_hosts: str | None = None
) -> Iterator[tuple[str, Member]]:
    """Yield what `ids_from_files` does, each with its place in words: line and file."""
    try:
        files = open_files(path, known_hosts, mode="rb")
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
        with file as raw, ExitStack() as inner:
            inside, content = open_unpacked(file.path, raw, inner)
            lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            values = _values(inside, name, lines, id_type, column)
            yield from _checked(values, name, id_type, is_text=not inside.endswith(_FIELDED))
    except SettingError:
        raise
    except PackingError as error:
        raise SettingError(_SETTING, f"{name} {error}") from None
    except FileNotFoundError:
        raise SettingError(_SETTING, f"there is no file {name}") from None
    except UnicodeError:
        raise SettingError(_SETTING, f"{name} is not UTF-8 text") from None
    except Exception as error:  # noqa: BLE001 - each filesystem and compression has its own
        raise SettingError(_SETTING, f"cannot read {name}: {describe_error(error)}") from None


def _checked(
    values: Iterable[tuple[int, str]], name: str, id_type: str, *, is_text: bool
) -> Iterator[tuple[str, Member]]:
    """Yield the members that lines hold, up to the first that holds none.

    Raises:
        SettingError: lines hold no id, or none is there; raised when the last one has been read.
    """
    is_empty, bad = True, _BadIds(id_type)
    for number, value in values:
        is_empty = False
        member = parse_id(value, id_type)
        if member is None:
            bad.add(number, value)
        elif not bad:
            yield f"line {number} of {name}", member
    if is_empty:
        raise SettingError(_SETTING, f"{name} holds no ids")
    if bad:
        told = bad.told(f"line of {name}", f"lines of {name}")
        raise SettingError(_SETTING, f"{told}{bad.advice(is_text=is_text)}")


class _BadIds:
    """What stands in a roster in place of ids: how many, and where the first ones are."""

    def __init__(self, id_type: str) -> None:
        self._one, self._many = _WANTED.get(
            id_type, (f"an id of type {id_type}", f"ids of type {id_type}")
        )
        self._empty: list[int] = []
        self._wrong: list[int] = []
        self._counts = [0, 0]
        self._separated = False

    def __bool__(self) -> bool:
        return any(self._counts)

    def add(self, place: int, value: str) -> None:
        """Note a line or an entry."""
        is_wrong = bool(bare(value))
        self._counts[is_wrong] += 1
        places = self._wrong if is_wrong else self._empty
        if len(places) < _SHOWN:
            places.append(place)
        self._separated |= is_wrong and not SEPARATORS.isdisjoint(bare(value))

    def told(self, one: str, many: str) -> str:
        """Say what is wrong, without what stands there; `one` and `many` name a place."""
        kinds = (
            (self._empty, self._counts[0], "has no id", "have no id"),
            (self._wrong, self._counts[1], f"is not {self._one}", f"are not {self._many}"),
        )
        return ", and ".join(
            _told_places(places, count, f"{one} {is_bad}", f"{many} {are_bad}")
            for places, count, is_bad, are_bad in kinds
            if count
        )

    def advice(self, *, is_text: bool) -> str:
        """Say what may help with lines of a file, which has fields unless it is text."""
        if self._separated and is_text:
            return (
                "; put one id on each line, or give a file that ends in .csv and whose first line "
                "names the columns"
            )
        return "; check `id_type` too" if self._wrong else ""


def _told_places(places: Sequence[int], count: int, one: str, many: str) -> str:
    if count == 1:
        return re.sub(r"^(line|entry)", rf"\1 {places[0]}", one)
    further = ", …" if count > len(places) else ""
    return f"{count:,} {many} ({', '.join(map(str, places))}{further})"


def _values(
    inside: str, name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    """Yield ids with their lines; `inside` is the name without packing, `name` what is told."""
    if inside.endswith(_CSV):
        return _csv(name, lines, id_type, column)
    if inside.endswith(_JSON):
        return _json_lines(name, lines, id_type, column)
    return _text(lines)


def _text(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if bare(line):
            yield number, line


def _csv(
    name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    where = f"line 1 of {name}"
    lines = iter(lines)
    start = list(_up_to_text(lines))
    if start and _HINT.fullmatch(start[-1].strip()):
        start = [*start[:-1], "\n", *_up_to_text(lines)]  # as many lines as before
    reader = csv.reader(
        chain(start, lines), strict=True, delimiter=_delimiter(start[-1] if start else "")
    )
    rows = (row for row in reader if any(map(bare, row)))
    header = [bare(cell) for cell in next(rows, [])]
    if not header:
        return
    if not all(_NAME.search(cell) or not cell for cell in header):
        raise SettingError(_SETTING, f"{where} must name the columns")
    # The only column needs no certain name, unless a member may be called like it.
    lone = len(header) == 1 and column is None and id_type in _WORDY
    if lone and not _places(header, (id_type, *_NUMBERS)):
        raise SettingError(
            _COLUMN,
            f"{where} may be a member or the name of the column; name the column here, or rename "
            "the file to .txt if it has no header",
        )
    place = _place(where, header, id_type, column)
    for row in rows:
        # They may be ids: a whole list on one line, or a delimiter within a cell before the id.
        if any(cell.strip() for cell in row[len(header) :]):
            raise SettingError(
                _SETTING,
                f"line {reader.line_num} of {name} has {len(row)} cells where line 1 names "
                f"{len(header)} columns; put one member on each line, and quote cells that hold "
                "the delimiter",
            )
        cell = row[place] if place < len(row) else ""
        guarded = _GUARDED.fullmatch(cell)
        yield reader.line_num, guarded[1] or guarded[2] if guarded else cell


def _up_to_text(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines up to the first one that is not blank."""
    for line in lines:
        yield line
        if line.strip():
            return


def _delimiter(header: str) -> str:
    """Return the delimiter that a line has most of outside of quotes; a comma where it has none."""
    bare = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _json_lines(
    name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"line {number} of {name}"
        try:
            value = msgspec.json.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            raise SettingError(_SETTING, f"{where} is not JSON") from None
        if isinstance(value, dict) and value:
            names = tuple(value)
            value = value[names[_place(where, names, id_type, column)]]
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        yield number, str(value) if fits else ""


def _place(where: str, names: Sequence[str], id_type: str, column: str | None) -> int:
    """Choose the column with the ids, by its place."""
    if column is not None:
        if column in names:
            return names.index(column)
        found = _places(names, (column,))
        if len(found) == 1:
            return found[0]
        raise SettingError(_COLUMN, f"{where} has no such column; it has {_told(names, id_type)}")
    if len(names) == 1:
        return 0
    found = _places(names, (id_type, *_ALIASES.get(id_type, ())))
    if len(found) == 1:
        return found[0]
    raise SettingError(
        _COLUMN, f"say which column of {where} holds the ids; it has {_told(names, id_type)}"
    )


def _places(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return where columns stand that are called so, but for case, blanks and separators."""
    folded = set(map(_folded, wanted))
    return [place for place, name in enumerate(names) if _folded(name) in folded]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _told(names: Sequence[str], id_type: str) -> str:
    """List columns, unless what stands for them may be a member: a file may lack a header."""
    if id_type in _WORDY:
        return f"{len(names)} columns"
    return ", ".join(repr(name) for name in names[:20] if _NAME.search(name))

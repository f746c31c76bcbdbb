"""Reads the ids of a roster from settings and from files: text, CSV or JSON lines.

A file may be a path, a glob or any URL that fsspec knows; what it holds is told by its ending
(.csv, .jsonl or .ndjson, anything else is text), compression included (.gz). Files are streamed.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.filesystems import open_files
from tap_crowdtwist.paths import named, plain, reason
from tap_crowdtwist.roster import parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_crowdtwist.roster import Member

_SETTING = "user_ids_path"
_COLUMN = "user_ids_column"
_COLUMNS = ("user_id", "member_id", "id")
"""Columns that are taken for the ids where the user names none, beside the `id_type` itself."""

_WORDY = frozenset({"third_party_id", "username"})
"""Types of ids that cannot be told from names of columns."""

_NAME = re.compile(r"^[^@]*[^\W\d_][^@]*$")
"""What may name a column: it has a letter and no @. A file without a header would lose a member."""


def from_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[Member]:
    """Yield the ids of the setting `user_ids`.

    Raises:
        SettingError: an entry is not an id of this type.
    """
    return (member for _, member in placed_in_setting(user_ids, id_type))


def placed_in_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[tuple[str, Member]]:
    """Yield what `from_setting` does, each with its place in words."""
    for place, value in enumerate(user_ids, start=1):
        member = parse_id(str(value), id_type)
        if member is None:
            raise SettingError("user_ids", f"entry {place} is not {_wanted(id_type)}")
        yield f"entry {place} of `user_ids`", member


def from_files(
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
    return (member for _, member in placed_in_files(path, id_type, column, known_hosts))


def placed_in_files(
    path: str, id_type: str, column: str | None = None, known_hosts: str | None = None
) -> Iterator[tuple[str, Member]]:
    """Yield what `from_files` does, each with its place in words: line and file."""
    try:
        files = open_files(
            path, known_hosts, mode="rt", encoding="utf-8-sig", newline="", compression="infer"
        )
    except SettingError:
        raise
    except Exception as error:  # noqa: BLE001 - each filesystem has its own
        raise SettingError(_SETTING, f"cannot open {named(path)}: {reason(error)}") from None
    if not files:
        raise SettingError(_SETTING, f"no file matches {named(path)}")
    for file in files:
        yield from _from_file(file, id_type, column)


def _from_file(file: Any, id_type: str, column: str | None) -> Iterator[tuple[str, Member]]:
    count, name = 0, named(file.path)
    try:
        with file as lines:
            for number, value in _values(file.path, lines, id_type, column):
                where = f"line {number} of {name}"
                yield where, _member(value, id_type, where)
                count += 1
    except SettingError:
        raise
    except FileNotFoundError:
        raise SettingError(_SETTING, f"there is no file {name}") from None
    except UnicodeError:
        raise SettingError(_SETTING, f"{name} is not UTF-8 text") from None
    except Exception as error:  # noqa: BLE001 - each filesystem and compression has its own
        raise SettingError(_SETTING, f"cannot read {name}: {reason(error)}") from None
    if not count:
        raise SettingError(_SETTING, f"{name} holds no ids")


def _member(value: str, id_type: str, where: str) -> Member:
    member = parse_id(value, id_type)
    if member is None:
        raise SettingError(_SETTING, f"{where} is not {_wanted(id_type)}; check `id_type` too")
    return member


def _values(
    path: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    stem, name = plain(path).lower().removesuffix(".gz"), named(path)
    if stem.endswith(".csv"):
        return _csv(name, lines, id_type, column)
    if stem.endswith((".jsonl", ".ndjson")):
        return _json_lines(name, lines, id_type, column)
    return _text(lines)


def _text(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line


def _csv(
    name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    reader = csv.reader(lines, strict=True)
    rows = (row for row in reader if any(cell.strip() for cell in row))
    header = [cell.strip() for cell in next(rows, [])]
    if not header:
        return
    if not all(_NAME.search(cell) or not cell for cell in header):
        raise SettingError(_SETTING, f"line 1 of {name} must name the columns")
    place = header.index(_column(f"line 1 of {name}", header, id_type, column))
    for row in rows:
        yield reader.line_num, row[place] if place < len(row) else ""


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
            value = value[_column(where, tuple(value), id_type, column)]
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        yield number, str(value) if fits else ""


def _column(where: str, names: Sequence[str], id_type: str, column: str | None) -> str:
    """Choose the column with the ids."""
    if column is not None:
        if column in names:
            return str(column)
        raise SettingError(_COLUMN, f"{where} has no such column; it has {_told(names, id_type)}")
    if len(names) == 1:
        return names[0]
    usual: tuple[str, ...] = (id_type, *(_COLUMNS if id_type == "id" else ()))
    found = [name for name in dict.fromkeys(usual) if name in names]
    if len(found) == 1:
        return found[0]
    raise SettingError(
        _COLUMN, f"say which column of {where} holds the ids; it has {_told(names, id_type)}"
    )


def _told(names: Sequence[str], id_type: str) -> str:
    """List columns, unless what stands for them may be a member: a file may lack a header."""
    if id_type in _WORDY:
        return f"{len(names)} columns"
    return ", ".join(repr(name) for name in names[:20] if _NAME.search(name))


def _wanted(id_type: str) -> str:
    return "a numeric CrowdTwist id" if id_type == "id" else f"an id of type {id_type}"

"""Reads the ids of a roster from settings and from files: text, CSV or JSON lines.

A file may be a path, a glob or any URL that fsspec knows; what it holds is told by its ending
(.csv, .jsonl or .ndjson, anything else is text), compression included (.gz). Files are streamed.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import fsspec
import msgspec

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.roster import parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_crowdtwist.roster import Member

_SETTING = "user_ids_path"
_COLUMNS = ("user_id", "member_id", "id")
"""Columns that are taken for the ids where the user names none, beside the `id_type` itself."""


def from_setting(user_ids: Iterable[Any], id_type: str) -> Iterator[Member]:
    """Yield the ids of the setting `user_ids`.

    Raises:
        SettingError: an entry is not an id of this type.
    """
    for place, value in enumerate(user_ids, start=1):
        member = parse_id(str(value), id_type)
        if member is None:
            raise SettingError("user_ids", f"entry {place} is not {_wanted(id_type)}")
        yield member


def from_files(path: str, id_type: str, column: str | None = None) -> Iterator[Member]:
    """Yield the ids of every file that a path, glob or URL names, in the order of their names.

    Args:
        path: a path, a glob or an fsspec URL.
        id_type: what the ids are.
        column: the CSV column or JSON property that holds them.

    Raises:
        SettingError: there is no such file, it cannot be read, it holds no id, or a line of it
            is not one.
    """
    try:
        files = fsspec.open_files(
            path, mode="rt", encoding="utf-8-sig", newline="", compression="infer"
        )
    except (OSError, ValueError, ImportError) as error:
        raise SettingError(_SETTING, f"cannot open {path!r}: {error}") from None
    if not files:
        raise SettingError(_SETTING, f"no file matches {path!r}")
    for file in files:
        yield from _from_file(file, id_type, column)


def _from_file(file: Any, id_type: str, column: str | None) -> Iterator[Member]:
    count = 0
    try:
        with file as lines:
            for where, value in _values(file.path, lines, id_type, column):
                member = parse_id(value, id_type)
                if member is None:
                    problem = f"line {where} of {file.path!r} is not {_wanted(id_type)}"
                    raise SettingError(_SETTING, f"{problem}; check `id_type` too")
                count += 1
                yield member
    except FileNotFoundError:
        raise SettingError(_SETTING, f"there is no file {file.path!r}") from None
    except (OSError, UnicodeError, csv.Error) as error:
        kind = "is not UTF-8 text" if isinstance(error, UnicodeError) else f"failed: {error}"
        raise SettingError(_SETTING, f"reading {file.path!r} {kind}") from None
    if not count:
        raise SettingError(_SETTING, f"{file.path!r} holds no ids")


def _values(
    path: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    stem = path.removesuffix(".gz").lower()
    if stem.endswith(".csv"):
        return _csv(path, lines, id_type, column)
    if stem.endswith((".jsonl", ".ndjson")):
        return _json_lines(path, lines, id_type, column)
    return _text(lines)


def _text(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line


def _csv(
    path: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    place = header.index(_column(path, header, id_type, column))
    for row in reader:
        if row:
            yield reader.line_num, row[place] if place < len(row) else ""


def _json_lines(
    path: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = msgspec.json.decode(line)
        except msgspec.MsgspecError:
            raise SettingError(_SETTING, f"line {number} of {path!r} is not JSON") from None
        if isinstance(value, dict):
            value = value[_column(path, list(value), id_type, column)]
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        yield number, str(value) if fits else ""


def _column(path: str, names: list[Any], id_type: str, column: str | None) -> str:
    if column is not None:
        if column in names:
            return column
        raise SettingError("user_ids_column", f"{path!r} has no {column!r}; it has {_list(names)}")
    if len(names) == 1:
        return str(names[0])
    usual = (id_type, *(_COLUMNS if id_type == "id" else ()))
    found = [name for name in dict.fromkeys(usual) if name in names]
    if len(found) == 1:
        return found[0]
    raise SettingError("user_ids_column", f"say which of {_list(names)} of {path!r} holds the ids")


def _list(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20])) or "no columns"


def _wanted(id_type: str) -> str:
    return "a numeric CrowdTwist id" if id_type == "id" else f"an id of type {id_type}"

"""Parsing of the ids in one roster file: text, CSV or JSON lines, with the column of the ids.

Errors never show a cell that may be an id of a member.
"""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.records.member_id import bare

if TYPE_CHECKING:
    import _csv as _csv_module
    from collections.abc import Iterable, Iterator, Sequence

_CSV_ENDINGS = (".csv", ".tsv")
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
FILES_WITH_FIELDS = (*_CSV_ENDINGS, *_JSON_ENDINGS)
"""Endings of files that have columns or properties; any other file is text, one id a line."""

_SETTING = "user_ids_path"
_COLUMN = "user_ids_column"
_DELIMITERS = ",;\t|"
_NUMERIC_ID_COLUMNS = ("user_id", "member_id", "id", "CTUserID")
_ALIASES = {"id": _NUMERIC_ID_COLUMNS, "email": ("email_address",)}
"""Columns that are taken for the ids if the user names none, besides the `id_type` itself."""

_FREE_TEXT_TYPES = frozenset({"third_party_id", "username"})
"""Types of ids that cannot be distinguished from names of columns."""

_COLUMN_NAME = re.compile(r"^[^@]*[^\W\d_][^@]*$")
"""A possible name of a column: with a letter and no @. An id as a header would be a lost member."""

_DELIMITER_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
"""A line that tells Excel the delimiter. It is skipped: the header shows the delimiter too."""

_SPREADSHEET_TEXT = re.compile(r"""\A\s*(?:'(\+?\d.*)|="(.*)")\s*\Z""")
"""Cells in a form that makes a spreadsheet take them for text: `'0049…` and `="0049…"`."""


def values_with_lines(
    unpacked_name: str, name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    """Return the line number and the text of each id in a file.

    Args:
        unpacked_name: the name of the file without endings of compression, for its format.
        name: the name for errors.
        lines: the lines of the file.
        id_type: the type of the ids.
        column: the CSV column or JSON property that holds them.

    Raises:
        SettingError: the file is malformed, or the column of the ids is not clear.
    """
    if unpacked_name.endswith(_CSV_ENDINGS):
        return _csv(name, lines, id_type, column)
    if unpacked_name.endswith(_JSON_ENDINGS):
        return _json_lines(name, lines, id_type, column)
    return _text(lines)


def _text(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, start=1) if bare(line))


def _csv(
    name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, str]]:
    reader = _csv_reader(iter(lines))
    rows = (row for row in reader if any(map(bare, row)))
    header = list(map(bare, next(rows, [])))
    if not header:
        return
    where = f"line 1 of {name}"
    _check_header(where, header, id_type, column)
    position = _position(where, header, id_type, column)
    for row in rows:
        # Surplus cells may be ids (a whole list on one line), or a cell before the id holds the
        # delimiter and moves the id to another column. Either would lose members.
        if any(map(str.strip, row[len(header) :])):
            raise SettingError(
                _SETTING,
                f"line {reader.line_num} of {name} has {len(row)} cells where line 1 names "
                f"{len(header)} columns; put one member on each line, and quote cells that hold "
                "the delimiter",
            )
        cell = "".join(row[position : position + 1])  # a short row has none
        yield reader.line_num, _SPREADSHEET_TEXT.sub(r"\1\2", cell)


def _csv_reader(lines: Iterator[str]) -> _csv_module.Reader:
    # The header decides on the delimiter, so it is read before there is a CSV reader.
    start = list(_up_to_text(lines))
    if _DELIMITER_HINT.fullmatch("".join(start[-1:]).strip()):
        # A blank line in place of the hint keeps the line numbers right.
        start = [*start[:-1], "\n", *_up_to_text(lines)]
    delimiter = _delimiter("".join(start[-1:]))
    # `strict`: otherwise a quote that is never closed would swallow the rest of the file.
    return csv.reader(chain(start, lines), strict=True, delimiter=delimiter)


def _check_header(where: str, header: list[str], id_type: str, column: str | None) -> None:
    """Check that a first line names columns.

    Raises:
        SettingError: it holds, or may hold, the ids of members.
    """
    if not all(map(_COLUMN_NAME.search, filter(None, header))):
        raise SettingError(_SETTING, f"{where} must name the columns")
    # A single column may have any name, unless the "name" may be an id of this type.
    is_ambiguous = len(header) == 1 and column is None and id_type in _FREE_TEXT_TYPES
    if is_ambiguous and not _positions(header, (id_type, *_NUMERIC_ID_COLUMNS)):
        raise SettingError(
            _COLUMN,
            f"{where} may be a member or the name of the column; set the column here, or rename "
            "the file to .txt if it has no header",
        )


def _up_to_text(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines up to and including the first one that is not blank."""
    for line in lines:
        yield line
        if line.strip():
            return


def _delimiter(header: str) -> str:
    """Return the most frequent delimiter of a line, outside of quotes; a comma if it has none."""
    outside_quotes = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside_quotes.count)


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
            value = value[names[_position(where, names, id_type, column)]]
        yield number, str(value) if type(value) in {int, str} else ""


def _position(where: str, names: Sequence[str], id_type: str, column: str | None) -> int:
    """Return the position of the column with the ids.

    Raises:
        SettingError: there is no such column, or it is not clear which one it is.
    """
    if column is not None:
        if column in names:
            return names.index(column)
        matches = _positions(names, (column,))
        if len(matches) == 1:
            return matches[0]
        shown = _shown_columns(names, id_type)
        raise SettingError(_COLUMN, f"{where} has no such column; it has {shown}")
    if len(names) == 1:
        return 0
    matches = _positions(names, (id_type, *_ALIASES.get(id_type, ())))
    if len(matches) == 1:
        return matches[0]
    shown = _shown_columns(names, id_type)
    raise SettingError(_COLUMN, f"say which column of {where} holds the ids; it has {shown}")


def _positions(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the positions of columns with some names, ignoring case, blanks and separators."""
    folded = set(map(_folded, wanted))
    return [position for position, name in enumerate(names) if _folded(name) in folded]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _shown_columns(names: Sequence[str], id_type: str) -> str:
    """Return a list of columns for an error.

    If the file lacks a header, the "names" may be ids of members, which an error must not show.
    """
    if id_type in _FREE_TEXT_TYPES:
        return f"{len(names)} columns"
    return ", ".join(repr(name) for name in names[:20] if _COLUMN_NAME.search(name))

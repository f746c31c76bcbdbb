"""Parsing of the ids of a roster, by the rules of the tap.

The tap is installed in another environment, so its code cannot be imported here. A file that the
tap would reject is rejected here, before any shard starts.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import re
import unicodedata
import zlib
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

import fsspec
from fsspec.compression import compr
from fsspec.utils import compressions

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LARGEST_ID = 2**63 - 1
_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_EMAIL = re.compile(rf"""[^\s@,;|"<>{_CONTROLS}]+@[^\s@,;|"<>{_CONTROLS}]+""")
_FREE_TEXT = re.compile(rf"[^;{_CONTROLS}]*(?:;[^;{_CONTROLS}]*)?")
_OTHER = re.compile(rf"""[^,;|"<>{_CONTROLS}]*""")
_PATTERNS = {"email": _EMAIL, "username": _FREE_TEXT, "third_party_id": _FREE_TEXT}
_DELIMITERS = ",;\t|"
_NUMERIC_ID_COLUMNS = ("user_id", "member_id", "id", "CTUserID")
_ALIASES = {"id": _NUMERIC_ID_COLUMNS, "email": ("email_address",)}
"""Columns that are taken for the ids if the user names none, besides the `id_type` itself."""

_FREE_TEXT_TYPES = frozenset({"third_party_id", "username"})
"""Types of ids that cannot be distinguished from names of columns."""

_COLUMN_NAME = re.compile(r"^[^@]*[^\W\d_][^@]*$")
"""A possible name of a column: with a letter and no @. An id as a header would be a lost member."""

_DELIMITER_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
"""A line that tells Excel the delimiter."""

_SPREADSHEET_TEXT = re.compile(r"""\s*(?:'(\+?\d.*)|="(.*)")\s*""")
"""Cells in a form that makes a spreadsheet take them for text: `'0049…` and `="0049…"`."""

_UNSUPPORTED_ENDINGS = frozenset(
    "7z br lz4 rar snappy sz tar tbz2 tgz txz z zst ods xls xlsb xlsm xlsx".split()  # noqa: SIM905 - shorter
)
_ZIP_ENCRYPTED_FLAG = 1
_SFTP_PROTOCOLS = frozenset({"sftp", "ssh"})

PERMANENT = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    BadZipFile,
    EOFError,  # a truncated file
    ImportError,  # a filesystem whose library is not installed
    ValueError,  # not UTF-8, or an unknown filesystem
    csv.Error,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
)
"""Errors that a retry cannot fix. Any other error may come from the network, so it is retried."""


def parse_id(value: Any, id_type: str) -> int | str | None:
    """Return the id of the given type in a value, or None if the tap would reject it."""
    text = _bare(str(value))
    if id_type != "id":
        looks_right = _PATTERNS.get(id_type, _OTHER).fullmatch(text)
        return text if text and looks_right else None
    # `int` is quadratic in the number of digits, so longer texts are not converted.
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST_ID)):
        return None
    return int(text) if 0 < int(text) <= _LARGEST_ID else None


def _bare(text: str) -> str:
    """Return a text without invisible characters, such as byte order marks, at its ends."""
    visible = [position for position, letter in enumerate(text) if not _is_invisible(letter)]
    return text[visible[0] : visible[-1] + 1] if visible else ""


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}


def expected_id(id_type: str) -> str:
    """Return what an id of a type has to be, as words for an error."""
    known = {"id": "a numeric CrowdTwist id", "email": "an e-mail address"}
    return known.get(id_type, f"an id of type {id_type}")


def redact_url(path: str) -> str:
    """Return a path or URL without the parts that may be secret: user, password and query."""
    parts = urlsplit(path)
    if not parts.scheme:
        return path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_filesystem(path: str) -> None:
    """Raise if a URL is on SFTP: fsspec accepts any host key, and only the tap can check it.

    Raises:
        ShardError: the URL, or one that it is chained to, is on SFTP.
    """
    if _SFTP_PROTOCOLS & {link.partition("://")[0] for link in path.split("::")}:
        raise ShardError(
            "`roster` is on SFTP, where the DAG cannot check the host key; put the file on a disk "
            "that all workers share, or into an object store"
        )


def read_files(path: str, id_type: str, column: str | None) -> Iterator[int | str]:
    """Yield the ids of every file that a path, glob or URL names.

    Raises:
        ShardError: there is no such file, or the tap would reject it.
    """
    check_filesystem(path)
    try:
        files = fsspec.open_files(path, "rb")
    except PERMANENT as error:
        raise ShardError(f"`roster`: cannot open {redact_url(path)}: {error}") from None
    if not files:
        raise ShardError(f"`roster`: no file matches {redact_url(path)}")
    for file in files:
        yield from read_file(file, id_type, column)


def read_file(file: Any, id_type: str, column: str | None) -> Iterator[int | str]:
    """Yield the ids of one file.

    Raises:
        ShardError: the tap would reject the file.
    """
    name = redact_url(file.path)
    try:
        yield from _ids(file, id_type, column)
    except ShardError as error:
        raise ShardError(f"`roster`: {name}: {error}") from None
    except FileNotFoundError:
        raise ShardError(f"`roster`: there is no file {name}") from None
    except UnicodeError:
        raise ShardError(f"`roster`: {name} is not UTF-8 text") from None
    except PERMANENT as error:
        # The message of such an error may quote the file, and with it members.
        reason = error.strerror if isinstance(error, OSError) else None
        reason = reason or type(error).__name__
        raise ShardError(f"`roster`: cannot read {name}: {reason}") from None


def _ids(file: Any, id_type: str, column: str | None) -> Iterator[int | str]:
    count = 0
    with file as raw, ExitStack() as inner:
        unpacked_name, content = _open_unpacked(file.path, raw, inner)
        # "-sig": Excel puts a byte order mark first. newline "": line ends are left to csv.
        lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        for number, value in _values(unpacked_name, lines, id_type, column):
            member = parse_id(value, id_type)
            if member is None:
                raise ShardError(
                    f"line {number} is not {expected_id(id_type)}; check `id_type` too"
                )
            yield member
            count += 1
    if not count:
        raise ShardError("the roster is empty")


def _open_unpacked(path: str, raw: BinaryIO, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Return the name of a file without the ending of its compression, and its content.

    Raises:
        ShardError: the file cannot be decompressed here.
    """
    name = path.partition("?")[0].lower() if "://" in path else path.lower()
    stem, _, ending = name.rpartition(".")
    if ending == "zip":
        archive = inner.enter_context(ZipFile(raw))
        # macOS adds a folder of its own metadata to the archives it makes.
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]
        if len(entries) != 1 or entries[0].flag_bits & _ZIP_ENCRYPTED_FLAG:
            raise ShardError("a .zip archive has to contain exactly one file, without a password")
        return entries[0].filename.lower(), inner.enter_context(archive.open(entries[0]))  # type: ignore[return-value]  # IO[bytes]
    compression = compressions.get(ending)
    if ending in _UNSUPPORTED_ENDINGS or (compression and stem.endswith(".tar")):
        raise ShardError(
            f"a .{ending} file cannot be read; convert it to text or CSV, which may be compressed "
            "as .gz"
        )
    if compression is None:
        return name, raw
    return stem, inner.enter_context(compr[compression](raw, mode="rb"))


def format_of(name: str) -> str:
    """Return csv, json or text for a file name in lower case, without an ending of compression."""
    if name.endswith((".csv", ".tsv")):
        return "csv"
    return "json" if name.endswith((".jsonl", ".ndjson", ".json")) else "text"


def _values(
    unpacked_name: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, Any]]:
    """Return the line number and the value of each entry of a file."""
    file_format = format_of(unpacked_name)
    if file_format == "csv":
        return _csv(iter(lines), id_type, column)
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if _bare(line))
    return _json_lines(numbered, id_type, column) if file_format == "json" else numbered


def _csv(lines: Iterator[str], id_type: str, column: str | None) -> Iterator[tuple[int, str]]:
    # The header decides on the delimiter, so it is read before there is a CSV reader.
    start = list(_up_to_text(lines))
    if start and _DELIMITER_HINT.fullmatch(start[-1].strip()):
        # A blank line in place of the hint keeps the line numbers right.
        start = [*start[:-1], "\n", *_up_to_text(lines)]
    outside_quotes = "".join(start[-1].split('"')[::2]) if start else ""
    delimiter = max(_DELIMITERS, key=outside_quotes.count)
    # `strict`: otherwise a quote that is never closed would swallow the rest of the file.
    reader = csv.reader(chain(start, lines), strict=True, delimiter=delimiter)
    rows = (row for row in reader if any(map(_bare, row)))
    header = [_bare(cell) for cell in next(rows, [])]
    if not all(_COLUMN_NAME.search(cell) or not cell for cell in header):
        raise ShardError("line 1 must name the columns")
    # A single column may have any name, unless the "name" may be an id of this type.
    is_ambiguous = len(header) == 1 and column is None and id_type in _FREE_TEXT_TYPES
    if is_ambiguous and not _positions(header, (id_type, *_NUMERIC_ID_COLUMNS)):
        raise ShardError(
            "line 1 may be a member or the name of the column; set the tap's `user_ids_column`"
        )
    if not header:
        return
    position = _position(header, id_type, column)
    for row in rows:
        # Surplus cells may be ids, or a cell before the id holds the delimiter and moves the id to
        # another column. Either would lose members.
        if any(cell.strip() for cell in row[len(header) :]):
            raise ShardError(f"line {reader.line_num} has more cells than line 1 has columns")
        cell = row[position] if position < len(row) else ""
        match = _SPREADSHEET_TEXT.fullmatch(cell)
        yield reader.line_num, match[1] or match[2] if match else cell


def _up_to_text(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines up to and including the first one that is not blank."""
    for line in lines:
        yield line
        if line.strip():
            return


def _json_lines(
    lines: Iterable[tuple[int, str]], id_type: str, column: str | None
) -> Iterator[tuple[int, Any]]:
    for number, line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise ShardError(f"line {number} is not JSON") from None
        if isinstance(value, dict) and value:
            names = tuple(value)
            value = value[names[_position(names, id_type, column)]]
        is_id = isinstance(value, (int, str)) and not isinstance(value, bool)
        yield number, value if is_id else ""


def _position(names: Sequence[str], id_type: str, column: str | None) -> int:
    """Return the position of the column with the ids.

    Raises:
        ShardError: there is no such column, or it is not clear which one it is.
    """
    if column is not None and column in names:
        return names.index(column)
    if column is None and len(names) == 1:
        return 0
    matches = _positions(names, (column,) if column else (id_type, *_ALIASES.get(id_type, ())))
    if len(matches) != 1:
        raise ShardError("set the tap's `user_ids_column` to the column that holds the ids")
    return matches[0]


def _positions(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the positions of columns with some names, ignoring case, blanks and separators."""
    folded = set(map(_folded, wanted))
    return [position for position, name in enumerate(names) if _folded(name) in folded]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()

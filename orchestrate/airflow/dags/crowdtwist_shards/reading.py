"""Reads the ids of a roster by the rules of the tap, which lies in an environment of its own.

A file that the tap would refuse is refused here, before any shard starts.
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
_WORDS = re.compile(rf"[^;{_CONTROLS}]*(?:;[^;{_CONTROLS}]*)?")
_OTHER = re.compile(rf"""[^,;|"<>{_CONTROLS}]*""")
_FORMS = {"email": _EMAIL, "username": _WORDS, "third_party_id": _WORDS}
_DELIMITERS = ",;\t|"
_NUMBERS = ("user_id", "member_id", "id", "CTUserID")
_ALIASES = {"id": _NUMBERS, "email": ("email_address",)}
_WORDY = frozenset({"third_party_id", "username"})
_NAME = re.compile(r"^[^@]*[^\W\d_][^@]*$")
_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
_GUARDED = re.compile(r"""\s*(?:'(\+?\d.*)|="(.*)")\s*""")
_UNREAD = frozenset(
    "7z br lz4 rar snappy sz tar tbz2 tgz txz z zst ods xls xlsb xlsm xlsx".split()  # noqa: SIM905 - shorter
)
_ENCRYPTED = 1
_UNCHECKED = frozenset({"sftp", "ssh"})

PERMANENT = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    BadZipFile,
    EOFError,  # of a file that is cut short
    ImportError,  # of the library of a filesystem
    ValueError,  # not UTF-8, or a filesystem that there is not
    csv.Error,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
)
"""What a retry cannot mend; any other error may be the network's."""


def parse_id(value: Any, id_type: str) -> int | str | None:
    """Read one id of the given type, or None where the tap would refuse it."""
    text = _bare(str(value))
    if id_type != "id":
        looks_right = _FORMS.get(id_type, _OTHER).fullmatch(text)
        return text if text and looks_right else None
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST_ID)):
        return None
    return int(text) if 0 < int(text) <= _LARGEST_ID else None


def _bare(text: str) -> str:
    """Return a text without what nobody sees at its ends."""
    seen = [place for place, letter in enumerate(text) if not _is_unseen(letter)]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def _is_unseen(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cf"}


def wanted(id_type: str) -> str:
    """Name what an id has to be."""
    known = {"id": "a numeric CrowdTwist id", "email": "an e-mail address"}
    return known.get(id_type, f"an id of type {id_type}")


def place(path: str) -> str:
    """Name a path or URL without what may be secret in it: user, password, query."""
    parts = urlsplit(path)
    if not parts.scheme:
        return path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_place(path: str) -> None:
    """Refuse SFTP: fsspec by itself takes any host key, and only the tap has what checks it."""
    if _UNCHECKED & {link.partition("://")[0] for link in path.split("::")}:
        raise ShardError(
            "`roster` is on SFTP, where the DAG cannot check the key of the host; put it on a "
            "disk that all workers share, or into an object store"
        )


def read_files(path: str, id_type: str, column: str | None) -> Iterator[int | str]:
    """Yield the ids of every file that a path, glob or URL names.

    Raises:
        ShardError: there is no such file, or the tap would refuse it.
    """
    check_place(path)
    try:
        files = fsspec.open_files(path, "rb")
    except PERMANENT as error:
        raise ShardError(f"`roster`: cannot open {place(path)}: {error}") from None
    if not files:
        raise ShardError(f"`roster`: no file matches {place(path)}")
    for file in files:
        yield from read_file(file, id_type, column)


def read_file(file: Any, id_type: str, column: str | None) -> Iterator[int | str]:
    """Yield the ids of one file.

    Raises:
        ShardError: the tap would refuse it.
    """
    name = place(file.path)
    try:
        yield from _ids(file, id_type, column)
    except ShardError as error:
        raise ShardError(f"`roster`: {name}: {error}") from None
    except FileNotFoundError:
        raise ShardError(f"`roster`: there is no file {name}") from None
    except UnicodeError:
        raise ShardError(f"`roster`: {name} is not UTF-8 text") from None
    except PERMANENT as error:
        # The text of such an error may hold what the file does.
        reason = error.strerror if isinstance(error, OSError) else None
        reason = reason or type(error).__name__
        raise ShardError(f"`roster`: cannot read {name}: {reason}") from None


def _ids(file: Any, id_type: str, column: str | None) -> Iterator[int | str]:
    count = 0
    with file as raw, ExitStack() as inner:
        inside, content = _unpacked(file.path, raw, inner)
        lines = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        for number, value in _values(inside, lines, id_type, column):
            member = parse_id(value, id_type)
            if member is None:
                raise ShardError(f"line {number} is not {wanted(id_type)}; check `id_type` too")
            yield member
            count += 1
    if not count:
        raise ShardError("the roster is empty: it holds no member")


def _unpacked(path: str, raw: BinaryIO, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Return the name of a file without its packing, and what is inside."""
    name = path.partition("?")[0].lower() if "://" in path else path.lower()
    stem, _, ending = name.rpartition(".")
    if ending == "zip":
        archive = inner.enter_context(ZipFile(raw))
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]
        if len(entries) != 1 or entries[0].flag_bits & _ENCRYPTED:
            raise ShardError("an archive has to hold one file, without a password")
        return entries[0].filename.lower(), inner.enter_context(archive.open(entries[0]))  # type: ignore[return-value]  # IO[bytes]
    packing = compressions.get(ending)
    if ending in _UNREAD or (packing and stem.endswith(".tar")):
        raise ShardError(f"a .{ending} file cannot be read; make it text or CSV, or pack it as .gz")
    if packing is None:
        return name, raw
    return stem, inner.enter_context(compr[packing](raw, mode="rb"))


def form_of(name: str) -> str:
    """Tell what a file holds by its name, in lower case and without its packing."""
    if name.endswith((".csv", ".tsv")):
        return "csv"
    return "json" if name.endswith((".jsonl", ".ndjson", ".json")) else "text"


def _values(
    inside: str, lines: Iterable[str], id_type: str, column: str | None
) -> Iterator[tuple[int, Any]]:
    form = form_of(inside)
    if form == "csv":
        return _csv(iter(lines), id_type, column)
    filled = ((number, line) for number, line in enumerate(lines, start=1) if _bare(line))
    return _json_lines(filled, id_type, column) if form == "json" else filled


def _csv(lines: Iterator[str], id_type: str, column: str | None) -> Iterator[tuple[int, str]]:
    start = list(_up_to_text(lines))
    if start and _HINT.fullmatch(start[-1].strip()):
        start = [*start[:-1], "\n", *_up_to_text(lines)]
    bare = "".join(start[-1].split('"')[::2]) if start else ""
    reader = csv.reader(
        chain(start, lines), strict=True, delimiter=max(_DELIMITERS, key=bare.count)
    )
    rows = (row for row in reader if any(map(_bare, row)))
    header = [_bare(cell) for cell in next(rows, [])]
    if not all(_NAME.search(cell) or not cell for cell in header):
        raise ShardError("line 1 must name the columns")
    lone = len(header) == 1 and column is None and id_type in _WORDY
    if lone and not _places(header, (id_type, *_NUMBERS)):
        raise ShardError("line 1 may be a member: `user_ids_column` has to name the column")
    if header:
        chosen = _place_of(header, id_type, column)
        for row in rows:
            if any(cell.strip() for cell in row[len(header) :]):
                raise ShardError(f"line {reader.line_num} has more cells than line 1 names columns")
            cell = row[chosen] if chosen < len(row) else ""
            guarded = _GUARDED.fullmatch(cell)
            yield reader.line_num, guarded[1] or guarded[2] if guarded else cell


def _up_to_text(lines: Iterator[str]) -> Iterator[str]:
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
            value = value[names[_place_of(names, id_type, column)]]
        fits = isinstance(value, (int, str)) and not isinstance(value, bool)
        yield number, value if fits else ""


def _place_of(names: Sequence[str], id_type: str, column: str | None) -> int:
    """Choose the column with the ids."""
    if column is not None and column in names:
        return names.index(column)
    if column is None and len(names) == 1:
        return 0
    found = _places(names, (column,) if column else (id_type, *_ALIASES.get(id_type, ())))
    if len(found) != 1:
        raise ShardError("`user_ids_column` has to say which column holds the ids")
    return found[0]


def _places(names: Sequence[str], wanted_names: Iterable[str]) -> list[int]:
    folded = set(map(_folded, wanted_names))
    return [place for place, name in enumerate(names) if _folded(name) in folded]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()

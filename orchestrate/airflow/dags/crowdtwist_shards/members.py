"""The roster: the list of the members to read."""

from __future__ import annotations

import csv
import io
import json
from array import array
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.core import OpenFile
from fsspec.utils import compressions

from crowdtwist_shards.errors import ShardError
from crowdtwist_shards.reading import (
    PERMANENT,
    check_filesystem,
    expected_id,
    format_of,
    parse_id,
    read_file,
    read_files,
    redact_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def count_members(path: str, id_type: str = "id", column: str | None = None) -> int:
    """Return the number of distinct members in a roster, in any of the formats that the tap reads.

    Args:
        path: a path, glob or fsspec URL of text, CSV or JSON lines; its ending tells the
            format and the compression.
        id_type: the type of the ids, as in the tap's setting.
        column: the CSV column or JSON property with the ids, where that is not obvious.

    Raises:
        ShardError: there is no such file, the tap would reject it, or the path is on SFTP.
    """
    # As Python objects, millions of ids would take a gigabyte; 64-bit hashes take 8 bytes each.
    # The count is for the log and the final check, so a rare collision does no harm.
    hashes = array("q", map(hash, read_files(path, id_type, column)))
    last, members = None, 0
    for value in sorted(hashes):
        members += value != last
        last = value
    return members


def write_roster(
    path: str, ids: Iterable[Any], id_type: str = "id", column: str | None = None
) -> None:
    """Write a roster in the format of its name. The old file stays until the new one is complete.

    Args:
        path: a path or fsspec URL of one file.
        ids: the values that `roster_sql` returned.
        id_type: the type of the ids, as in the tap's setting.
        column: the name of the column in a CSV file; `id_type` if None.

    Raises:
        ShardError: there are no ids, a value is not an id, or the path is not one file that can
            be written.
    """
    check_filesystem(path)
    try:
        system, target = fsspec.core.url_to_fs(path)
        if "*" in target or system.isdir(target):
            raise ShardError("`roster` has to be one file, since `roster_sql` writes it")
        # A prefix keeps the ending, which tells the format and the compression.
        folder, slash, name = target.rpartition("/")
        draft = f"{folder}{slash}.part-{name}"
        stem, _, ending = name.lower().rpartition(".")
        compression = compressions.get(ending)
        file = system.open(draft, "wb", compression=compression)
    except PERMANENT as error:
        raise ShardError(f"`roster`: cannot write {redact_url(path)}: {_reason(error)}") from None
    try:
        with file:
            file_format = format_of(stem if compression else name.lower())
            for line in _lines(file_format, ids, id_type, column):
                file.write(line.encode())
        # The tap would reject a file that cannot be read back here.
        for _ in read_file(OpenFile(system, draft), id_type, column):
            pass
        system.mv(draft, target)
    finally:
        if system.exists(draft):
            system.rm(draft)


def _lines(file_format: str, ids: Iterable[Any], id_type: str, column: str | None) -> Iterator[str]:
    """Yield the lines of a roster.

    Raises:
        ShardError: there are no ids, or a value is not an id.
    """
    if file_format == "csv":
        yield _csv_line(column or id_type)
    number = 0
    for number, value in enumerate(ids, start=1):
        member = None if value is None else parse_id(value, id_type)
        # An id with a line break would become two members in a text file.
        if member is None or len(str(member).splitlines()) > 1:
            raise ShardError(
                f"`roster_sql`: row {number} is not {expected_id(id_type)}"
                f"{', but NULL' if value is None else ''}; the old file is kept"
            )
        if file_format == "csv":
            yield _csv_line(str(member))
        else:
            yield f"{json.dumps(member) if file_format == 'json' else member}\n"
    if not number:
        raise ShardError("`roster_sql` returned no rows; the old file is kept")


def _csv_line(cell: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([cell])
    return line.getvalue()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

"""The roster: who is to be asked about."""

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
    check_place,
    form_of,
    parse_id,
    place,
    read_file,
    read_files,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def count_members(path: str, id_type: str = "id", column: str | None = None) -> int:
    """Count the different members in a roster, in any of the forms that the tap reads.

    Args:
        path: a path, glob or fsspec URL of text, CSV or JSON lines; packed if it ends so.
        id_type: what the ids are, as in the tap's setting.
        column: the CSV column or JSON property with the ids, where that is not obvious.

    Raises:
        ShardError: there is no such file, or the tap would refuse it; or the path is on SFTP.
    """
    # As Python objects, millions of ids would take a gigabyte.
    hashes = array("q", map(hash, read_files(path, id_type, column)))
    last, members = None, 0
    for value in sorted(hashes):
        members += value != last
        last = value
    return members


def write_roster(
    path: str, ids: Iterable[Any], id_type: str = "id", column: str | None = None
) -> None:
    """Write a roster in the form that its name tells. The old one stays until the new one is good.

    Args:
        path: a path or fsspec URL of one file.
        ids: what `roster_sql` gave.
        id_type: what the ids are, as in the tap's setting.
        column: what the column of a CSV file has to be called, if not like `id_type`.

    Raises:
        ShardError: there are no ids, or something is not one; or the path is not one file that
            can be written.
    """
    check_place(path)
    try:
        system, target = fsspec.core.url_to_fs(path)
        if "*" in target or system.isdir(target):
            raise ShardError("`roster` has to be one file, since `roster_sql` is to write it")
        # A prefix, since the ending says in which form the file is written and read.
        folder, slash, name = target.rpartition("/")
        draft = f"{folder}{slash}.part-{name}"
        stem, _, ending = name.lower().rpartition(".")
        packing = compressions.get(ending)
        file = system.open(draft, "wb", compression=packing)
    except PERMANENT as error:
        raise ShardError(f"`roster`: cannot write {place(path)}: {_reason(error)}") from None
    try:
        with file:
            for line in _lines(form_of(stem if packing else name.lower()), ids, id_type, column):
                file.write(line.encode())
        # The tap would refuse what cannot be read here.
        for _ in read_file(OpenFile(system, draft), id_type, column):
            pass
        system.mv(draft, target)
    finally:
        if system.exists(draft):
            system.rm(draft)


def _lines(form: str, ids: Iterable[Any], id_type: str, column: str | None) -> Iterator[str]:
    """Yield the lines of a roster.

    Raises:
        ShardError: there are no ids, or something is not one.
    """
    if form == "csv":
        yield _csv_line(column or id_type)
    number = 0
    for number, value in enumerate(ids, start=1):
        member = None if value is None else parse_id(value, id_type)
        if member is None or len(str(member).splitlines()) > 1:
            raise ShardError(
                f"`roster_sql`: row {number} is not {wanted(id_type)}"
                f"{', but NULL' if value is None else ''}; the old file is kept"
            )
        if form == "csv":
            yield _csv_line(str(member))
        else:
            yield f"{json.dumps(member) if form == 'json' else member}\n"
    if not number:
        raise ShardError("`roster_sql` gave no row: the roster is empty; the old file is kept")


def _csv_line(cell: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([cell])
    return line.getvalue()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

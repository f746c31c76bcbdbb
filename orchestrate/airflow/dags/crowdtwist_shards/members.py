"""The roster: who is to be asked about."""

from __future__ import annotations

import csv
import json
from array import array
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import fsspec

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_UNCHECKED = frozenset({"sftp", "ssh"})
_ID_COLUMNS = ("id", "user_id", "member_id")


def count_members(path: str, id_type: str = "id", column: str | None = None) -> int:
    """Count the different members in a roster, in any of the forms that the tap reads.

    Args:
        path: a path, glob or fsspec URL of text, CSV or JSON lines; compressed if it ends so.
        id_type: what the ids are, as in the tap's setting.
        column: the CSV column or JSON property with the ids, where that is not obvious.

    Raises:
        ShardError: there is no member, or something that is not one; or the path is on SFTP.
    """
    _check(path)
    hashes = array("q")  # as Python objects, millions of ids would take a gigabyte
    columns = (column,) if column else _columns(id_type)
    for file in fsspec.open_files(
        path, "rt", encoding="utf-8-sig", newline="", compression="infer"
    ):
        with file as lines:
            for number, text in _ids(file.path, lines, columns):
                if id_type == "id" and not text.strip().isdecimal():
                    raise ShardError(f"{place(path)}: id {number} is not a numeric CrowdTwist id")
                hashes.append(hash(int(text) if id_type == "id" else text.strip()))
    last, members = None, 0
    for value in sorted(hashes):
        members += value != last
        last = value
    if not members:
        raise ShardError(f"The roster is empty: {place(path)} holds no member")
    return members


def _columns(id_type: str) -> tuple[str, ...]:
    return _ID_COLUMNS if id_type == "id" else (id_type,)


def _ids(path: str, lines: Iterable[str], columns: Sequence[str]) -> Iterator[tuple[int, str]]:
    stem = path.partition("?")[0].lower().removesuffix(".gz")
    if stem.endswith(".csv"):
        rows: Iterable[Any] = csv.DictReader(lines)
    elif stem.endswith((".jsonl", ".ndjson")):
        rows = (json.loads(line) for line in lines if line.strip())
    else:
        rows = (line for line in lines if line.strip())
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            names = [*row] if len(row) == 1 else [name for name in row if name in columns]
            if len(names) != 1:
                raise ShardError(
                    f"{place(path)}: user_ids_column has to say which column holds the ids"
                )
            yield number, str(row[names[0]] or "")
        else:
            yield number, str(row)


def write_roster(path: str, ids: Iterable[Any]) -> None:
    """Write a roster, one id a line. The old one stays until the new one is whole.

    Raises:
        ShardError: there are no ids, or the path is on SFTP.
    """
    _check(path)
    system, target = fsspec.core.url_to_fs(path)
    draft = f"{target}.part"
    written = 0
    with system.open(draft, "wb") as file:
        for value in ids:
            file.write(f"{value}\n".encode())
            written += 1
    if not written:
        system.rm(draft)
        raise ShardError("The roster is empty: roster_sql gave no row; the old file is kept")
    system.mv(draft, target)


def _check(path: str) -> None:
    """Refuse SFTP: fsspec by itself takes any host key, and only the tap has what checks it."""
    if _UNCHECKED & {link.partition("://")[0] for link in path.split("::")}:
        raise ShardError(
            "The roster is on SFTP, where the DAG cannot check the key of the host; put it on a "
            "disk that all workers share, or into an object store"
        )


def place(path: str) -> str:
    """Name a path or URL without what may be secret in it: user, password, query."""
    parts = urlsplit(path)
    if not parts.scheme:
        return path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

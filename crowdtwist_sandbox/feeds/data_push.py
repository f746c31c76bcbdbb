"""Data Push files of a day: a zip with one CSV for each of four feeds.

Names and columns follow the pages "Data Push Overview", "Batch Push User Profile", "… User
Activity", "… User Redemption" and "… Points Expiration". A file is named after the day that follows
the one it covers. Rows are in order of time; equal options give equal bytes.
"""

from __future__ import annotations

import csv
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from crowdtwist_sandbox.feeds import push_rows
from crowdtwist_sandbox.feeds.days import checked_client, today_of
from crowdtwist_sandbox.feeds.files import atomic_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.feeds.days import Today
    from crowdtwist_sandbox.world.program import Row

CLIENT = "512"
_PREFIX = "2"
_UNIX = 3  # "created on", which ZipInfo sets to the current system otherwise
_MODE = 0o100644 << 16


class _Feed(NamedTuple):
    """A feed: the names of its zip and its CSV, and the columns and rows of a day."""

    archive: str
    table: str
    columns: Callable[[Today], Sequence[str]]
    rows: Callable[[Today], Iterator[Row]]


_FEEDS = (
    _Feed("PROFILE", "USER_PROFILE", lambda _: push_rows.PROFILE, push_rows.profiles),
    _Feed("USER_ACTIVITY", "USER_ACTIVITY", lambda _: push_rows.ACTIVITY, push_rows.activities),
    _Feed(
        "USER_REDEMPTION", "USER_REDEMPTION", lambda _: push_rows.REDEMPTION, push_rows.redemptions
    ),
    _Feed(
        "POINTS_EXPIRATION",
        "POINTS_EXPIRATION",
        push_rows.expiration_columns,
        push_rows.expirations,
    ),
)


def write_data_push(
    engine: Engine,
    directory: str | os.PathLike[str],
    day: int,
    client: str = CLIENT,
    *,
    bare: bool = False,
) -> list[Path]:
    """Write the files that cover a day: zips, or the bare CSVs.

    Returns:
        Their paths: profiles, activities, redemptions, points expiration.

    Raises:
        ValueError: there is no such day, or the client is not made of letters and digits.
        OSError: a file cannot be written.
    """
    checked_client(client)
    today = today_of(engine, day)
    paths = []
    for feed in _FEEDS:
        archive, table = (
            f"{_PREFIX}_{client}_{name}_{today.delivered}" for name in (feed.archive, feed.table)
        )
        path = Path(directory) / (f"{table}.csv" if bare else f"{archive}.zip")
        with atomic_file(path) as file:
            if bare:
                _write_table(file, feed.columns(today), feed.rows(today))
            else:
                _write_archive(file, f"{table}.csv", feed, today)
        paths.append(path)
    return paths


def _write_archive(file: IO[bytes], name: str, feed: _Feed, today: Today) -> None:
    """Write a zip whose bytes depend on neither clock nor machine."""
    info = ZipInfo(name)  # its date is 1980-01-01, where ZipFile.write() takes that of the file
    info.compress_type = ZIP_DEFLATED
    info.create_system = _UNIX
    info.external_attr = _MODE
    with ZipFile(file, "w") as archive, archive.open(info, "w") as member:
        _write_table(member, feed.columns(today), feed.rows(today))


def _write_table(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    with TextIOWrapper(file, "utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[name] for name in columns] for row in rows)

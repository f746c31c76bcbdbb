"""The demo's DuckDB file: counts, the comparison with the expected keys, and one query."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Row = Mapping[str, Any]
    Key = tuple[str, ...]

QUERY = """\
WITH spending AS (
  SELECT user_id, count(*) AS purchases, sum(purchase_total) AS spent
  FROM crowdtwist.purchases GROUP BY user_id
)
SELECT
  coalesce(fan_level, 'none') AS tier,
  count(*) AS members,
  sum(redeemable_points) AS points_to_spend,
  coalesce(sum(purchases), 0) AS purchases,
  round(coalesce(sum(spent), 0) / count(*), 2) AS spent_per_member
FROM crowdtwist.users LEFT JOIN spending ON spending.user_id = users.id
WHERE users._sdc_deleted_at IS NULL
GROUP BY tier
ORDER BY spent_per_member DESC"""
"""An analyst's first question: are members of a higher tier worth more?"""


CURRENT = """\
SELECT found.*
FROM coupons AS found
LEFT JOIN users ON users.id = found.user_id
WHERE users._sdc_deleted_at IS NULL
  AND found._sdc_extracted_at = (
    SELECT max(newest._sdc_extracted_at) FROM coupons AS newest
    WHERE newest.user_id = found.user_id)
  AND (found._sdc_extracted_at >= CAST('2026-03-11T02:00:00Z' AS TIMESTAMP)
    OR users._sdc_extracted_at IS NULL
    OR users._sdc_extracted_at < CAST('2026-03-11T02:00:00Z' AS TIMESTAMP))
"""
"""The recipe's query for the current rows of a stream, given the start of the last full sweep."""


class ExpectedKeys:
    """The keys that a stream's table must have: of one day, or the union of several days.

    A row that the API sends without an id gets a key that only the tap can compute, so such rows
    are only counted.
    """

    def __init__(self, key: Sequence[str]) -> None:
        self.key = key
        self.known: set[Key] = set()
        self._unknown: Counter[str] = Counter()

    def add(self, rows: Iterable[Row]) -> None:
        """Add the rows of a day."""
        unknown: Counter[str] = Counter()
        for row in rows:
            if any(row[name] is None for name in self.key):
                unknown[json.dumps(row, sort_keys=True)] += 1
            else:
                self.known.add(_key(row[name] for name in self.key))
        self._unknown |= unknown  # the larger count of each, since days repeat most rows

    def __len__(self) -> int:
        return len(self.known) + self._unknown.total()

    def differences(self, table: Iterable[Key]) -> list[str]:
        """Return a sentence each for missing and for unexpected keys of a table."""
        keys = set(table)
        missing, other = self.known - keys, len(keys - self.known)
        unknown = self._unknown.total()
        sentences = []
        if missing:
            sentences.append(f"{len(missing)} rows are missing, such as {min(missing)}")
        # Rows whose key only the tap can compute cannot be compared, but their number can.
        if other != unknown:
            sentences.append(f"{other} rows, not {unknown}, are in the table alone")
        return sentences


def _key(values: Iterable[Any]) -> Key:
    return tuple(
        value.isoformat() + "Z" if isinstance(value, datetime) else str(value) for value in values
    )


class Warehouse:
    """The tables of a DuckDB file, opened for each query only: DuckDB locks an open file."""

    def __init__(self, path: Path, schema: str = "crowdtwist") -> None:
        self.path = path
        self._schema = schema

    def count(self, stream: str, since: datetime | None = None) -> int:
        """Count the rows of a stream, optionally only those extracted since a time in UTC."""
        sql = f"SELECT count(*) FROM {self._table(stream)}"  # noqa: S608 - the names are the tap's
        rows = (
            self.query(sql)[1]
            if since is None
            else self.query(f"{sql} WHERE _sdc_extracted_at >= ?", [since.replace(tzinfo=None)])[1]
        )
        count: int = rows[0][0]
        return count

    def keys(self, stream: str, key: Sequence[str]) -> list[Key]:
        """Read the key of each row of a stream."""
        columns = ", ".join(f'"{name}"' for name in key)
        rows = self.query(f"SELECT {columns} FROM {self._table(stream)}")[1]  # noqa: S608 - likewise
        return [_key(row) for row in rows]

    def current(self, stream: str, key: Sequence[str], swept: datetime) -> list[Key]:
        """Read the keys of the current rows, given the start of the last full sweep."""
        columns = ", ".join(f'found."{name}"' for name in key)
        sql = CURRENT.replace("found.*", columns).replace("coupons", stream)
        began = swept.replace(tzinfo=None, microsecond=0).isoformat()
        rows = self.query(sql.replace("2026-03-11T02:00:00Z", f"{began}Z"))[1]
        return [_key(row) for row in rows]

    def deleted(self) -> set[Key]:
        """Read the keys of the rows of `users` that are marked as deleted."""
        sql = f"SELECT id FROM {self._table('users')} WHERE _sdc_deleted_at IS NOT NULL"  # noqa: S608 - likewise
        return {_key(row) for row in self.query(sql)[1]}

    def query(
        self, sql: str, values: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a query; return the names of its columns, and its rows."""
        with closing(duckdb.connect(str(self.path), read_only=True)) as connection:
            connection.execute(f"SET schema = '{self._schema}'")
            result = connection.execute(sql, values)
            return [column[0] for column in result.description or ()], result.fetchall()

    def _table(self, stream: str) -> str:
        return f'"{self._schema}"."{stream}"'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Format rows as a text table: the first column left-aligned, the others right-aligned."""
    cells = [[_cell(value) for value in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(f"  {line}" for line in lines)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,}"

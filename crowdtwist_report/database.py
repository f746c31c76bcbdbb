"""Connections to the warehouse, read-only."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import psycopg

from crowdtwist_report.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONNECT_SECONDS = 10
_POSTGRES = ("postgresql://", "postgres://")
_NO_URL = (
    "--database: is not a PostgreSQL URL. Write postgresql://user:password@host:5432/name, with"
    " special characters percent-encoded."
)


class Cursor(Protocol):
    """Result of a query."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""


class Connection(Protocol):
    """The methods that connections of DuckDB and of psycopg share."""

    def execute(self, query: Any) -> Cursor:
        """Run a query."""

    def close(self) -> None:
        """Close the connection."""


def is_postgres(address: str) -> bool:
    """Return whether an address is the URL of a PostgreSQL database."""
    return address.startswith(_POSTGRES)


@contextmanager
def open_database(address: str) -> Iterator[Connection]:
    """Open a DuckDB file or a PostgreSQL database, to read only.

    Raises:
        ReportError: it cannot be opened or read. The message never holds a part of a URL.
    """
    with closing(_connect(address)) as connection:
        try:
            yield connection
        except (duckdb.Error, psycopg.Error) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ReportError(
                f"The marts cannot be read ({reason}). Build them again, or grant the user SELECT."
            ) from None


def _connect(address: str) -> Connection:
    if is_postgres(address):
        return _connect_postgres(address)
    # No name of a file, so it is not shown: it can hold a password.
    if "://" in address or "password=" in address:
        raise ReportError(_NO_URL)
    return _connect_duckdb(Path(address))


def _connect_duckdb(path: Path) -> Connection:
    if not path.is_file():
        raise ReportError(
            f"{path}: no such file. Run `meltano run tap-crowdtwist target-duckdb"
            " dbt-duckdb:build`, or name the DuckDB file with --database."
        )
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise ReportError(f"{path}: {_explain_duckdb(str(error))}") from None


def _explain_duckdb(message: str) -> str:
    if "Could not set lock" in message:
        return "another process is using it. Wait until that run has ended, then run this again."
    # DuckDB 2 takes a text file for a table, which it would read into a database in memory.
    if "not a valid DuckDB database" in message or "in-memory" in message:
        return "is not a DuckDB file. Name the one that target-duckdb loads with --database."
    first_line = message.partition("\n")[0]
    return f"DuckDB cannot open it ({first_line}). Use the version of DuckDB that wrote the file."


def _connect_postgres(url: str) -> Connection:
    try:
        connection = psycopg.connect(url, connect_timeout=_CONNECT_SECONDS, autocommit=True)
    except psycopg.ProgrammingError:
        raise ReportError(_NO_URL) from None
    except psycopg.Error:
        # Its message can quote any part of the URL, the password included.
        raise ReportError(
            "--database: no connection to the database. Check host, port, user, password and name"
            " of the database, and write special characters percent-encoded."
        ) from None
    connection.read_only = True
    return connection

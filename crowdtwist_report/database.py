"""Connections to the warehouse, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import duckdb
import psycopg

from crowdtwist_report.errors import ReportError

_CONNECT_SECONDS = 10
_POSTGRES = ("postgresql://", "postgres://")


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


def display_name(address: str) -> str:
    """Return an address without user, password and options."""
    if not is_postgres(address):
        return address
    parts = urlsplit(address)
    return f"{parts.hostname or 'localhost'}{parts.path}"


def connect(address: str) -> Connection:
    """Open a DuckDB file or a PostgreSQL database, to read only.

    Raises:
        ReportError: it cannot be opened. The message never holds a password.
    """
    return _connect_postgres(address) if is_postgres(address) else _connect_duckdb(Path(address))


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
    if "lock" in message:
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
        # The message of a malformed URL can quote any part of it, the password included.
        raise ReportError(
            "--database: is not a PostgreSQL URL. Write postgresql://user:password@host:5432/name,"
            " with special characters percent-encoded."
        ) from None
    except psycopg.OperationalError:
        raise ReportError(
            f"--database: no connection to {display_name(url)}. Check host, port, user, password"
            " and name of the database."
        ) from None
    connection.read_only = True
    return connection

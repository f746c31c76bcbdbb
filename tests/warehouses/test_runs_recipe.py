"""The recipe's queries tell what is complete since when, and whether the tables hold it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from support.harness import DAY, DEFAULT_STREAMS, KEYS, PRESENT, Result, run_tap, sandbox
from support.pages import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.postgres_server import PostgresServer

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

Query = list[tuple[str, ...]]
FRESHNESS, COMPARISON = blocks("Whether everything is there", "sql")
COLUMNS = {
    "run_id": "text",
    "shard": "text",
    "stream": "text",
    "begun_at": "timestamp",
    "ended_at": "timestamp",
    "sweep_started_at": "timestamp",
    "records": "bigint",
    "is_complete": "boolean",
    "incomplete_reason": "text",
}


@pytest.fixture(params=["postgresql", "duckdb"])
def query(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Query]]:
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield lambda sql: [
                tuple("" if value is None else str(value) for value in row)
                for row in connection.execute(sql).fetchall()
            ]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    server.create_database("runs")
    yield lambda sql: [tuple(line.split("|")) for line in server.query(sql, "runs")]


def create(query: Callable[[str], Query]) -> None:
    for stream in DEFAULT_STREAMS:
        keys = ", ".join(f"{name} text" for name in KEYS[stream])
        primary = ", ".join(KEYS[stream])
        query(
            f"CREATE TABLE {stream} ({keys}, _sdc_extracted_at timestamp, PRIMARY KEY ({primary}))"
        )
    query(f"CREATE TABLE sync_runs ({', '.join(f'{n} {kind}' for n, kind in COLUMNS.items())})")


def load(query: Callable[[str], Query], result: Result) -> None:
    """Load a run as a target does that keeps the last row of a key."""
    rows: dict[str, dict[tuple[Any, ...], str]] = {}
    for message in result.messages:
        if message["type"] == "RECORD":
            stream, record = message["stream"], message["record"]
            names = KEYS.get(stream) or tuple(COLUMNS)
            key = tuple(record[name] for name in names)
            when = () if stream == "sync_runs" else (message["time_extracted"],)
            values = ", ".join(spelled(value) for value in (*key, *when))
            rows.setdefault(stream, {})[key] = f"({values})"
    for stream, found in rows.items():
        conflict = ""
        if stream in KEYS:
            conflict = (
                f" ON CONFLICT ({', '.join(KEYS[stream])}) DO UPDATE SET "
                "_sdc_extracted_at = EXCLUDED._sdc_extracted_at"
            )
        query(f"INSERT INTO {stream} VALUES {', '.join(found.values())}{conflict}")  # noqa: S608 - our own names


def spelled(value: Any) -> str:
    if value is None:
        return "NULL"
    return json.dumps(value) if isinstance(value, bool) else f"'{value}'"


def test_freshness_completeness_and_what_the_tables_lack(query: Callable[[str], Query]) -> None:
    create(query)
    streams = (*DEFAULT_STREAMS, "sync_runs")
    with sandbox(members=30) as running:
        first = run_tap(running, *streams)
        load(query, first)
        assert [row[0] for row in query(FRESHNESS)] == sorted(DEFAULT_STREAMS)
        assert incomplete(query) == []
        assert query(COMPARISON) == []

        query("DELETE FROM purchases WHERE purchase_id = (SELECT min(purchase_id) FROM purchases)")
        assert [row[0] for row in query(COMPARISON)] == ["purchases"]

        running.advance()
        running.set_faults("access_denied@40")
        failed = run_tap(running, *streams, state=first.state, present=PRESENT + DAY, code=1)
        running.set_faults()
        load(query, failed)
        assert query(COMPARISON) == []
        ((_, began, _, _, reason, last),) = incomplete(query)
        assert (reason, began[:10], last[:10]) == ("members failed", "2026-03-12", "2026-03-11")

        later = PRESENT + 2 * DAY
        for number in (1, 2):
            load(query, run_tap(running, *streams, shard=f"{number}/3", present=later))
            assert len(incomplete(query)) == len(DEFAULT_STREAMS)
        load(query, run_tap(running, *streams, shard="3/3", present=later))
        assert incomplete(query) == []
        assert query(COMPARISON) == []


def incomplete(query: Callable[[str], Query]) -> Query:
    """The rows of the first query about streams that are not complete."""
    return [row for row in query(FRESHNESS) if row[3].lower() not in {"t", "true"}]

"""The recipe's query tells the current rows of each full-table stream, whatever went before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from support.harness import (
    DAY,
    KEYS,
    PRESENT,
    Result,
    config_of,
    key_of,
    run_process,
    run_tap,
    sandbox,
    select,
)
from support.pages import block, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.postgres_server import PostgresServer

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

TABLES = (
    "user_activities",
    "user_rewards",
    "points_expiration",
    "receipts",
    "coupons",
    "user_badges",
    "points_awaiting_fulfillment",
)
Key = tuple[str, ...]


class Warehouse:
    """A program that is swept, and a database that its messages are loaded into by key.

    Attributes:
        held: what the program held of each stream and member when it was last read.
    """

    def __init__(self, folder: Path, running: Sandbox, query: Callable[[str], list[Key]]) -> None:
        self.running, self.query = running, query
        self.held: dict[tuple[str, str], set[Key]] = {}
        self._folder = folder
        self._state: dict[str, Any] = {}
        for stream in ("users", *TABLES):
            columns = ", ".join(f"{name} text" for name in KEYS[stream])
            query(
                f"CREATE TABLE {stream} ({columns}, _sdc_extracted_at timestamp, "
                f"_sdc_deleted_at text, PRIMARY KEY ({', '.join(KEYS[stream])}))"
            )

    def sweep(self, day: int, members: str = "all", *, without: int = 0, faults: str = "") -> None:
        """Sweep, without the first members of the roster, and note what the program holds."""
        self.running.write_data_push(self._folder, day)
        self.running.reset()
        self.running.set_faults(faults)
        ids = self.running.roster()[without:]
        result = run_tap(
            self.running,
            "users",
            *TABLES,
            state=self._state,
            present=PRESENT + day * DAY,
            code=int(bool(faults)),
            user_ids=ids,
            sweep_members=members,
            deleted_members="tombstone",
            max_missing_ratio=1,
            data_push_path=str(self._folder),
        )
        paths = [r["path"].split("/") for r in self.running.requests() if r["status"] == 403]
        # A resource stands behind its member, but for the fulfillment of the POS host.
        failed = {
            (path[-1], path[-3]) if path[-2] == "users" else tuple(path[-2:]) for path in paths
        }
        self.running.set_faults()
        assert bool(failed) == bool(faults)
        self._state = result.state
        self._load(result)
        asked = {str(row["id"]) for row in result.records["users"]}
        self._note(asked if members == "changed" else set(ids), failed)

    def _load(self, result: Result) -> None:
        rows: dict[str, dict[Key, str]] = {}
        for message in result.messages:
            if message["type"] == "RECORD":
                stream, record = message["stream"], message["record"]
                key = key_text(stream, record)
                values = [*key, message["time_extracted"], record.get("_sdc_deleted_at")]
                spelled = ["NULL" if value is None else f"'{value}'" for value in values]
                rows.setdefault(stream, {})[key] = f"({', '.join(spelled)})"
        for stream, found in rows.items():
            self.query(
                f"INSERT INTO {stream} VALUES {', '.join(found.values())} "  # noqa: S608 - our own names
                f"ON CONFLICT ({', '.join(KEYS[stream])}) DO UPDATE SET "
                "_sdc_extracted_at = EXCLUDED._sdc_extracted_at, "
                "_sdc_deleted_at = EXCLUDED._sdc_deleted_at"
            )

    def _note(self, asked: set[str], failed: set[tuple[str, ...]]) -> None:
        living = {str(row["id"]) for row in self.running.expected_rows("users")}
        for stream in TABLES:
            now: dict[str, set[Key]] = {}
            for row in self.running.expected_rows(stream):
                now.setdefault(str(row["user_id"]), set()).add(key_text(stream, row))
            for member in asked:
                if member not in living:
                    self.held[stream, member] = set()
                elif (member, PATHS.get(stream, stream)) not in failed:
                    self.held[stream, member] = now.get(member, set())

    def current(self, stream: str) -> set[Key]:
        """The keys of the rows that the page's query gives."""
        sql = block("What is current", "sql").replace("coupons", stream)
        since = self._state["bookmarks"][stream]["whole_since"]
        keys = ", ".join(f"found.{name}" for name in KEYS[stream])
        return set(self.query(sql.replace("2026-03-11T02:00:00Z", since).replace("found.*", keys)))

    def expected(self, stream: str) -> set[Key]:
        """The keys of the rows that the program held when their members were last read."""
        return {key for (of, _), keys in self.held.items() if of == stream for key in keys}


def key_text(stream: str, row: dict[str, Any]) -> Key:
    return tuple(str(value) for value in key_of(stream, row))


PATHS = {
    "user_activities": "activities",
    "user_rewards": "rewards",
    "coupons": "usable_coupons",
    "user_badges": "badges",
    "points_awaiting_fulfillment": "fulfillment",
}


@pytest.fixture(params=["postgresql", "duckdb"])
def query(request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[Key]]]:
    in_postgresql, in_duckdb = blocks("Queries", "sql")
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            connection.execute(f"CREATE SCHEMA crowdtwist; {in_duckdb}")
            yield lambda sql: [tuple(row) for row in connection.execute(sql).fetchall()]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    server.create_database("current_rows")
    server.query("CREATE SCHEMA crowdtwist", "current_rows")
    yield lambda sql: [
        tuple(line.split("|")) for line in server.query(in_postgresql + sql, "current_rows")
    ]


def test_the_current_rows_are_what_the_program_held_when_members_were_last_read(
    tmp_path: Path, query: Callable[[str], list[Key]]
) -> None:
    """Members fail, leave the roster, are deleted, or are swept by `changed` in between."""
    forgotten = 0
    with sandbox(members=60, drift=False) as running:
        warehouse = Warehouse(tmp_path, running, query)
        warehouse.sweep(0)
        left = set(running.roster()[:3])
        for day in range(1, 5):
            running.advance()
            members, faults = {1: ("all", "access_denied=0.04"), 2: ("changed", "")}.get(
                day, ("all", "")
            )
            warehouse.sweep(day, members, without=3, faults=faults)
            for stream in TABLES:
                current, expected = warehouse.current(stream), warehouse.expected(stream)
                place = KEYS[stream].index("user_id")
                assert expected <= current, (day, stream)
                # Whose last row went shows in a sweep of all without a failure that has them.
                late = {key[place] for key in current - expected}
                assert not any(warehouse.held[stream, member] for member in late), (day, stream)
                assert day in {1, 2} or late <= left, (day, stream)
                ((count,),) = query(f"SELECT CAST(count(*) AS text) FROM {stream}")  # noqa: S608 - our own names
                forgotten += int(count) - len(current)
    assert forgotten


def test_all_rows_of_one_reading_carry_one_instant(tmp_path: Path) -> None:
    with sandbox(members=6) as running:
        catalog, config = tmp_path / "catalog.json", tmp_path / "config.json"
        catalog.write_text(json.dumps(select("users", *TABLES)), encoding="utf-8")
        config.write_text(json.dumps(config_of(running)), encoding="utf-8")
        result = run_process("--config", config, "--catalog", catalog)
    assert result.exit_code == 0, result.stderr
    instants: dict[tuple[str, int], set[str]] = {}
    for message in result.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            whose = (message["stream"], record.get("user_id", record.get("id")))
            instants.setdefault(whose, set()).add(message["time_extracted"])
    assert {len(found) for found in instants.values()} == {1}
    assert len(set.union(*instants.values())) > len(TABLES)

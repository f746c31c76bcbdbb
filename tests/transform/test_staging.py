"""The views of the streams are the same on DuckDB and PostgreSQL, whatever was loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.dbt_days import reading
from support.dbt_warehouses import DuckDB, Postgres, comparable
from support.harness import run_tap
from support.harness import sandbox as sandbox_of

from tap_crowdtwist.privacy.policy import TAG
from tap_crowdtwist.schemas import tagged
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.dbt_warehouses import Warehouse
    from support.postgres_server import PostgresServer
    from support.warehouses import Row

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

MEMBERS = 24  # of which one is deleted on the second day
NAMES = [stream.name for stream in STREAMS]
SNAPSHOT = "crowdtwist_marts_snapshots.members_snapshot"
BUILD = ("--select", "path:models/staging", "members_snapshot", "--indirect-selection=cautious")
PARTLY = ("users", "redemptions", "user_activity_history")
TEXT_TAGS = {"personal", "direct_identifier", "spendable"}


def view(stream: str, schema: str = "crowdtwist_marts") -> str:
    return f"{schema}_staging.stg_crowdtwist__{stream}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_of(members=MEMBERS, seed=9) as running:
        yield running


@pytest.fixture(scope="module")
def days(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with reading(sandbox, tmp_path_factory.mktemp("feeds")) as read:
        return [read.read() for _ in range(3)]


@pytest.fixture(scope="module")
def in_duckdb(loaders: Path, tmp_path_factory: pytest.TempPathFactory) -> DuckDB:
    return DuckDB(loaders, tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="module")
def in_postgres(
    postgres: PostgresServer, loaders: Path, tmp_path_factory: pytest.TempPathFactory
) -> Postgres:
    return Postgres(postgres, "transform", loaders, tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="module")
def first_day(in_duckdb: DuckDB, days: list[str]) -> list[Row]:
    """The snapshot of the first day, in DuckDB."""
    in_duckdb.load(days[0])
    in_duckdb.dbt("build", *BUILD)
    return in_duckdb.rows(SNAPSHOT)


@pytest.fixture(scope="module")
def both(
    first_day: list[Row], in_duckdb: DuckDB, in_postgres: Postgres, days: list[str]
) -> tuple[Warehouse, Warehouse]:
    """Both databases after the last day."""
    assert first_day
    in_duckdb.load("".join(days[1:]))
    in_postgres.load("".join(days))
    for warehouse in (in_duckdb, in_postgres):
        done = warehouse.dbt("build", *BUILD)
        assert (done.failed(), done.warned()) == (set(), set())
    return in_duckdb, in_postgres


@pytest.mark.parametrize("stream", NAMES)
def test_both_databases_have_the_same_rows_and_types(
    both: tuple[Warehouse, Warehouse], stream: str
) -> None:
    one, other = both
    assert one.types(view(stream)) == other.types(view(stream))
    assert comparable(one.rows(view(stream))) == comparable(other.rows(view(stream)))


def test_every_row_of_the_loader_is_there_but_for_deleted_members(
    both: tuple[Warehouse, Warehouse],
) -> None:
    one, _ = both
    deleted = {row["id"] for row in one.rows("crowdtwist.users") if row["_sdc_deleted_at"]}
    assert deleted
    for stream in NAMES:
        member = "id" if stream in {"users", "push_users", "live_users"} else "user_id"
        if stream == "push_user_activities":
            member = "id"
        loaded = one.rows(f"crowdtwist.{stream}")
        kept = [row for row in loaded if row.get(member) not in deleted]
        assert len(one.rows(view(stream))) == len(kept), stream


def test_the_snapshot_keeps_what_changed_as_of_its_reading(
    first_day: list[Row], both: tuple[Warehouse, Warehouse]
) -> None:
    warehouse, _ = both
    users = {row["id"]: row for row in warehouse.rows(view("users"))}
    rows = warehouse.rows(SNAPSHOT)
    assert {row["user_id"] for row in rows} == set(users)
    closed = [row for row in rows if row["dbt_valid_to"]]
    assert closed
    for row in rows:
        assert row["dbt_valid_from"] == row["extracted_at"]
        if not row["dbt_valid_to"]:
            assert row["balance"] == users[row["user_id"]]["redeemable_points"]
    began = {row["user_id"]: row["balance"] for row in first_day}
    for row in closed:
        assert row["dbt_valid_to"] == users[row["user_id"]]["extracted_at"]
        assert row["balance"] == began[row["user_id"]]


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_columns_and_tables_that_were_not_loaded_are_null(
    mode: str, sandbox: Sandbox, both: tuple[Warehouse, Warehouse]
) -> None:
    warehouse = both[mode == "drop"]
    settings: dict[str, Any] = {"sensitive_data": mode, "hash_key": "k" * 32}
    messages = run_tap(sandbox, *PARTLY, deleted_members="tombstone", **settings).stdout
    warehouse.load(messages, schema=mode)
    warehouse.dbt(
        "run", "--select", "path:models/staging", schema=f"marts_{mode}", crowdtwist_schema=mode
    )
    for stream in NAMES:
        found = view(stream, f"marts_{mode}")
        assert warehouse.types(found) == warehouse.types(view(stream)), stream
        assert bool(warehouse.rows(found)) is (stream in PARTLY), stream
    for row in warehouse.rows(view("users", f"marts_{mode}")):
        for name, node in tagged("users")["properties"].items():
            if node[TAG] in TEXT_TAGS and name in row:
                value = row[name]
                assert value is None or (mode == "hash" and len(value) == 64), name


def test_a_schema_without_tables_and_a_wrong_variable_are_one_sentence(
    both: tuple[Warehouse, Warehouse],
) -> None:
    warehouse, _ = both
    done = warehouse.dbt("run", "--select", "as_of", code=2, crowdtwist_schema="elsewhere")
    assert "The schema `elsewhere` of the database `warehouse` has no table `users`" in done.output
    assert "`meltano run tap-crowdtwist target-duckdb`" in done.output
    done = warehouse.dbt("run", "--select", "as_of", code=2, point_value="1 cent")
    assert "The variable `point_value` must be a number from 0 to 1000000" in done.output
    assert "Traceback" not in done.output

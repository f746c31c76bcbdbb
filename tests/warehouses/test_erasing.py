"""The SQL of the page on privacy erases deleted members from every table, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from support.harness import PROGRAM_STREAMS
from support.pages import block

from tap_crowdtwist import schemas
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.postgres_server import PostgresServer

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = pytest.mark.timeout(280)

TABLES = [stream.name for stream in STREAMS if stream.name not in PROGRAM_STREAMS]
NUMBERED_BY_ID = ("users", "push_users", "push_user_activities", "live_users")
"""Streams in which `id` is the member's number."""

NULLABLE = {"type": ["integer", "null"]}
GONE, KEPT = 1, 2


@pytest.fixture(params=["postgresql", "duckdb"])
def query(request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[str]]]:
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield lambda sql: [str(row[0]) for row in connection.execute(sql).fetchall()]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    server.create_database("erasing")
    yield lambda sql: server.query(sql, "erasing")


def test_nothing_of_a_deleted_member_is_left_and_all_of_the_others(
    query: Callable[[str], list[str]],
) -> None:
    for table in TABLES:
        query(
            f"CREATE TABLE {table} (member int, user_id bigint, id bigint, order_id text, "
            "email_address text, _sdc_deleted_at timestamp, deletion_status text)"
        )
    for table in TABLES:
        columns = schemas.tagged(table)["properties"]
        number = "id" if table in NUMBERED_BY_ID else "user_id"
        for member in (GONE, KEPT):
            deleted = table == "users" and member == GONE
            row: dict[str, object] = {
                "member": member,
                # A target that forgets marks the rows of members who left the roster.
                "_sdc_deleted_at": "'2026-03-11'" if table == "users" else "NULL",
                "deletion_status": "'completed'" if deleted else "NULL",
            }
            address = {"email_address": f"'{member}@example.test'"}
            if number in columns:
                whole = {**row, number: member, "order_id": f"'of {member}'"}
                insert(query, table, whole if deleted else {**whole, **address})
            if "email_address" in columns and "null" in columns.get(number, NULLABLE)["type"]:
                insert(query, table, {**row, **address})
            if table == "push_redemptions":
                insert(query, table, {**row, "order_id": f"'of {member}'"})
    before = {table: of(query, table, KEPT) for table in TABLES}

    query(block("Erasing deleted members", "sql"))

    assert all(before.values())
    assert {table: of(query, table, KEPT) for table in TABLES} == before
    assert [table for table in TABLES if of(query, table, GONE)] == ["users"]


def insert(query: Callable[[str], list[str]], table: str, row: dict[str, object]) -> None:
    values = ", ".join(map(str, row.values()))
    query(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")  # noqa: S608 - likewise


def of(query: Callable[[str], list[str]], table: str, member: int) -> int:
    (count,) = query(f"SELECT count(*) FROM {table} WHERE member = {member}")  # noqa: S608 - likewise
    return int(count)

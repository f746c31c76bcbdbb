"""The SQL of the page on privacy erases deleted members from every table, and nobody else.

It also finds a person by the hash of an address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import pytest
from support.harness import OFF_BY_DEFAULT, PROGRAM_STREAMS, run_tap
from support.pages import block, blocks

from tap_crowdtwist import schemas
from tap_crowdtwist.streams import API_STREAMS, FILE_STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.postgres_server import PostgresServer

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = pytest.mark.timeout(280)

TABLES = [
    stream.name for stream in (*API_STREAMS, *FILE_STREAMS) if stream.name not in PROGRAM_STREAMS
]
FILES = [stream.name for stream in FILE_STREAMS]
DEFAULT = [name for name in TABLES if name not in {*OFF_BY_DEFAULT, *FILES}]
NUMBERED_BY_ID = ("users", "push_users", "push_user_activities", "live_users")
"""Streams in which `id` is the member's number."""

NULLABLE = {"type": ["integer", "null"]}
GONE, KEPT = 1, 2
HASH_KEY = "a long enough hash key"
EXAMPLE = "1000262"
"""The number on the page, in place of which each reader puts another."""


@pytest.fixture(params=["postgresql", "duckdb"])
def query(request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[str]]]:
    in_postgresql, in_duckdb = blocks("Before you run SQL", "sql")
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            connection.execute(f"CREATE SCHEMA crowdtwist; {in_duckdb}")
            yield lambda sql: [str(row[0]) for row in connection.execute(sql).fetchall()]
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    server.create_database("erasing")
    server.query("CREATE SCHEMA crowdtwist", "erasing")
    yield lambda sql: server.query(in_postgresql + sql, "erasing")


def test_the_first_sql_alone_erases_from_the_tables_of_the_default_streams(
    query: Callable[[str], list[str]],
) -> None:
    fill(query, DEFAULT)
    before = rows_of(query, KEPT, DEFAULT)

    query(default_sql())

    assert all(before.values())
    assert rows_of(query, KEPT, DEFAULT) == before
    assert tables_with(query, GONE, DEFAULT) == ["users"]


@pytest.mark.parametrize(
    "tables",
    [
        TABLES,
        [*DEFAULT, *(name for name in FILES if name.startswith("push_"))],
        [*DEFAULT, "receipts", "live_activities", "batch_activity_credits"],
    ],
    ids=["all", "data push", "some"],
)
def test_nothing_of_a_deleted_member_is_left_and_all_of_the_others(
    query: Callable[[str], list[str]], tables: list[str]
) -> None:
    with_address = {"push_users", "live_users"} & set(tables)
    fill(query, tables, addresses=bool(with_address))
    before = rows_of(query, KEPT, tables)
    absent = set(TABLES) - set(tables) | ({"addresses"} if not with_address else set())

    query(without(absent, further_sql()))
    query(default_sql())

    assert all(before.values())
    assert rows_of(query, KEPT, tables) == before
    assert tables_with(query, GONE, tables) == ["users"]


def test_one_member_is_erased_by_number_whatever_users_says(
    query: Callable[[str], list[str]],
) -> None:
    fill(query, reported=False)
    # The address is in `users` alone then.
    query(f"DELETE FROM push_users WHERE id = {GONE}; DELETE FROM live_users WHERE id = {GONE}")  # noqa: S608 - our own names
    before = rows_of(query, KEPT)
    first, last = (
        sql.replace(EXAMPLE, str(GONE)) for sql in blocks("The SQL for one member", "sql")
    )

    for sql in (further_sql(), default_sql()):
        sql_for_one, replaced = re.subn(r"CREATE TEMPORARY TABLE deleted[^;]+;\n", first, sql)
        assert replaced == 1
        query(sql_for_one)
    query(last)

    assert rows_of(query, KEPT) == before
    assert tables_with(query, GONE) == []


def test_without_addresses_the_other_statements_erase_all_rows_with_a_number(
    query: Callable[[str], list[str]],
) -> None:
    fill(query, addresses=False)
    before = rows_of(query, KEPT)

    query(without({"addresses"}, further_sql()))
    query(default_sql())

    assert rows_of(query, KEPT) == before
    assert tables_with(query, GONE) == ["users"]


def test_nothing_is_erased_if_a_table_is_missing(query: Callable[[str], list[str]]) -> None:
    fill(query)
    before = rows_of(query, GONE)
    query("ALTER TABLE live_users RENAME TO elsewhere")

    with pytest.raises((AssertionError, duckdb.Error), match="live_users"):
        query(further_sql())

    query("ROLLBACK")
    query("ALTER TABLE elsewhere RENAME TO live_users")
    assert rows_of(query, GONE) == before


def test_postgresql_finds_a_person_by_the_hash_of_the_address(
    postgres: PostgresServer, world: Sandbox
) -> None:
    rows = run_tap(world, "users", sensitive_data="hash", hash_key=HASH_KEY).records["users"]
    pairs = ", ".join(f"({row['id']}, '{row['email_address']}')" for row in rows)
    postgres.create_database("hashes")
    postgres.query(
        "CREATE EXTENSION pgcrypto; CREATE SCHEMA crowdtwist; "
        f"CREATE TABLE crowdtwist.users (id, email_address) AS VALUES {pairs}",
        "hashes",
    )

    choose, _ = blocks("Before you run SQL", "sql")
    sql = choose + block("Find a person by hash", "sql").replace("your hash key", HASH_KEY)

    assert postgres.query(sql, "hashes") == [str(person_on_the_page(world))]


def person_on_the_page(world: Sandbox) -> int:
    """The number of the member whose address the page hashes."""
    address = block("Find a person by hash", "console").split()[-1]
    (number,) = [
        row["id"] for row in world.expected_rows("users") if row["email_address"] == address
    ]
    return int(number)


def default_sql() -> str:
    return block("Tables of the default streams", "sql")


def further_sql() -> str:
    return block("Tables of other streams, files and events", "sql")


def without(tables: set[str], sql: str) -> str:
    """Leave out each statement that names one of these tables."""
    names = "|".join(tables)
    return re.sub(rf"[^;]*\b({names})\b[^;]*;", "", sql) if tables else sql


def fill(
    query: Callable[[str], list[str]],
    tables: list[str] = TABLES,
    *,
    reported: bool = True,
    addresses: bool = True,
) -> None:
    """Make tables, with rows of two members in each.

    Args:
        query: runs a statement.
        tables: their names.
        reported: whether `users` reports the one as deleted.
        addresses: whether there are addresses, and rows with nothing else to know a member by.
    """
    column = "email_address text, " if addresses else ""
    statements = []
    for table in tables:
        statements.append(
            f"CREATE TABLE {table} (member int, user_id bigint, id bigint, order_id text, "
            f"{column}_sdc_deleted_at timestamp, deletion_status text)"
        )
        columns = schemas.tagged(table)["properties"]
        number = "id" if table in NUMBERED_BY_ID else "user_id"
        for member in (GONE, KEPT):
            deleted = table == "users" and member == GONE and reported
            row: dict[str, object] = {
                "member": member,
                # A target that forgets marks the rows of members who left the roster.
                "_sdc_deleted_at": "'2026-03-11'" if table == "users" else "NULL",
                "deletion_status": "'completed'" if deleted else "NULL",
            }
            address = {"email_address": f"'{member}@example.test'"} if addresses else {}
            if number in columns:
                whole = {**row, number: member, "order_id": f"'of {member}'"}
                statements.append(insert(table, whole if deleted else {**whole, **address}))
            has_address = addresses and "email_address" in columns
            if has_address and "null" in columns.get(number, NULLABLE)["type"]:
                statements.append(insert(table, {**row, **address}))
            if table == "push_redemptions":
                statements.append(insert(table, {**row, "order_id": f"'of {member}'"}))
    query("; ".join(statements))


def insert(table: str, row: dict[str, object]) -> str:
    values = ", ".join(map(str, row.values()))
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"  # noqa: S608 - our own names


def rows_of(
    query: Callable[[str], list[str]], member: int, tables: list[str] = TABLES
) -> dict[str, int]:
    """How many rows each table has of a member."""
    counts = " UNION ALL ".join(
        f"SELECT '{table} ' || count(*) FROM {table} WHERE member = {member}"  # noqa: S608 - likewise
        for table in tables
    )
    return {table: int(count) for table, count in map(str.split, query(counts))}


def tables_with(
    query: Callable[[str], list[str]], member: int, tables: list[str] = TABLES
) -> list[str]:
    """The tables that have rows of a member."""
    return [table for table, count in rows_of(query, member, tables).items() if count]

"""Files and events in a real PostgreSQL, beside what the API says of the same days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.databases import SCHEMA, Database, column_type
from support.harness import TODAY, discover, entry_of
from support.pages import block, blocks, put_into_env
from support.receiver import KEY, receiving
from support.warehouses import Expected, texts

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist.streams import FILE_STREAMS

if TYPE_CHECKING:
    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

CHANGED = ("users", "user_activity_history", "purchases", "redemptions")
RECIPE = "Only members that changed"


def test_three_ways_lead_to_the_same_rows_and_only_who_changed_is_asked(
    pipeline: Project, postgres: PostgresServer
) -> None:
    database = Database(postgres, "feeds")
    folders = {name: pipeline.root / name for name in ("data_push", "live_push", "batch_activity")}
    for folder in folders.values():
        folder.mkdir()
    pipeline.settings |= postgres.settings("feeds")
    pipeline.settings |= {
        f"TAP_CROWDTWIST_{name.upper()}_PATH": str(path) for name, path in folders.items()
    }
    options = SandboxOptions(members=30, seed=27, drift=False, today=TODAY)
    expected = {stream: Expected(stream) for stream in CHANGED}
    with Sandbox(options) as sandbox, receiving(folders["live_push"]) as running:

        def day(*, passes: bool = True) -> None:
            if passes:
                sandbox.advance()
            sandbox.write_data_push(folders["data_push"])
            sandbox.write_batch_activity(folders["batch_activity"])
            sandbox.post_live_push(f"{running.url}/live", api_key=KEY)
            for stream in CHANGED:
                expected[stream].add(list(sandbox.expected_rows(stream)))

        day(passes=False)
        pipeline.read_from(sandbox)
        pipeline("run", "tap-crowdtwist", "target-postgres")
        whole = sandbox.counts()["total"]

        day()
        weekly, daily = blocks(RECIPE, "console")
        put_into_env(pipeline, RECIPE, old="sftp://host/crowdtwist", new=str(folders["data_push"]))
        sandbox.reset()
        pipeline.command(["sh", "-eu", "-c", daily])
        assert 0 < sandbox.counts()["total"] < whole * 0.7
        for stream in CHANGED:
            assert_equal_but_for_countdowns(database, stream, expected[stream])
        sandbox.reset()
        pipeline.command(["sh", "-eu", "-c", weekly])
        # The first run has also found out whether redemptions without dates are all.
        assert sandbox.counts()["total"] > whole * 0.6

        for feed in FILE_STREAMS:
            assert_shaped(database, feed.name, list(feed.primary_keys))
        assert_three_ways_agree(database, sandbox)
        assert_credits_are_told(postgres, sandbox)


def assert_equal_but_for_countdowns(database: Database, stream: str, expected: Expected) -> None:
    """The rows of a table, without what the calendar alone changes."""
    found = texts(stream, database.rows(stream))
    if stream != "users":
        assert found == expected.rows, stream
        return
    assert len(found) == len(expected.rows)
    gone = ("days_until", "is_maintenance_mode")
    for mine, true in zip(found, expected.rows, strict=True):
        parts = (
            [part for part in text.split(", ") if not any(n in part for n in gone)]
            for text in (mine, true)
        )
        assert next(parts) == next(parts)


def assert_shaped(database: Database, stream: str, key: list[str]) -> None:
    """A table has the types and the key that its schema asks for."""
    paths = dict.fromkeys(("data_push_path", "live_push_path", "batch_activity_path"), "nowhere")
    schema = entry_of(discover(paths), stream)["schema"]
    types = database.types(stream)
    for name, node in schema["properties"].items():
        assert types[name] == column_type(node), (stream, name)
    assert sorted(database.key(stream)) == sorted(key)
    assert database.query(f"SELECT 1 AS one FROM {SCHEMA}.{stream}"), stream  # noqa: S608 - our own name


def assert_three_ways_agree(database: Database, sandbox: Sandbox) -> None:
    """What was asked, delivered and posted is the same, value by value."""
    today = date.fromisoformat(sandbox.clock()["today"])
    for when in (today - timedelta(days=1), today):
        assert_day_agrees(database, when)
    names = "id, first_name, last_name, email_address, city, date_of_birth"
    asked = {row["id"]: row for row in database.query(f"SELECT {names} FROM {SCHEMA}.users")}  # noqa: S608 - our own names
    for stream in ("push_users", "live_users"):
        rows = database.query(f"SELECT {names} FROM {SCHEMA}.{stream}")  # noqa: S608 - likewise
        assert [row for row in rows if row != asked[row["id"]]] == [], stream


def assert_day_agrees(database: Database, when: date) -> None:
    def rows(stream: str, columns: str, dated: str) -> list[Any]:
        return database.query(
            f"SELECT {columns} FROM {SCHEMA}.{stream} WHERE {dated}::date = '{when}' ORDER BY 1"  # noqa: S608 - likewise
        )

    done = "user_activity_id, {} AS member, activity_id, num_points, date_created"
    asked = rows("user_activity_history", done.format("user_id"), "date_created")
    assert asked
    assert asked == rows("push_user_activities", done.format("id"), "date_created")
    assert asked == rows("live_activities", done.format("user_id"), "date_created")
    ordered = "order_id, total_points_redeemed, quantity, order_date"
    asked = rows("redemptions", ordered, "order_date")
    assert asked
    assert asked == rows("push_redemptions", ordered, "order_date")
    assert asked == rows("live_redemptions", ordered, "order_date")


def assert_credits_are_told(postgres: PostgresServer, sandbox: Sandbox) -> None:
    """The recipe's query names each line that was not credited, and why."""
    choose, _ = blocks("Queries", "sql")
    query = block("What was sent as Batch Activity Credit, and not credited", "sql")
    files = "SELECT DISTINCT file_name FROM batch_activity_credits"
    names = postgres.query(choose + files, "feeds")
    assert len(names) == sandbox.clock()["day"] + 1
    told = [line.split("|") for line in postgres.query(choose + query, "feeds")]
    for name in names:
        assert sorted(why for file_name, _, why in told if file_name == name) == [
            "bad date",
            "bad points",
            "no activity",
            "no identity",
            "not credited",
            "wrong number of fields",
        ]

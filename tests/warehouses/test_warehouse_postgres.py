"""A real PostgreSQL holds what the program holds: types, keys and every value, day after day."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from support.databases import SCHEMA, Database, column_type
from support.harness import KEYS, PROGRAM_STREAMS, discover, entry_of
from support.postgres_server import OLDEST
from support.warehouses import MELTANO, Expected, kill_tap, texts, truth_of, wait_for

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.wire.drift import NEW_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

MEMBERS = 24
MARKED = {*PROGRAM_STREAMS, "users"}
"""Streams whose rows are marked as deleted when they are no more; those of the others stay."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=MEMBERS, seed=9)) as sandbox:
        yield sandbox


DELETION_STEPS = {"Deletion_initiated", "Deletion_in_progress", "Deletion_completed"}


def test_tables_hold_the_truth_day_after_day(
    pipeline: Project, sandbox: Sandbox, postgres: PostgresServer
) -> None:
    assert postgres.version >= OLDEST
    database = Database(postgres, "days")
    pipeline.settings |= postgres.settings("days")
    expected = {stream: Expected(stream) for stream in KEYS}

    began = datetime.now(timezone.utc)
    pipeline.read_from(sandbox)
    pipeline.sync("target-postgres")
    yesterday = truth_of(sandbox)
    for stream, rows in yesterday.items():
        expected[stream].add(rows)
        assert rows, stream
        assert texts(stream, database.rows(stream)) == expected[stream].rows, stream
        assert_shaped(database, stream)
    assert NEW_PROPERTY in json.dumps(yesterday)

    database.execute(f"INSERT INTO {SCHEMA}.badges (id, name) VALUES (1, 'is no more')")  # noqa: S608 - likewise
    database.execute(
        f"ALTER TABLE {SCHEMA}.users ALTER date_created TYPE timestamptz "
        "USING date_created AT TIME ZONE 'UTC'"
    )
    sandbox.advance(1)
    pipeline.read_from(sandbox)
    pipeline.sync("target-postgres")
    today = truth_of(sandbox)
    assert today != yesterday
    for stream, rows in today.items():
        if stream in MARKED:
            expected[stream] = Expected(stream)
        expected[stream].add(rows)
        assert texts(stream, database.rows(stream)) == expected[stream].rows, stream
    (gone,) = database.rows("badges", deleted=True)
    assert gone["name"] == "is no more"
    assert database.types("users")["date_created"] == "timestamp with time zone"

    living = {row["id"] for row in today["users"]}
    marked = database.rows("users", deleted=True)
    assert {row["id"] for row in marked} == set(map(int, sandbox.roster())) - living != set()
    assert {row["deletion_status"] for row in marked} <= DELETION_STEPS

    pipeline.sync("target-postgres", TARGET_POSTGRES_USE_COPY="false")
    assert database.rows("users", deleted=True) == marked
    for stream in KEYS:
        assert texts(stream, database.rows(stream)) == expected[stream].rows, stream
        for instant in database.written(stream):
            assert began < instant < datetime.now(timezone.utc), stream


def assert_shaped(database: Database, stream: str) -> None:
    """Check columns, types and key of a table, and that its key is unique and never null."""
    schema = entry_of(discover(), stream)["schema"]
    types = {name: column_type(node) for name, node in schema["properties"].items()}
    assert database.types(stream).items() >= types.items(), stream
    assert sorted(database.key(stream)) == sorted(KEYS[stream]), stream


def test_a_run_whose_tap_alone_ends_early_is_resumed_by_the_next(
    pipeline: Project, postgres: PostgresServer
) -> None:
    database = Database(postgres, "interrupted")
    pipeline.settings |= postgres.settings("interrupted")
    with Sandbox(SandboxOptions(members=MEMBERS, seed=9, latency_ms=10)) as sandbox:
        members = {int(member) for member in sandbox.roster()}
        pipeline.read_from(sandbox)
        pipeline.settings |= {
            "TAP_CROWDTWIST_MAX_CONCURRENCY": "2",
            "TAP_CROWDTWIST_CHECKPOINT_INTERVAL": "0",
            "TAP_CROWDTWIST__SELECT": '["*.*"]',
        }
        with pipeline.running([MELTANO, "run", "tap-crowdtwist", "target-postgres"]) as process:
            wait_for(lambda: len(asked(sandbox, "activity_history")) > MEMBERS / 2, process)
            kill_tap(process, signal.SIGTERM)
            process.communicate(timeout=60)
        assert process.returncode == 1
        assert asked(sandbox, "purchases") == members
        assert asked(sandbox, "activity_history") < members
        state = json.loads(pipeline.state("dev:tap-crowdtwist-to-target-postgres"))
        bookmark = state["singer_state"]["bookmarks"]["user_activity_history"]
        assert bookmark["sweep"]["after"] in members
        assert "replication_key_value" not in bookmark
        purchases = texts("purchases", sandbox.expected_rows("purchases"))
        assert texts("purchases", database.rows("purchases")) == purchases

        sandbox.reset()
        pipeline("run", "tap-crowdtwist", "target-postgres")

        assert not asked(sandbox, "purchases")
        assert max(members) in asked(sandbox, "activity_history") < members
        for stream in KEYS:
            truth = texts(stream, sandbox.expected_rows(stream))
            assert texts(stream, database.rows(stream)) == truth, stream


def asked(sandbox: Sandbox, resource: str) -> set[int]:
    """The members whose resource a sandbox has been asked for."""
    paths = [request["path"] for request in sandbox.requests()]
    return {
        int(found[1]) for path in paths if (found := re.search(rf"/users/(\d+)/{resource}$", path))
    }

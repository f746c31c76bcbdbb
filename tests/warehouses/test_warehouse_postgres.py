"""A real PostgreSQL holds what the program holds: types, keys and every value, day after day."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from harness import KEYS, PROGRAM_STREAMS, discover, entry_of
from postgres_server import OLDEST
from warehouse_kit import MELTANO, Expected, kill_tap, texts, truth_of, wait_for

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.wire.surprises import NEW_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_server import PostgresServer
    from warehouse_kit import Project, Row

pytest_plugins = ["warehouse_fixtures"]
pytestmark = pytest.mark.timeout(280)

MEMBERS = 24
SCHEMA = "crowdtwist"
MARKED = {*PROGRAM_STREAMS, "users"}
"""Streams whose rows are marked as deleted when they are no more; those of the others stay."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=MEMBERS, seed=9)) as sandbox:
        yield sandbox


class Database:
    """The tables that target-postgres makes in one database."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server = server
        self._name = name
        server.create_database(name)

    def query(self, sql: str) -> list[Any]:
        """The rows of a query as objects."""
        lines = self._server.query(f"SELECT row_to_json(q) FROM ({sql}) q", self._name)  # noqa: S608 - our own words
        return [json.loads(line) for line in lines]

    def execute(self, sql: str) -> None:
        """Run a statement."""
        self._server.query(sql, self._name)

    def types(self, stream: str) -> dict[str, str]:
        """The type of each column, as PostgreSQL writes it."""
        found = self.query(
            "SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "  # noqa: S608 - likewise
            f"WHERE attrelid = '{SCHEMA}.{stream}'::regclass AND attnum > 0"
        )
        return {row["name"]: row["type"] for row in found}

    def key(self, stream: str) -> tuple[str, ...]:
        """The columns of the primary key."""
        found = self.query(
            "SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = "  # noqa: S608 - likewise
            "i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary "
            f"AND i.indrelid = '{SCHEMA}.{stream}'::regclass"
        )
        return tuple(row["name"] for row in found)

    def rows(self, stream: str, *, deleted: bool = False) -> list[Row]:
        """The rows of a table in the forms of the truth, without what the target adds."""
        types = self.types(stream)
        found = self.query(
            f"SELECT * FROM {SCHEMA}.{stream} "  # noqa: S608 - likewise
            f"WHERE (_sdc_deleted_at IS NOT NULL) = {str(deleted).upper()}"
        )
        return [
            {
                name: told(value, types[name])
                for name, value in row.items()
                if not name.startswith("_sdc_")
            }
            for row in found
        ]

    def written(self, stream: str) -> list[datetime]:
        """When rows were written and marked as deleted, as the target says."""
        found = self.query(
            f"SELECT _sdc_batched_at FROM {SCHEMA}.{stream} WHERE _sdc_batched_at IS NOT NULL "  # noqa: S608 - likewise
            f"UNION SELECT _sdc_deleted_at FROM {SCHEMA}.{stream} WHERE _sdc_table_version IS NULL "
            f"AND _sdc_deleted_at IS NOT NULL AND '{stream}' <> 'users'"  # whose the tap tells
        )
        return [datetime.fromisoformat(f"{row['_sdc_batched_at']:0<26}+00:00") for row in found]


def told(value: Any, kind: str) -> Any:
    """A value as the truth tells it: a timestamp without time zone is one in UTC."""
    if value is None or not kind.startswith("timestamp"):
        return value
    parts = re.fullmatch(r"([^.+]+)(?:\.(\d+))?(\+[\d:]+)?", value)
    assert parts is not None, value
    moment = datetime.fromisoformat(f"{parts[1]}.{parts[2] or '':0<6}{parts[3] or '+00:00'}")
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def column_type(node: dict[str, Any]) -> str:
    """The type that a column of a schema has to get."""
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    (kind,) = [kind for kind in kinds if kind != "null"]
    if kind == "array":
        return column_type(node["items"]) + "[]"
    return _TYPES[kind, node.get("format")]


_TYPES = {
    ("integer", None): "bigint",
    ("number", None): "numeric",
    ("boolean", None): "boolean",
    ("string", None): "text",
    ("string", "date"): "date",
    ("string", "date-time"): "timestamp without time zone",
    ("object", None): "jsonb",
}


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


def test_an_interrupted_run_is_resumed_by_the_next(
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
            kill_tap(process)
            process.communicate(timeout=60)
        assert process.returncode == 1
        assert asked(sandbox, "purchases") == members
        assert asked(sandbox, "activity_history") < members
        state = json.loads(pipeline.state("dev:tap-crowdtwist-to-target-postgres"))
        bookmark = state["singer_state"]["bookmarks"]["user_activity_history"]
        assert bookmark["sweep"]["after"] in members
        assert "replication_key_value" not in bookmark
        purchases = texts("purchases", sandbox.truth("purchases"))
        assert texts("purchases", database.rows("purchases")) == purchases

        sandbox.reset()
        pipeline("run", "tap-crowdtwist", "target-postgres")

        assert not asked(sandbox, "purchases")
        assert max(members) in asked(sandbox, "activity_history") < members
        for stream in KEYS:
            truth = texts(stream, sandbox.truth(stream))
            assert texts(stream, database.rows(stream)) == truth, stream


def asked(sandbox: Sandbox, resource: str) -> set[int]:
    """The members whose resource a sandbox has been asked for."""
    paths = [request["path"] for request in sandbox.requests()]
    return {
        int(found[1]) for path in paths if (found := re.search(rf"/users/(\d+)/{resource}$", path))
    }

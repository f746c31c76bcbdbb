"""A real PostgreSQL takes flattened records, mapped by a pattern, of some of the streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from singer_sdk.helpers._flattening import flatten_schema
from support.databases import Database, column_type
from support.harness import KEYS, discover, entry_of
from support.scripted_server import Server, answer

from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

SELECTED = ("activities", "user_badges", "users")
ODD = [
    {"id": 1, "tier_info": None},
    {"id": 2, "tier_info": {"current_level": None}},
    {
        "id": 3,
        "tier_info": {
            "current_level": {"title": "Gold", "brand": {"new": [1]}},
            "current_level__title": {"is": "no text"},
        },
    },
]
"""Members with null objects, and with members of objects that no schema knows."""

SETTINGS = {
    "TAP_CROWDTWIST_FLATTENING_ENABLED": "true",
    "TAP_CROWDTWIST_FLATTENING_MAX_DEPTH": "10",
    "TAP_CROWDTWIST_STREAM_MAPS": json.dumps({"*": {"program": "config['program']"}}),
    "TAP_CROWDTWIST_STREAM_MAP_CONFIG": json.dumps({"program": "acme"}),
}


def test_flattened_and_mapped_rows_are_loaded(pipeline: Project, postgres: PostgresServer) -> None:
    database = Database(postgres, "mapped")
    pipeline.settings |= postgres.settings("mapped") | SETTINGS
    with Sandbox(SandboxOptions(members=12, seed=9)) as sandbox:
        pipeline.read_from(sandbox)
        select = json.dumps([f"{stream}.*" for stream in SELECTED])
        pipeline.sync("target-postgres", TAP_CROWDTWIST__SELECT=select)
        truth = {stream: list(sandbox.expected_rows(stream)) for stream in SELECTED}

    for stream in SELECTED:
        flat = flatten_schema(entry_of(discover(), stream)["schema"], 10)["properties"]
        columns = {name: column_type(node) for name, node in flat.items()} | {"program": "text"}
        found = database.types(stream)
        assert {n: kind for n, kind in found.items() if n in columns or n[:5] != "_sdc_"} == columns
        assert set(database.key(stream)) == set(KEYS[stream])
        rows = database.rows(stream)
        assert len(rows) == len(truth[stream]) > 0
        assert {row["program"] for row in rows} == {"acme"}
    scores = {row["id"]: row["tier_info__tier_score"] for row in database.rows("users")}
    assert scores == {row["id"]: row["tier_info"]["tier_score"] for row in truth["users"]}

    columns = database.types("users")
    answers = [answer(json.dumps(member).encode()) for member in ODD]
    with Server(*answers).running() as server:
        (pipeline.root / "members.txt").write_text("1\n2\n3", encoding="utf-8")
        pipeline.settings["TAP_CROWDTWIST_API_URL"] = server.url
        pipeline.settings["TAP_CROWDTWIST_MAX_CONCURRENCY"] = "1"
        pipeline.sync("target-postgres", TAP_CROWDTWIST__SELECT='["users.*"]')
    loaded = {row["id"]: row for row in database.rows("users") if row["id"] < len(ODD) + 1}
    titles = {number: row["tier_info__current_level__title"] for number, row in loaded.items()}
    assert titles == {1: None, 2: None, 3: "Gold"}
    assert json.loads(loaded[3]["additional_properties"]) == {
        "tier_info__current_level__brand": {"new": [1]},
        "tier_info__current_level__title": {"is": "no text"},
    }
    assert database.types("users") == columns

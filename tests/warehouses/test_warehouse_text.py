"""Text that no database stores reaches PostgreSQL, mended, from wherever it comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.databases import SCHEMA, Database
from support.receiver import receiving
from support.scripted_server import Server, answer

if TYPE_CHECKING:
    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

HALF = "\\ud83d"  # of an emoji, as an escape in JSON
OPEN = '{"a\\u0000": "b\\u0000", "c": "%s"}' % HALF  # noqa: UP031 - braces
MENDED = {"a\ufffd": "b\ufffd", "c": "\ufffd"}
NEW = {"deep\0": ["x\0", {"\0": "\0\0"}]}
NEW_MENDED = {"deep\ufffd": ["x\ufffd", {"\ufffd": "\ufffd\ufffd"}]}
ACTIVITIES = [
    {"id": 1, "title": "a\0b", "extra_data": OPEN, "new\0": NEW, "num_points": "many\0"},
    {"id": 2, "title": "sound", "extra_data": {"text": "\\u0000"}},
]
PURCHASES = {
    "purchases": [{"purchase_id_type": "order_id", "purchase_id": "A\0", "channel": "shop\0"}],
    "paging": {"total": 1, "pages": 1, "next_page": None, "prev_page": None},
}
PROFILE = {"id": 3, "firstName": "Z\0e", "customData": OPEN, "shoe\0Size": NEW}
TABLE = b"order_id,size,new\n7\0A,L\0,x\0y\n8,M,z\n"
STREAMS = ("activities", "purchases", "live_users", "push_redemptions")


def test_what_no_database_stores_is_replaced_in_values_names_and_keys(
    pipeline: Project, postgres: PostgresServer
) -> None:
    database = Database(postgres, "text")
    live, pushed = pipeline.root / "live", pipeline.root / "pushed"
    pushed.mkdir()
    (pushed / "2_512_USER_REDEMPTION_20260310.csv").write_bytes(TABLE)
    with receiving(live) as running:
        assert running.post("/live/users", PROFILE).ok
    api, pos = (Server(answer(json.dumps(body).encode())) for body in (ACTIVITIES, PURCHASES))
    with api.running(), pos.running():
        pipeline.settings |= postgres.settings("text")
        pipeline.settings |= {
            "TAP_CROWDTWIST_API_KEY": "key",
            "TAP_CROWDTWIST_API_URL": api.url,
            "TAP_CROWDTWIST_POS_URL": pos.url,
            "TAP_CROWDTWIST_USER_IDS": "[88001]",
            "TAP_CROWDTWIST_REQUESTS_PER_MINUTE": "1000000",
            "TAP_CROWDTWIST_LIVE_PUSH_PATH": str(live),
            "TAP_CROWDTWIST_DATA_PUSH_PATH": str(pushed),
            "TAP_CROWDTWIST__SELECT": json.dumps([f"{stream}.*" for stream in STREAMS]),
        }
        told = pipeline("run", "tap-crowdtwist", "target-postgres").stderr

    def rows(stream: str, columns: str) -> list[Any]:
        return database.query(f"SELECT {columns} FROM {SCHEMA}.{stream} ORDER BY 1")  # noqa: S608 - our own names

    first, second = rows("activities", "id, title, extra_data, additional_properties AS more")
    assert first["title"] == "a\ufffdb"
    assert first["extra_data"] == MENDED
    assert first["more"] == {"new\ufffd": NEW_MENDED, "num_points": "many\ufffd"}
    assert second["extra_data"] == {"text": "\\u0000"}
    assert rows("purchases", "purchase_id, additional_properties AS more") == [
        {"purchase_id": "A\ufffd", "more": {"channel": "shop\ufffd"}}
    ]
    (profile,) = rows("live_users", "first_name, custom_data, additional_properties AS more")
    assert profile == {
        "first_name": "Z\ufffde",
        "custom_data": MENDED,
        "more": {"shoe_size": NEW_MENDED},
    }
    assert rows("push_redemptions", "order_id, size, additional_properties AS more") == [
        {"order_id": "7\ufffdA", "size": "L\ufffd", "more": {"new": "x\ufffdy"}},
        {"order_id": "8", "size": "M", "more": {"new": "z"}},
    ]
    for stream in STREAMS:
        assert f"{stream}: replaced " in told

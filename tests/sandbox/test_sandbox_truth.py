"""What the API sends is, once it is read, what the sandbox says is true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests
from support.sandbox_client import MEMBER_STREAMS, STREAMS, Client, sandbox, without_nulls

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {
    "users": ("id",),
    "activities": ("id",),
    "rewards": ("id",),
    "badges": ("id",),
    "user_activity_history": ("id",),
    "redemptions": ("id",),
    "purchases": ("user_id", "purchase_id_type", "purchase_id"),
    "points_expiration": ("user_id", "rule_type", "entry"),
    "coupons": ("user_id", "redeem_order_coupon_id"),
    "user_activities": ("user_id", "id"),
    "user_rewards": ("user_id", "id"),
    "receipts": ("user_id", "id"),
    "user_badges": ("user_id", "id"),
    "points_awaiting_fulfillment": ("user_id",),
}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "drift"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    with sandbox(members=45, drift=request.param) as running, requests.Session() as session:
        running.advance(4)
        yield Client(running, session)


@pytest.mark.parametrize("stream", STREAMS)
def test_walking_the_api_gives_the_truth(client: Client, stream: str) -> None:
    wanted = [without_nulls(row) for row in client.sandbox.expected_rows(stream)]
    assert wanted
    assert list(client.walk(stream)) == wanted


@pytest.mark.parametrize("stream", STREAMS)
def test_the_control_surface_tells_the_same_truth(client: Client, stream: str) -> None:
    lines = client.control(f"/truth/{stream}").text.splitlines()
    assert [json.loads(line) for line in lines] == list(client.sandbox.expected_rows(stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_unique_and_only_the_ids_that_drift_omits_are_null(
    client: Client, stream: str
) -> None:
    keys = [
        tuple(row[name] for name in KEYS[stream]) for row in client.sandbox.expected_rows(stream)
    ]
    known = [key for key in keys if None not in key]
    assert len(set(known)) == len(known)
    omits = client.sandbox.options.drift and stream in {"user_activity_history", "redemptions"}
    assert (len(known) < len(keys)) == omits


def test_rows_without_an_id_are_still_all_different(client: Client) -> None:
    for stream in ("user_activity_history", "redemptions"):
        rows = [json.dumps(row) for row in client.sandbox.expected_rows(stream)]
        assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("stream", MEMBER_STREAMS)
def test_rows_come_in_roster_order_without_deleted_members(client: Client, stream: str) -> None:
    own = "id" if stream == "users" else "user_id"
    ids = [row[own] for row in client.sandbox.expected_rows(stream)]
    assert ids == sorted(ids)
    deleted = [n for n in client.sandbox.roster() if client.get(f"/v2/users/{n}").status_code > 200]
    assert deleted
    assert not set(map(int, deleted)) & set(ids)


def test_truth_holds_no_secret(client: Client) -> None:
    for stream in STREAMS:
        text = json.dumps(list(client.sandbox.expected_rows(stream)))
        assert "CANARY-" not in text
        assert "CODE-" not in text
        assert "COUPON-" not in text
        assert '"password' not in text


def test_truth_of_an_earlier_day_stays(client: Client) -> None:
    with sandbox(members=45, drift=client.sandbox.options.drift) as fresh:
        for stream in STREAMS:
            assert list(fresh.expected_rows(stream, day=0)) == list(
                client.sandbox.expected_rows(stream, day=0)
            )


def test_switched_off_features_have_no_rows() -> None:
    running = sandbox(expiration_rule=False, receipt_scanning=False)
    assert list(running.expected_rows("points_expiration")) == []
    assert list(running.expected_rows("receipts")) == []


@pytest.mark.parametrize(("stream", "day"), [("nonsense", None), ("users", -1)])
def test_an_unknown_stream_or_day_is_refused(stream: str, day: int | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        sandbox().expected_rows(stream, day)

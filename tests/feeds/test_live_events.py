"""Events of Live Push become rows under the names and in the types of the API's streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from support.harness import discover, entry_of, without_nulls
from support.live_events import LIVE, Captures

if TYPE_CHECKING:
    from pathlib import Path

STAMP = "2026-03-10T14:30:00Z"
PROFILE: dict[str, Any] = {
    "id": "88001",
    "firstName": "Ada",
    "emailAddress": "ada@example.test",
    "streetAddress1": "1 Example Street",
    "isActive": 1,
    "receiveEmailUpdates": "0",
    "redeemablePoints": 300,
    "dateLastUpdated": "1760000000",
    "dateOfBirth": "-86400",
    "country": "NL",
    "password": None,
    "salt": None,
    "tierInfo": {
        "currentLevel": {"title": "Silver", "minValue": 1000},
        "levelsBelow": [{"title": "Bronze", "maxValue": 999}],
        "dateAssigned": "2026-02-15T18:31:08Z",
        "isMaintenanceMode": 0,
    },
    "customData": {"homeStore": "12", "favouriteColour": "red"},
    "shoeSize": 43,
}
ACTIVITY: dict[str, Any] = {
    "userId": 88001,
    "userActivityId": "5001",
    "activityId": "700100200",
    "activityName": "watched trailer",
    "points": "50",
    "activityExtraData": '{"episode": 3, "accessToken": "CANARY"}',
    "referenceId": 12,
    "translatedTitle": "Bekijk",
    "dateCreated": "1760000000",
    "dateAwarded": "1759990000",
}
REDEMPTION: dict[str, Any] = {
    "userId": 88001,
    "orderId": 42,
    "orderDate": "1760000000",
    "rewardId": "9001",
    "rewardExtraData": "{}",
    "totalPointsRedeemed": "500",
    "couponCode": "CANARY",
    "voucherCode": "CANARY",
    "userName": "ada.l",
}
EXPIRATION: dict[str, Any] = {
    "user_id": 88001,
    "message_date": "1760000000",
    "inactivity_exp_date": "1780000000",
    "points_expiring": "75",
}
SEGMENT: dict[str, Any] = {
    "user_id": 88001,
    "type": "segment",
    "name": "EU members",
    "subscription_id": "31",
    "event": "entered",
    "trigger": "segment criteria",
    "date_occurred": "1760000000",
}
EVENTS = dict(zip(LIVE, (PROFILE, ACTIVITY, REDEMPTION, EXPIRATION, SEGMENT), strict=True))


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path)


def only(captures: Captures, stream: str, event: Any, **settings: Any) -> dict[str, Any]:
    """The one row that comes of an event, without nulls."""
    captures.add(stream, event)
    (record,) = captures.read(stream, **settings).records[stream]
    row: dict[str, Any] = without_nulls(record)
    return row


def test_a_profile_has_the_names_and_types_of_users(captures: Captures) -> None:
    row = only(captures, "live_users", PROFILE)

    assert len(row.pop("event_id")) == 32
    assert row == {
        "received_at": STAMP,
        "id": 88001,
        "first_name": "Ada",
        "email_address": "ada@example.test",
        "street_address_1": "1 Example Street",
        "is_active": True,
        "receive_email_updates": False,
        "redeemable_points": 300,
        "date_last_updated": "2025-10-09T08:53:20Z",
        "date_of_birth": "1969-12-31",
        "country": "NL",
        "tier_info": {
            "current_level": {"title": "Silver", "min_value": 1000},
            "levels_below": [{"title": "Bronze", "max_value": 999}],
            "date_assigned": "2026-02-15T18:31:08Z",
            "is_maintenance_mode": False,
        },
        "custom_data": {"homeStore": "12", "favouriteColour": "red"},
        "additional_properties": {"shoe_size": 43},
    }


def test_an_activity_has_those_of_the_history(captures: Captures) -> None:
    assert only(captures, "live_activities", ACTIVITY) == {
        "event_id": "5001",
        "received_at": STAMP,
        "user_id": 88001,
        "user_activity_id": 5001,
        "activity_id": 700100200,
        "activity_name": "watched trailer",
        "num_points": 50,
        "extra_data": {"episode": 3},
        "reference_id": "12",
        "translated_title": "Bekijk",
        "date_created": "2025-10-09T08:53:20Z",
        "date_awarded": "2025-10-09T06:06:40Z",
    }


def test_a_redemption_has_those_of_redemptions_and_no_code(captures: Captures) -> None:
    assert only(captures, "live_redemptions", REDEMPTION) == {
        "event_id": "42",
        "received_at": STAMP,
        "user_id": 88001,
        "order_id": "42",
        "order_date": "2025-10-09T08:53:20Z",
        "reward_id": 9001,
        "extra_data": {},
        "total_points_redeemed": 500,
        "username": "ada.l",
    }


def test_a_code_leaves_only_if_codes_are_wanted(captures: Captures) -> None:
    row = only(captures, "live_redemptions", REDEMPTION, spendable_values="keep")
    assert row["coupon_code"] == "CANARY"


def test_an_expiration_and_a_segment_come_in_snake_case_already(captures: Captures) -> None:
    expiration = only(captures, "live_points_expiration", EXPIRATION)
    segment = only(captures, "live_segments", SEGMENT)

    assert expiration["inactivity_exp_date"] == "2026-05-28T20:26:40Z"
    assert expiration["points_expiring"] == 75
    assert segment["subscription_id"] == 31
    assert segment["triggered_by"] == "segment criteria"
    assert segment["date_occurred"] == "2025-10-09T08:53:20Z"


def test_records_fit_their_schemas(captures: Captures) -> None:
    for stream, event in EVENTS.items():
        captures.add(stream, event)
    result = captures.read()
    for stream in LIVE:
        schema = entry_of(discover({"live_push_path": captures.root}), stream)["schema"]
        (record,) = result.records[stream]
        jsonschema.validate(record, schema, format_checker=jsonschema.FormatChecker())


def test_credentials_never_leave(captures: Captures) -> None:
    secret = {"password": "CANARY", "oauthToken": "CANARY", "some": {"apiKey": "CANARY"}}
    for stream, event in EVENTS.items():
        captures.add(stream, {**event, **secret})

    result = captures.read()

    assert sum(map(len, result.records.values())) == len(LIVE)
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_persons_are_hashed_or_dropped_and_so_is_a_number_made_of_them(
    captures: Captures, mode: str
) -> None:
    kept = only(captures, "live_users", PROFILE)
    (record,) = captures.read(
        "live_users", sensitive_data=mode, hash_key="0123456789abcdef"
    ).records["live_users"]

    assert record["event_id"] != kept["event_id"]
    assert record["id"] == kept["id"]
    for name in ("first_name", "email_address", "street_address_1", "country"):
        assert record.get(name) != kept[name]
        assert (name in record) == (mode == "hash")
    assert "custom_data" not in record
    assert "additional_properties" not in record


def test_repeats_are_left_out_however_they_are_spelled(captures: Captures) -> None:
    again = dict(reversed(list(PROFILE.items())))
    captures.add("live_users", PROFILE, again, {**PROFILE, "redeemablePoints": 301}, PROFILE)
    captures.add("live_activities", ACTIVITY, ACTIVITY, instance="1")
    captures.add("live_activities", ACTIVITY, instance="2")

    records = captures.read("live_users", "live_activities").records

    assert [row["redeemable_points"] for row in records["live_users"]] == [300, 301]
    assert [row["event_id"] for row in records["live_activities"]] == ["5001"]


def test_an_event_with_other_content_is_no_repeat(captures: Captures) -> None:
    placed, cancelled = ({"orderId": 1, "title": title} for title in ("placed", "cancelled"))
    captures.add("live_redemptions", placed, cancelled, placed)
    captures.add("live_activities", *({"userActivityId": 0, "userId": n} for n in (1, 2, 1)))

    records = captures.read("live_redemptions", "live_activities").records

    assert [row["title"] for row in records["live_redemptions"]] == ["placed", "cancelled"]
    assert {row["event_id"] for row in records["live_redemptions"]} == {"1"}
    assert [row["user_id"] for row in records["live_activities"]] == [1, 2]
    assert len({row["event_id"] for row in records["live_activities"]}) == 2


def test_what_an_event_calls_as_we_do_is_kept(captures: Captures) -> None:
    row = only(captures, "live_segments", {**SEGMENT, "eventId": "x", "receivedAt": 5})
    assert row["received_at"] == STAMP
    kept = {"event_id_in_event": "x", "received_at_in_event": 5}
    assert row["additional_properties"] == kept


def test_a_member_is_found_under_either_name(captures: Captures) -> None:
    captures.add("live_users", {"userId": 5, "firstName": "Ada"}, {"id": 6}, {"firstName": "Eve"})

    assert [row["id"] for row in captures.read("live_users").records["live_users"]] == [5, 6, None]


def test_no_key_of_the_api_is_needed(captures: Captures) -> None:
    captures.add("live_segments", SEGMENT)

    assert "api_key" not in captures.settings
    assert captures.read("live_segments").records["live_segments"]

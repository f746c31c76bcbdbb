"""Live Push: events that say what the API says, in order of time."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from feeds_kit import COUNTRIES, of_day, pushed
from sandbox_kit import instant, sandbox

from crowdtwist_sandbox.feeds.live_push import live_events

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

DAY = 3
OPAQUE = {"extraData", "customData"}
Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def running() -> Sandbox:
    return sandbox(members=400, drift=False)


@pytest.fixture(scope="module")
def events(running: Sandbox) -> Events:
    return list(live_events(running.engine, DAY))


def of(events: Events, feed: str) -> list[dict[str, Any]]:
    return [event for name, event in events if name == feed]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z0-9])", r"_\1", name).lower()


def snaked(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(name): snaked(each) for name, each in value.items()}
    return [snaked(each) for each in value] if isinstance(value, list) else value


def keys(value: Any) -> set[str]:
    """Every name in an event, but for those that the program defines."""
    if isinstance(value, list):
        return {name for each in value for name in keys(each)}
    if not isinstance(value, dict):
        return set()
    return set(value) | {
        name for own, each in value.items() if own not in OPAQUE for name in keys(each)
    }


def test_every_feed_has_events(events: Events) -> None:
    counts = Counter(name for name, _ in events)
    assert set(counts) == {
        "users",
        "activities",
        "redemptions",
        "points-expiration",
        "segments",
    }
    assert counts["activities"] > counts["redemptions"] > 5


def test_names_are_in_camel_case_but_for_segments(events: Events) -> None:
    for feed, event in events:
        pattern = r"[a-z]+(_[a-z]+)*" if feed == "segments" else r"[a-z]+([A-Z0-9][a-z]*)*"
        assert all(re.fullmatch(pattern, name) for name in keys(event))


def test_events_come_in_order_of_time(events: Events) -> None:
    names = {
        "activities": "dateCreated",
        "redemptions": "orderDate",
        "points-expiration": "messageDate",
        "segments": "date_occurred",
    }
    dates = [int(event[names[feed]]) for feed, event in events if feed in names]
    assert dates == sorted(dates)
    last = {
        event["userId"]: place for place, (feed, event) in enumerate(events) if feed == "activities"
    }
    places = {event["id"]: place for place, (feed, event) in enumerate(events) if feed == "users"}
    assert all(places[member] > place for member, place in last.items())


def test_the_same_day_has_the_same_events(events: Events) -> None:
    again = list(live_events(sandbox(members=400, drift=False).engine, DAY))
    assert json.dumps(again) == json.dumps(events)


def test_profiles_are_those_of_the_api(running: Sandbox, events: Events, tmp_path: Path) -> None:
    true = {row["id"]: row for row in running.truth("users", DAY)}
    secret = {"password", "salt", "hashAlgorithmId"}
    tokens = re.compile(".*(Token|Secret|passwordGenerated)")
    for event in of(events, "users"):
        profile = true[event["id"]]
        assert {event[name] for name in secret} == {None}
        told = {
            snake(name): value
            for name, value in event.items()
            if name not in secret and not tokens.fullmatch(name)
        }
        assert told.pop("country") == COUNTRIES[profile["country"]]
        tiers = told.pop("tier_info")
        assert set(told) == set(profile) - {"country", "tier_info"}
        for name, value in told.items():
            if value is None or name in {"extra_data", "custom_data"}:
                assert value == profile[name]
            elif name == "date_of_birth":
                assert isinstance(value, str)
                assert instant(value)[:10] == profile[name]
            elif name.startswith("date_"):
                assert isinstance(value, str)
                assert instant(value) == profile[name]
            elif name == "segments":
                assert [each["subscriptionId"] for each in value] == [
                    each["subscription_id"] for each in profile[name]
                ]
            else:
                assert not isinstance(value, bool)
                as_text = name in {"gender_id", "sign_up_channel_id"}
                assert value == (str(profile[name]) if as_text else profile[name])
        assert snaked(tiers) == profile["tier_info"]
        assert type(tiers["isMaintenanceMode"]) in {int, type(None)}
    assert {event["isActive"] for event in of(events, "users")} == {0, 1}
    told_of = {event["id"] for event in of(events, "users")}
    assert told_of == {int(row["id"]) for row in pushed(running, tmp_path, DAY)[0]}
    assert len(of(events, "users")) == len(told_of)


def test_tokens_are_canaries_where_the_profile_of_the_api_has_them() -> None:
    profiles = of(list(live_events(sandbox(members=400).engine, DAY)), "users")
    text = json.dumps(profiles)
    assert '"facebookAccessToken": "CANARY-' in text
    assert '"someToken": "CANARY-' in text
    assert "CANARY-password" not in text
    assert {profile["salt"] for profile in profiles} == {None}


def test_no_canary_is_sent_without_drift(events: Events) -> None:
    assert "CANARY-" not in json.dumps(events)


def test_activities_are_the_lines_of_the_history(running: Sandbox, events: Events) -> None:
    true = {
        row["user_activity_id"]: row
        for row in of_day(running, "user_activity_history", DAY, "date_created")
    }
    told = of(events, "activities")
    assert {event["userActivityId"] for event in told} == set(true)
    assert len(told) == len(true)
    catalog = {row["id"]: row for row in running.truth("activities", DAY)}
    people = {row["id"]: row for row in running.truth("users", DAY)}
    for event in told:
        row = true[event["userActivityId"]]
        extra = event["activityExtraData"]
        assert (
            event["userId"],
            event["activityId"],
            event["activityName"],
            event["points"],
            event["notes"],
            instant(event["dateCreated"]),
            None if extra is None else json.loads(extra),
            event["thirdPartyId"],
        ) == (
            row["user_id"],
            str(row["activity_id"]),
            row["name"],
            row["num_points"],
            row["notes"],
            row["date_created"],
            row["extra_data"],
            people[row["user_id"]]["third_party_id"],
        )
        if row["activity_id"] in catalog:
            activity = catalog[row["activity_id"]]
            assert event["title"] == activity["title"]
            assert event["translatedDescription"] == activity["public_description"]
    assert {event["referenceId"] is None for event in told} == {True, False}


def test_redemptions_are_those_of_the_api(running: Sandbox, events: Events) -> None:
    true = {row["id"]: row for row in of_day(running, "redemptions", DAY, "order_date")}
    told = of(events, "redemptions")
    assert {event["orderId"] for event in told} == set(true)
    for event in told:
        row = true[event["orderId"]]
        extra = event.pop("rewardExtraData")
        assert (None if extra is None else json.loads(extra)) == row["extra_data"]
        assert instant(event["orderDate"]) == row["order_date"]
        assert event["userId"] == row["user_id"]
        assert event["emailAddress"].endswith("@example.test")
        for name in set(event) - {"orderDate", "userId", "emailAddress", "thirdPartyId"}:
            assert event[name] == row[snake(name)]


def test_expirations_are_those_of_the_file(
    running: Sandbox, events: Events, tmp_path: Path
) -> None:
    rows = [row for row in pushed(running, tmp_path, DAY)[3] if row["message_date"]]
    for row in rows:
        del row["inactivity_points_exp"]
    told = [
        {snake(name): "" if value is None else str(value) for name, value in event.items()}
        for event in of(events, "points-expiration")
    ]
    assert told == rows


def test_segments_say_who_joined_one_and_who_rose() -> None:
    running = sandbox(members=1000)
    before, after = (
        {row["id"]: row for row in running.truth("users", day)} for day in (DAY - 1, DAY)
    )
    wanted = set()
    for member, row in after.items():
        level = row["fan_level"]
        old = before[member]["fan_level"] if member in before else None
        if old != level:
            wanted |= {(member, "group", level, "entered")}
            wanted |= {(member, "group", old, "exited")} if old else set()
        if member not in before:
            wanted |= {(member, "segment", each["name"], "entered") for each in row["segments"]}
    told = of(list(live_events(running.engine, DAY)), "segments")
    assert {
        (event["user_id"], event["type"], event["name"], event["event"]) for event in told
    } == wanted
    assert len(told) == len(wanted)
    assert {event["event"] for event in told} == {"entered", "exited"}
    assert {event["type"] for event in told} == {"group", "segment"}
    assert {type(event["subscription_id"]) for event in told} == {int}
    assert {event["trigger"] for event in told} == {"segment criteria"}


def test_a_day_that_cannot_be_is_refused(running: Sandbox) -> None:
    with pytest.raises(ValueError, match="day: must be"):
        list(live_events(running.engine, -1))

"""Live Push: events that say what the API says, in order of time."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.sandbox_client import instant, sandbox
from support.sandbox_feeds import COUNTRIES, of_day, pushed

from crowdtwist_sandbox.feeds.live_push import live_events

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

DAY = 3
LONGEST = 4000
ARRAY = "redemption_period_points_expiration"
PROFILE = {
    "country", "receiveSmsMessages", "facebookUserId", "redeemablePoints", "postalCode",
    "tierInfo", "customData", "signUpTypeId", "isActive", "emailAddress", "password",
    "dateMobileVerified", "dateLastLogin", "yahooUserId", "state", "id", "monthlyPoints",
    "signUpCampaign", "signUpChannelId", "ipAddress", "fanRank", "firstName", "fsqUserId",
    "activityStreamOptIn", "googleUserId", "region", "instUserId", "weeklyPoints", "lastName",
    "clientBrandingId", "gender", "city", "dateLastUpdated", "hashAlgorithmId",
    "numFacebookFriends", "thirdPartyId", "dateCreated", "mobilePhoneNumber", "salt",
    "numTwitterFollowers", "streetAddress1", "streetAddress2", "emailIsVerified",
    "fanLevelName", "dateOfBirth", "receiveEmailUpdates", "userName", "twitterUserId",
    "langPref", "totalPoints", "numPointsPurchased", "middleName", "passwordGenerated",
}  # fmt: skip
TIERS = {
    "reset_date", "date_reached", "score_needed_to_reach", "next_level", "timeframe_score",
    "tier_score", "assigned_by_event", "current_level", "days_until_reset_date",
    "days_until_expiration_date", "date_assigned", "expiration_date", "score_needed_to_maintain",
}  # fmt: skip
NOT_IN_HISTORY = {
    "orderDate", "userId", "emailAddress", "thirdPartyId", "userName", "couponCode",
    "rewardExtraData",
}  # fmt: skip
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


def test_names_are_in_camel_case_but_for_segments_and_arrays(events: Events) -> None:
    for feed, event in events:
        in_snake_case = feed == "segments" or ARRAY in event
        pattern = r"[a-z]+(_[a-z]+)*" if in_snake_case else r"[a-z]+([A-Z0-9][a-z]*)*"
        odd = keys(event) - {"timeframe_score"}
        assert all(re.fullmatch(pattern, name) for name in odd)


def test_events_come_in_order_of_time(events: Events) -> None:
    names = {
        "activities": "date_created",
        "redemptions": "order_date",
        "points-expiration": "message_date",
        "segments": "date_occurred",
    }
    dates = [int(snaked(event)[names[feed]]) for feed, event in events if feed in names]
    assert dates == sorted(dates)
    last = {
        event["userId"]: place for place, (feed, event) in enumerate(events) if feed == "activities"
    }
    places = {event["id"]: place for place, (feed, event) in enumerate(events) if feed == "users"}
    assert all(places[member] > place for member, place in last.items())


def test_the_same_day_has_the_same_events(events: Events) -> None:
    again = list(live_events(sandbox(members=400, drift=False).engine, DAY))
    assert json.dumps(again) == json.dumps(events)


def test_profiles_have_the_properties_of_the_page_and_say_what_the_api_says(
    running: Sandbox, events: Events, tmp_path: Path
) -> None:
    true = {row["id"]: row for row in running.expected_rows("users", DAY)}
    profiles = of(events, "users")
    for event in profiles:
        assert set(event) == PROFILE
        profile = true[event["id"]]
        assert event["country"] == COUNTRIES[profile["country"]]
        assert event["fanLevelName"] == profile["fan_level"]
        assert event["userName"] == profile["username"]
        assert event["fanRank"] == profile["rank"]
        assert {event[name] for name in ("password", "salt", "hashAlgorithmId")} == {None}
        for name in event.keys() - {"country", "tierInfo", "customData"}:
            if snake(name) not in profile:
                continue
            value, expected = event[name], profile[snake(name)]
            assert not isinstance(value, bool)
            if value is None:
                assert expected is None
            elif name.startswith("date"):
                assert isinstance(value, str)
                assert instant(value)[: len(expected)] == expected
            else:
                assert value == (str(expected) if name == "signUpChannelId" else expected)
    assert {event["isActive"] for event in profiles} == {0, 1}
    told_of = {event["id"] for event in profiles}
    assert told_of == {int(row["id"]) for row in pushed(running, tmp_path, DAY)[0]}
    assert len(profiles) == len(told_of)


def test_the_tiers_of_a_profile_are_those_of_the_page(running: Sandbox, events: Events) -> None:
    true = {row["id"]: row["tier_info"] for row in running.expected_rows("users", DAY)}
    spellings = set()
    for event in of(events, "users"):
        tiers = snaked(event["tierInfo"])
        expected = true[event["id"]]
        spellings |= set(event["tierInfo"]) & {"timeframe_score", "timeframeScore"}
        assert tiers.pop("score") == expected["timeframe_score"]
        assert set(tiers) == TIERS
        for name, value in tiers.items():
            if name.endswith("_level") and value is not None:
                assert value == {each: expected[name][each] for each in value}
                assert set(value) == {"title", "min_value", "max_value"}
            elif value is not None and ("_date" in name or "date_" in name) and "days" not in name:
                assert isinstance(value, str)
                assert instant(value) == expected[name]
            else:
                assert value == expected[name]
    assert spellings == {"timeframe_score", "timeframeScore"}


def test_custom_data_comes_in_each_of_its_forms(running: Sandbox, events: Events) -> None:
    true: dict[int, Any] = {
        row["id"]: row.get("custom_data") for row in running.expected_rows("users", DAY)
    }
    forms: Counter[str] = Counter()
    for event in of(events, "users"):
        sent, expected = event["customData"], true[event["id"]]
        if isinstance(sent, str):
            try:
                decoded = json.loads(sent)
            except ValueError:
                forms["no JSON"] += 1
                assert expected["home_store"] in sent
            else:
                forms["JSON"] += 1
                assert decoded == expected
        else:
            forms[type(sent).__name__] += 1
            assert sent == expected
    assert set(forms) == {"NoneType", "dict", "JSON", "no JSON"}


def check_extra(sent: str | None, expected: Any) -> None:
    """Extra data says what the API says, whole or cut."""
    if sent is None or len(sent) < LONGEST:
        assert (None if sent is None else json.loads(sent)) == expected
        return
    assert len(sent) == LONGEST
    assert sent.startswith(json.dumps(expected, ensure_ascii=False, separators=(",", ":"))[:-1])
    with pytest.raises(json.JSONDecodeError):
        json.loads(sent)


def test_long_extra_data_is_cut_with_either_ellipsis(running: Sandbox) -> None:
    extra = [
        event["activityExtraData"]
        for day in range(DAY + 1)
        for event in of(list(live_events(running.engine, day)), "activities")
    ]
    cut = [text for text in extra if text and len(text) == LONGEST]
    assert {text[-1] for text in cut} == {".", "…"}
    assert len(cut) < len(extra) / 10


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
    catalog = {row["id"]: row for row in running.expected_rows("activities", DAY)}
    people = {row["id"]: row for row in running.expected_rows("users", DAY)}
    for event in told:
        row = true[event["userActivityId"]]
        assert (
            event["userId"],
            event["activityId"],
            event["activityName"],
            event["points"],
            event["notes"],
            instant(event["dateCreated"]),
            event["thirdPartyId"],
            instant(event["dateAwarded"]),
        ) == (
            row["user_id"],
            str(row["activity_id"]),
            row["name"],
            row["num_points"],
            row["notes"],
            row["date_created"],
            people[row["user_id"]]["third_party_id"],
            row["date_awarded"],
        )
        check_extra(event["activityExtraData"], row["extra_data"])
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
        check_extra(event["rewardExtraData"], row["extra_data"])
        assert instant(event["orderDate"]) == row["order_date"]
        assert event["userId"] == row["user_id"]
        assert event["emailAddress"].endswith("@example.test")
        for name in set(event) - NOT_IN_HISTORY:
            assert event[name] == row[snake(name)]
    assert {"thirdPartyId" in event for event in told} == {True, False}
    assert {str(event["couponCode"])[:5] for event in told} == {"None", "CODE-"}


def test_expirations_are_those_of_the_file_flat_or_in_arrays(
    running: Sandbox, tmp_path: Path
) -> None:
    nested: Counter[bool] = Counter()
    for day in range(1, DAY + 12):
        rows = [row for row in pushed(running, tmp_path, day)[3] if row.get("inactivity_exp_date")]
        events = of(list(live_events(running.engine, day)), "points-expiration")
        for event, row in zip(map(snaked, events), rows, strict=True):
            nested[ARRAY in event] += 1
            months = event.pop(ARRAY, [])
            (idle,) = event.pop("inactivity_points_expiration", [event])
            for name in ("user_id", "email_address", "third_party_id", "message_date"):
                assert ("" if event[name] is None else str(event[name])) == row[name]
            assert idle["last_qualified_date"] == row["inactivity_last_qualified_date"]
            assert idle["expiration_date"] == row["inactivity_exp_date"]
            check_months(running, day, event["user_id"], months)
    assert set(nested) == {True, False}


def check_months(running: Sandbox, day: int, member: int, months: list[dict[str, Any]]) -> None:
    """They are the API's, and each has something."""
    rows = [
        row for row in running.expected_rows("points_expiration", day) if row["user_id"] == member
    ]
    for month in months:
        told = month | {"expiration_date": instant(month["expiration_date"])}
        assert any(told.items() <= row.items() for row in rows)
        assert any(value for name, value in month.items() if name.startswith("points_"))


def test_segments_say_who_joined_one_and_who_rose() -> None:
    running = sandbox(members=1000)
    before, after = (
        {row["id"]: row for row in running.expected_rows("users", day)} for day in (DAY - 1, DAY)
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

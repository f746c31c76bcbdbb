"""Live events as their pages have them, with values of our own, arrive whole and typed.

They are posted to the receiver, and the tap reads what it captured.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from support.harness import Result, discover, entry_of, run_cli, sandbox, select, without_nulls
from support.receiver import BY_KEY, KEY, Running, receiving

from crowdtwist_receiver.feeds import PATHS, detect_feed
from crowdtwist_sandbox.feeds.live_push import live_events

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
STREAMS = ("live_users", "live_activities", "live_redemptions", "live_points_expiration")
CREDENTIALS = ("password", "salt", "hashAlgorithmId", "passwordGenerated")
CODE = "MADE-UP-HONEY"


def sample(stream: str) -> list[Row]:
    events: list[Row] = json.loads((SAMPLES / f"{stream}.json").read_text(encoding="utf-8"))
    return events


def at(epoch: Any) -> str:
    return f"{datetime.fromtimestamp(int(epoch), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def read(running: Running, scratch: Path, *streams: str, **settings: Any) -> Result:
    """Run the tap over what a receiver has captured."""
    paths = {"live_push_path": str(running.directory), **settings}
    args = []
    for name, content in (("config", paths), ("catalog", select(*streams, paths=paths))):
        file = scratch / f"{name}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        args += [f"--{name}", str(file)]
    result = run_cli(*args, present=datetime.now(timezone.utc))
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A receiver that got the samples, all on the path that tells feeds apart."""
    with receiving(tmp_path_factory.mktemp("live"), secrets=BY_KEY) as running:
        for stream in STREAMS:
            assert running.post("/live", sample(stream)).status_code == 200
        yield running


@pytest.fixture(scope="module")
def result(captured: Running, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return read(captured, tmp_path_factory.mktemp("tap"), *STREAMS)


def rows_of(result: Result, stream: str) -> list[Row]:
    """The rows of a stream, without nulls and what the receiver adds."""
    rows = []
    for record in result.records[stream]:
        row: Row = without_nulls(record)
        del row["received_at"]
        rows.append(row)
    return rows


def test_nothing_documented_is_unknown_or_of_another_type(result: Result) -> None:
    assert "unknown property" not in result.stderr
    assert "does not fit" not in result.stderr
    assert "masked" not in result.stderr
    assert not [line for line in result.stderr.splitlines() if "WARNING" in line]


@pytest.mark.parametrize("stream", STREAMS)
def test_records_of_samples_fit_their_schema(result: Result, stream: str) -> None:
    schema = entry_of(discover({"live_push_path": "anywhere"}), stream)["schema"]
    assert result.records[stream]
    for record in result.records[stream]:
        jsonschema.validate(record, schema, format_checker=jsonschema.FormatChecker())


def test_each_value_of_a_profile_is_in_its_column(result: Result) -> None:
    sent = sample("live_users")[0]
    row, *_ = rows_of(result, "live_users")
    assert len(row.pop("event_id")) == 32
    assert len(row) == len(set(sent) - set(CREDENTIALS))
    assert row == {
        "id": 7310055,
        "first_name": "Mere",
        "middle_name": "T.",
        "last_name": "Aroha",
        "date_of_birth": "1988-07-15",
        "gender": "Female",
        "email_address": "mere@members.test",
        "email_is_verified": True,
        "is_active": True,
        "username": "mere_a",
        "mobile_phone_number": "+6421000055",
        "date_mobile_verified": at(sent["dateMobileVerified"]),
        "third_party_id": "CRM-55",
        "country": "NZ",
        "region": "Lower North Island",
        "state": "Wellington",
        "city": "Wellington",
        "street_address_1": "12 Harbour Rise",
        "street_address_2": "Unit 4",
        "postal_code": "6011",
        "receive_email_updates": False,
        "receive_sms_messages": True,
        "activity_stream_opt_in": False,
        "lang_pref": "en_NZ",
        "total_points": 2140,
        "redeemable_points": 640,
        "monthly_points": 120,
        "weekly_points": 30,
        "num_points_purchased": 15,
        "fan_rank": 88,
        "fan_level": "Kowhai",
        "tier_info": {
            "reset_date": at(sent["tierInfo"]["resetDate"]),
            "date_reached": at(sent["tierInfo"]["dateReached"]),
            "date_assigned": at(sent["tierInfo"]["dateAssigned"]),
            "expiration_date": at(sent["tierInfo"]["expirationDate"]),
            "score_needed_to_reach": 860,
            "score_needed_to_maintain": 0,
            "timeframe_score": 2140,
            "tier_score": 2140,
            "score": 2145,
            "assigned_by_event": "jump",
            "days_until_reset_date": 294,
            "days_until_expiration_date": 264,
            "current_level": {"min_value": 1000, "max_value": 2999, "title": "Kowhai"},
            "next_level": {"min_value": 3000, "max_value": 7499, "title": "Totara"},
        },
        "custom_data": {"nearestShop": "Cuba Street", "sizes": {"shoe": 41}},
        "sign_up_type_id": 3,
        "sign_up_channel_id": 5,
        "sign_up_campaign": "winter-draw",
        "client_branding_id": 2,
        "ip_address": "192.0.2.17",
        "facebook_user_id": "fb-31007",
        "twitter_user_id": "tw-31007",
        "google_user_id": "110000000000000031007",
        "inst_user_id": "in-31007",
        "fsq_user_id": "fsq-31007",
        "yahoo_user_id": "ya-31007",
        "num_facebook_friends": 212,
        "num_twitter_followers": 19,
        "date_created": at(sent["dateCreated"]),
        "date_last_login": at(sent["dateLastLogin"]),
        "date_last_updated": at(sent["dateLastUpdated"]),
    }


def test_custom_data_arrives_in_each_form_and_so_does_the_score(result: Result) -> None:
    _, null, text, prose = rows_of(result, "live_users")
    assert "custom_data" not in null
    assert null["tier_info"] == {"timeframe_score": 0}
    assert text["custom_data"] == {"nearestShop": "Queen Street"}
    assert "custom_data" not in prose
    assert prose["additional_properties"] == {"custom_data": "{nearestShop: Pier 3}"}


def test_each_value_of_an_activity_is_in_its_column(result: Result) -> None:
    whole, *cut = rows_of(result, "live_activities")
    assert whole == {
        "event_id": "900200301",
        "user_id": 7310055,
        "user_activity_id": 900200301,
        "activity_id": 4417,
        "activity_name": "jar_return",
        "num_points": 35,
        "notes": "Seven jars, rinsed",
        "reference_id": "RET-9",
        "extra_data": {"jars": 7},
        "third_party_id": "CRM-55",
        "title": "Return your jars",
        "description": "Bring back empty jars.",
        "translated_title": "Whakahokia ngā ipu",
        "translated_description": "Whakahokia mai ngā ipu kua pau.",
        "date_awarded": at(1773090000),
    }
    for row, sent in zip(cut, sample("live_activities")[1:], strict=True):
        assert row["notes"] == sent["notes"]
        assert "extra_data" not in row
        assert row["additional_properties"] == {"extra_data": sent["activityExtraData"]}


def test_each_value_of_a_redemption_is_in_its_column_but_for_the_code(result: Result) -> None:
    whole, cut = rows_of(result, "live_redemptions")
    assert whole == {
        "event_id": "5600901",
        "order_id": "5600901",
        "order_date": at(1773091000),
        "reward_id": 8101,
        "reward_group_id": 810,
        "category": "Pantry",
        "title": "Honey voucher",
        "description": "A voucher for a jar of honey.",
        "color": "Amber",
        "size": "350 g",
        "reference_id": "HV-350",
        "extra_data": {"shelf": "B2"},
        "total_points_redeemed": 400,
        "username": "mere_a",
        "third_party_id": "CRM-55",
    }
    assert "third_party_id" not in cut
    sent = sample("live_redemptions")[1]["rewardExtraData"]
    assert cut["additional_properties"] == {"extra_data": sent}
    assert CODE not in result.stdout + result.stderr


def test_the_code_has_its_column_where_codes_are_wanted(captured: Running, tmp_path: Path) -> None:
    wanted = read(captured, tmp_path, "live_redemptions", spendable_values="keep")
    assert rows_of(wanted, "live_redemptions")[0]["coupon_code"] == CODE


def test_each_value_of_an_expiration_is_in_its_column(result: Result) -> None:
    flat, batch, *entries = rows_of(result, "live_points_expiration")
    sent = sample("live_points_expiration")
    for row, event in ((flat, sent[0]), (batch, sent[1])):
        del row["event_id"]
        assert row == {
            name: at(value) if name.endswith("_date") else value for name, value in event.items()
        }
    whose = {
        "user_id": 7310057,
        "email_address": "ana@members.test",
        "third_party_id": "CRM-57",
    }
    assert [{**row, "event_id": row["event_id"].partition("-")[2]} for row in entries] == [
        {
            **whose,
            "event_id": "redemption_period-1",
            "rule_type": "redemption_period",
            "expiration_date": "2026-02-28T00:00:00Z",
            "points_expired": 12,
            "points_expiring": 0,
            "points_redeemed": 4,
        },
        {
            **whose,
            "event_id": "redemption_period-2",
            "rule_type": "redemption_period",
            "expiration_date": "2026-03-31T04:00:00Z",
            "points_expired": 0,
            "points_expiring": 25,
            "points_redeemed": 0,
        },
        {
            **whose,
            "event_id": "inactivity-1",
            "rule_type": "inactivity",
            "last_qualified_date": "2025-12-04T08:15:00Z",
            "expiration_date": "2026-12-04T08:15:00Z",
            "points_expiring": 25,
            "days_until_expiry": 269,
        },
    ]


def test_each_event_of_the_sandbox_tells_its_feed() -> None:
    engine = sandbox(members=200).engine
    for feed, event in (pair for day in range(4) for pair in live_events(engine, day)):
        assert detect_feed(event) == PATHS[f"/live/{feed}"]


def test_what_the_sandbox_posts_is_known_and_fits(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    with sandbox(members=300, drift=False) as running, receiving(tmp_path / "live") as receiver:
        for day in (0, 1, 2):
            running.post_live_push(f"{receiver.url}/live", api_key=KEY, day=day)
        result = read(receiver, tmp_path, *STREAMS)
    assert all(result.records[stream] for stream in STREAMS)
    assert "unknown property" not in result.stderr
    assert "does not fit" not in result.stderr
    assert "Texts that should be JSON objects" in result.stderr

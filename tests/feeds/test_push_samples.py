"""The documented form of each Data Push file, rebuilt with invented values, is read in full."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.push_files import FEEDS, check_valid, name_of, put, read

from tap_crowdtwist.files.month_columns import month_column

if TYPE_CHECKING:
    from support.harness import Result

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
NAMES = sorted(path.name for path in SAMPLES.glob("push_*.csv"))
RENAMED = {"mobile_number": "mobile_phone_number"}
OF_THE_TAP = {"file_name", "file_line", "content_date"}

FIRST: dict[str, dict[str, Any]] = {
    "push_users.csv": {
        "id": 7310021,
        "first_name": "Maren",
        "middle_name": "K.",
        "last_name": "Ollivander",
        "date_of_birth": "1988-07-14",
        "email_address": "maren@members.test",
        "street_address_1": "4 Quarry Lane",
        "street_address_2": "Flat 2",
        "city": "Halifax",
        "state": "West Yorkshire",
        "postal_code": "HX1 9ZZ",
        "country_code": "GB",
        "region": "North",
        "gender": "Female",
        "email_is_verified": True,
        "receive_email_updates": True,
        "receive_sms_messages": False,
        "total_points": 4820,
        "redeemable_points": 1310,
        "fan_rank": 57,
        "mobile_phone_number": "+441422000017",
        "date_mobile_verified": "2026-01-01T10:00:00Z",
        "date_last_login": "2026-03-09T22:02:00Z",
    },
    "push_user_activities.csv": {
        "id": 7310021,
        "activity_id": 4411,
        "user_activity_id": 900100201,
        "activity_name": "Bottle return",
        "num_points": 25,
        "notes": 'Two crates, "blue"',
        "third_party_id": "MK-0007",
        "email_address": "maren@members.test",
        "mobile_phone_number": "+441422000017",
        "date_created": "2026-03-09T10:00:00Z",
    },
    "push_redemptions.csv": {
        "order_date": "2026-03-09T16:00:00Z",
        "order_id": "5500123",
        "total_points_redeemed": 900,
        "category_name": "Kitchen",
        "reward_title": "Enamel mug",
        "quantity": 2,
        "color": "Green",
        "size": "0.5 l",
        "reference_id": "SKU-77",
        "first_name": "Maren",
        "last_name": "Ollivander",
        "email_address": "maren@members.test",
        "username": "maren_o",
        "third_party_id": "MK-0007",
        "shipping_first_name": "Maren",
        "shipping_last_name": "Ollivander",
        "shipping_street_address_1": "4 Quarry Lane",
        "shipping_street_address_2": "Flat 2",
        "shipping_city": "Halifax",
    },
    "push_points_expiration.inactivity.csv": {
        "user_id": 7310021,
        "email_address": "maren@members.test",
        "third_party_id": "MK-0007",
        "message_date": "2026-03-09T11:00:00Z",
        "inactivity_last_qualified_date": "2025-03-09T11:00:00Z",
        "inactivity_exp_date": "2026-03-10T11:00:00Z",
        "inactivity_points_exp": 1310,
    },
    "push_points_expiration.redemption_period.csv": {
        "user_id": 7310038,
        "email_address": "tomas@members.test",
        "redemption_periods": [
            {
                "month": "pre1",
                "expiration_date": "2026-02-28T23:59:59Z",
                "points_expired": 35,
                "points_expiring": None,
                "points_redeemed": 10,
            },
            {
                "month": "cur",
                "expiration_date": "2026-03-31T00:00:00Z",
                "points_expired": None,
                "points_expiring": 60,
                "points_redeemed": 0,
            },
        ],
    },
}
"""The first record of each sample, but for nulls and what the tap adds."""


def read_sample(folder: Path, name: str) -> tuple[list[dict[str, Any]], Result]:
    stream = name.partition(".")[0]
    put(folder, name_of(FEEDS[stream], 10), (SAMPLES / name).read_bytes())
    result = read(folder, stream)
    check_valid(result)
    return result.records[stream], result


def told(row: dict[str, Any], names: set[str]) -> set[str]:
    return {name for name in names if row.get(name) not in (None, "")}


def test_there_is_a_sample_of_each_feed() -> None:
    assert {name.partition(".")[0] for name in NAMES} == set(FEEDS)
    assert sorted(FIRST) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_no_unknown_property_and_no_misfit(tmp_path: Path, name: str) -> None:
    records, result = read_sample(tmp_path, name)
    assert all(record["additional_properties"] is None for record in records)
    assert "WARNING" not in result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_value_of_a_sample_stands_in_its_column(tmp_path: Path, name: str) -> None:
    records, _ = read_sample(tmp_path, name)
    first = {column: value for column, value in records[0].items() if value is not None}
    assert first == FIRST[name] | {
        "file_name": name_of(FEEDS[name.partition(".")[0]], 10),
        "file_line": 2,
        "content_date": "2026-03-09",
    }
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, record in zip(rows, records, strict=True):
        months = {column for column in row if month_column(column)}
        columns = told(row, set(row) - months)
        if told(row, months):
            columns.add("redemption_periods")
        assert told(record, set(record) - OF_THE_TAP) == {RENAMED.get(c, c) for c in columns}

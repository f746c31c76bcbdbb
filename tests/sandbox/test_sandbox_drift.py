"""Drift: the forms of section "API Best Practices" and the samples, and where secrets stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.sandbox_client import FIRST_ID, HEAVY, LISTINGS, Client, is_credential, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

HISTORY = "/v2.1/users/{}/activity_history"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with sandbox(members=120) as running, requests.Session() as session:
        yield Client(running, session)


@pytest.fixture(scope="module")
def plain() -> Iterator[Client]:
    with sandbox(members=120, drift=False) as running, requests.Session() as session:
        yield Client(running, session)


def forms(rows: list[dict[str, Any]], name: str) -> set[str]:
    """How a field is written: the type, and for ISO 8601 the end."""
    found = set()
    for row in rows:
        value = row.get(name)
        if value is None:
            continue
        text = f"{value}"
        end = next((end for end in (".000Z", "Z", "+00:00", "-04:00") if text.endswith(end)), "")
        found.add(f"{type(value).__name__}{end}")
    return found


def profiles(client: Client) -> list[dict[str, Any]]:
    return [
        client.get(f"/v2/users/{text}").json()
        for text in client.sandbox.roster()[:100]
        if int(text) != FIRST_ID + 7 * 37
    ]


def test_instants_take_every_form(client: Client) -> None:
    rows = list(client.rows("user_activity_history", HEAVY))
    every = {"int", "str", "strZ", "str.000Z", "str+00:00", "str-04:00"}
    assert forms(rows, "date_created") == every
    assert forms(list(client.rows("purchases", HEAVY)), "last_date_purchased") == every


def test_flags_and_ids_take_every_form(client: Client) -> None:
    rows = profiles(client)
    assert forms(rows, "is_active") == {"bool", "int", "str"}
    assert forms(rows, "id") == {"int", "str"}
    assert forms(rows, "total_points") == {"int", "str"}
    assert forms(rows, "date_of_birth") == {"int", "str", "strZ"}
    assert forms(rows, "extra_data") == {"dict", "str"}
    assert any(str(row.get("date_of_birth", "")).startswith("-") for row in rows)


def test_without_drift_every_field_has_its_documented_form(plain: Client) -> None:
    history = list(plain.rows("user_activity_history", HEAVY))
    assert forms(history, "date_created") == {"str"}
    assert forms(history, "activity_date") == {"strZ"}
    assert forms(history, "user_activity_id") == {"int"}
    assert forms(list(plain.rows("activities")), "id") == {"str"}
    assert forms(list(plain.rows("user_activities", HEAVY)), "id") == {"int"}
    assert forms(list(plain.rows("rewards")), "is_enabled") == {"int"}
    assert forms(list(plain.rows("rewards")), "show_as_locked") == {"str"}
    assert forms(list(plain.rows("badges")), "date_start") == {"str.000Z"}
    assert forms(profiles(plain), "is_active") == {"bool"}
    assert "CANARY-" not in json.dumps(profiles(plain))


@pytest.mark.parametrize("stream", [*LISTINGS, "points_expiration"])
def test_unknown_properties_turn_up_in_every_resource(client: Client, stream: str) -> None:
    members = [HEAVY] + [FIRST_ID + 7 * number for number in range(60) if number != 37]
    if "{}" not in LISTINGS.get(stream, ("{}",))[0]:
        members = [0]
    rows = [row for user_id in members for row in client.rows(stream, user_id)]
    new = sum("new_property_2026" in row for row in rows)
    assert 0 < new < len(rows) / 4


def test_one_member_in_seven_has_rows_without_ids(client: Client) -> None:
    def has(user_id: int, stream: str, name: str) -> set[bool]:
        return {name in row for row in client.rows(stream, user_id)}

    numbers = [number for number in range(21) if number != 13]
    lacking = [
        n
        for n in numbers
        if has(FIRST_ID + 7 * n, "user_activity_history", "user_activity_id") == {False}
    ]
    assert lacking
    assert {n % 7 for n in lacking} == {3}
    orders = [n for n in numbers if has(FIRST_ID + 7 * n, "redemptions", "order_id") == {False}]
    assert {n % 7 for n in orders} <= {4}


def test_secrets_stand_on_profiles_as_canaries(client: Client) -> None:
    seen = set()
    for row in profiles(client):
        for name, value in row.items():
            canary = str(value).startswith("CANARY-")
            assert not canary or is_credential(name)
            if canary:
                seen.add(name)
    assert seen == {
        "password",
        "salt",
        "facebook_access_token",
        "twitter_oauth_token",
        "twitter_oauth_token_secret",
        "pinterest_access_token",
        "inst_access_token",
        "some_token",
        "partner_secret",
    }


def test_names_drift_where_the_samples_do(client: Client, plain: Client) -> None:
    path = "/v2.1/activities/extended"
    assert "previous_page" in client.get(path).json()["paging"]
    assert "prev_page" in plain.get(path).json()["paging"]
    members = [FIRST_ID + 7 * number for number in range(60) if number != 37]
    for stream, candidates in {
        "activities": {"activity_tag", "activity_tags"},
        "coupons": {"coupon_code", "coupon_value"},
        "redemptions": {"expiration_date", "date_expiration", "coupon_expiration_date"},
    }.items():
        whose = members if stream != "activities" else [0]
        rows = [row for user_id in whose for row in client.rows(stream, user_id)]
        names = [candidates & row.keys() for row in rows]
        assert all(len(found) <= 1 for found in names)
        assert set().union(*names) == candidates


def test_paging_is_a_list_of_one_for_some(client: Client, plain: Client) -> None:
    for template in ("/v2.1/users/{}/rewards", "/v2.2/users/{}/redemption_history"):
        paths = [template.format(FIRST_ID + 7 * number) for number in range(12)]
        assert {type(client.get(path).json()["paging"]) for path in paths} == {dict, list}
        assert {type(plain.get(path).json()["paging"]) for path in paths} == {dict}


def test_points_expiration_misspells_a_key_and_omits_empty_arrays(client: Client) -> None:
    misspelt, shapes = 0, set()
    for row in client.sandbox.expected_rows("users"):
        body = client.get(f"/v2/users/{row['id']}/points_expiration").json()
        shapes.add(len(body))
        entries = body["redemption_period_points_expiration"]
        assert len(entries) == 10
        for entry in entries:
            assert ("points_expiring" in entry) != ("points_expiringpoin" in entry)
            misspelt += "points_expiringpoin" in entry
    assert misspelt
    assert shapes == {1, 2}


def test_custom_data_is_absent_rather_than_null(plain: Client) -> None:
    rows = profiles(plain)
    assert {row["custom_data"] is None for row in rows if "custom_data" in row} == {False}
    assert any("custom_data" not in row for row in rows)

"""Endpoints, and what they answer to wrong questions."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests
from support.sandbox_client import FIRST_ID, GONE, HEAVY, KEY, LISTINGS, Client, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER_PATHS = [
    "/v2/users/{}",
    "/v2/users/{}/points_expiration",
    *(path for path, _, _ in LISTINGS.values() if path.startswith("/v2") and "{}" in path),
]
NOT_FOUND = {"error": "page_not_found", "message": "The requested page does not exist."}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with sandbox(drift=False) as running, requests.Session() as session:
        yield Client(running, session)


@pytest.mark.parametrize("path", MEMBER_PATHS)
def test_members_who_are_gone_unknown_or_misspelt_are_not_found(client: Client, path: str) -> None:
    for user_id in (GONE, FIRST_ID + 1, FIRST_ID + 7 * 60, 3, f"0{FIRST_ID}", "x", "9" * 99):
        response = client.get(path.format(user_id))
        assert (response.status_code, response.json()["error"]) == (404, "page_not_found")


def test_the_pos_host_nests_its_errors(client: Client) -> None:
    missing = client.get(f"/users/{GONE}/purchases", pos=True)
    assert missing.status_code == 404
    assert missing.json()["error"]["errors"][0]["reason"] == "page_not_found"
    wrong = client.get(f"/users/{FIRST_ID}/purchases", pos=True, date_start="10/03/2026")
    assert wrong.status_code == 400
    assert wrong.json()["error"] == {
        "code": 400,
        "message": "date_start must be in the format YYYY-MM-DD.",
        "errors": [
            {"reason": "param_error", "message": "date_start must be in the format YYYY-MM-DD."}
        ],
    }


@pytest.mark.parametrize(
    "path", ["/", "/v2/users", "/v2/users//badges", "/v2/users/delete", "/x/y"]
)
def test_any_other_path_is_not_found(client: Client, path: str) -> None:
    for pos in (False, True):
        response = client.get(path, pos=pos)
        assert response.status_code == 404
        assert response.json()["error"] == "page_not_found"
    assert client.get("/v2/nonsense").json() == NOT_FOUND
    assert client.get(f"/users/{FIRST_ID}/purchases").json() == NOT_FOUND


def test_a_slash_at_the_end_of_a_profile_works(client: Client) -> None:
    assert client.get(f"/v2/users/{FIRST_ID}/").json() == client.get(f"/v2/users/{FIRST_ID}").json()


def test_only_get_is_served(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "HEAD"):
        for url in (client.sandbox.api_url, client.sandbox.pos_url):
            response = client.session.request(method, f"{url}/v2/users/{FIRST_ID}?api_key={KEY}")
            assert response.status_code == 405


@pytest.mark.parametrize(
    ("id_type", "user_id"),
    [
        ("id", str(FIRST_ID + 7 * 30)),
        ("email", "ada.sample+30@example.test"),
        ("third_party_id", "crm/00000030"),
        ("username", "user_30"),
        ("mobile_phone_number", "+15550000030"),
        ("facebook_user_id", "100000000000030"),
        ("twitter_user_id", "90000030"),
    ],
)
def test_every_id_type_leads_to_the_same_member(client: Client, id_type: str, user_id: str) -> None:
    path = f"/v2/users/{quote(user_id, safe='')}"
    assert client.get(path, id_type=id_type).json()["id"] == FIRST_ID + 7 * 30
    others = {"id", "email", "third_party_id", "username"} - {id_type}
    for other in others:
        assert client.get(path, id_type=other).status_code == 404
    known = id_type in {"id", "email", "third_party_id", "mobile_phone_number"}
    pos = client.get(f"/users/{quote(user_id, safe='')}/purchases", pos=True, id_type=id_type)
    assert pos.status_code == (200 if known else 400)


def test_an_unknown_id_type_is_a_parameter_error(client: Client) -> None:
    response = client.get(f"/v2/users/{FIRST_ID}", id_type="inst_username")
    assert (response.status_code, response.json()["error"]) == (400, "param_error")
    social = client.get(f"/v2/users/{FIRST_ID}/usable_coupons", id_type="facebook_user_id")
    assert social.status_code == 400


def test_a_member_without_a_third_party_id_has_none_to_be_found_by(client: Client) -> None:
    assert client.get(f"/v2/users/{FIRST_ID + 7 * 5}").json()["third_party_id"] is None
    assert client.get("/v2/users/crm%2F00000005", id_type="third_party_id").status_code == 404
    assert client.get("/v2/users/crm%2F000000030", id_type="third_party_id").status_code == 404
    assert client.get("/v2/users/%2B15550000003", id_type="mobile_phone_number").status_code == 404


def test_a_profile_without_pii_takes_two_id_types_only(client: Client) -> None:
    path = f"/v2/users/{FIRST_ID}"
    assert "email_address" in client.get(path, pii="true").json()
    for value in ("false", ""):
        row = client.get(path, pii=value).json()
        assert "email_address" not in row
        assert row["id"] == FIRST_ID
    by_email = client.get("/v2/users/ada.sample%2B0%40example.test", id_type="email", pii="false")
    assert by_email.status_code == 400


def test_long_answers_are_compressed_for_those_who_accept_it(client: Client) -> None:
    url = f"{client.sandbox.api_url}/v2/users/{FIRST_ID}?api_key={KEY}"
    plain = client.session.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = client.session.get(url, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.raw.read()) == plain.content
    short = client.get("/v2/users/1")
    assert "content-encoding" not in short.headers


def test_points_expiration_answers_an_error_with_status_200_without_a_rule() -> None:
    off = sandbox(expiration_rule=False, receipt_scanning=False)
    with off as running, requests.Session() as session:
        client = Client(running, session)
        response = client.get(f"/v2/users/{HEAVY}/points_expiration")
        assert (response.status_code, response.json()["error"]) == (200, "page_not_found")
        receipts = client.get(f"/v2/users/{HEAVY}/receipts")
        assert receipts.status_code == 400
        assert receipts.json()["error"] == "receipt_scanning_inactive"


def test_the_deletion_of_a_member_can_be_followed() -> None:
    with sandbox() as running, requests.Session() as session:
        client = Client(running, session)
        path = f"/v2/users/delete/{GONE}"
        running.advance(3)
        done = client.get(path).json()
        assert done["user_id"] == GONE
        assert done["status"] == "Deletion_completed"
        assert [step["status"] for step in done["status_history"]] == [
            "Deletion_initiated",
            "Deletion_in_progress",
            "Deletion_completed",
        ]
        assert done["status_history"][0]["date"].endswith("T10:00:00+00:00")
        for other in (FIRST_ID + 7 * 1, FIRST_ID + 7 * 999, "x"):
            assert client.get(f"/v2/users/delete/{other}").status_code == 404


def test_coupons_can_be_asked_without_the_expired_ones(client: Client) -> None:
    path = f"/v2/users/{HEAVY}/usable_coupons"
    every = client.get(path).json()
    usable = client.get(path, expired="false").json()
    assert 0 < len(usable) < len(every)
    assert all(row["expiration_date"] > "2026-03-10T23:59:59Z" for row in usable)
    assert client.get(path, expired="true").json() == every


def test_rewards_can_be_filtered_and_sorted(client: Client) -> None:
    every = client.get("/v2.1/rewards").json()["paging"]["total"]
    active = client.get("/v2.1/rewards", active_only=1).json()
    assert active["paging"]["total"] < every
    assert all(row["is_enabled"] == 1 for row in active["rewards"])
    ordered = client.get("/v2.1/rewards", sort_by="points", order="desc").json()["rewards"]
    prices = [row["num_points"] for row in ordered]
    assert prices == sorted(prices, reverse=True)
    assert client.get("/v2.1/rewards", sort_by="points").status_code == 400


def test_sold_out_rewards_come_on_demand(client: Client) -> None:
    path = f"/v2.1/users/{FIRST_ID}/rewards"
    usual = client.get(path).json()["paging"]["total"]
    assert client.get(path, include_soldout="true").json()["paging"]["total"] > usual


def test_catalog_rows_have_every_null_and_every_value(client: Client) -> None:
    for stream in ("activities", "rewards", "badges"):
        rows = list(client.rows(stream))
        nullable = {name for row in rows for name, value in row.items() if value is None}
        assert nullable
        assert all(rows[3][name] is None for name in nullable)
        assert all(rows[4][name] is not None for name in nullable)


def test_the_catalog_has_more_than_two_pages_of_each_and_grows(client: Client) -> None:
    assert client.get("/v2.1/activities/extended").json()["paging"]["total"] == 57
    assert len(list(client.sandbox.expected_rows("activities", day=2))) == 59
    assert len(list(client.rows("rewards"))) == 61
    assert len(list(client.rows("badges"))) == 33


def test_answers_are_json_without_a_server_signature(client: Client) -> None:
    response = client.get(f"/v2/users/{FIRST_ID}")
    assert response.headers["content-type"] == "application/json"
    json.loads(response.content)

"""The table of endpoints is what the API reference says."""

from __future__ import annotations

import re

import pytest

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.endpoints import DateFilter, Endpoint, Host, base_url

TABLE = [value for value in vars(endpoints).values() if isinstance(value, Endpoint)]


@pytest.mark.parametrize(
    ("environment", "prefix"),
    [("production", ""), ("sandbox", "sb-"), ("sandbox2", "sb2-"), ("us2", "us2-"), ("de", "de-")],
)
def test_hosts_are_named_by_environment_and_client(environment: str, prefix: str) -> None:
    main, pos = (base_url(host, environment, "512") for host in Host)
    assert main == f"https://{prefix}api512.crowdtwist.com"
    assert pos == f"https://{prefix}pos512.crowdtwist.com"


def test_every_resource_stands_on_its_documented_path() -> None:
    assert {endpoint.name: (endpoint.host.value, endpoint.path) for endpoint in TABLE} == {
        "activities": ("main", "/v2.1/activities/extended"),
        "rewards": ("main", "/v2.1/rewards"),
        "badges": ("main", "/v2.1/badges"),
        "deletions": ("main", "/v2/users/delete/{id}"),
        "users": ("main", "/v2/users/{id}"),
        "user_activities": ("main", "/v2/users/{id}/activities"),
        "user_activity_history": ("main", "/v2.1/users/{id}/activity_history"),
        "purchases": ("pos", "/users/{id}/purchases"),
        "user_rewards": ("main", "/v2.1/users/{id}/rewards"),
        "redemptions": ("main", "/v2.2/users/{id}/redemption_history"),
        "points_expiration": ("main", "/v2/users/{id}/points_expiration"),
        "receipts": ("main", "/v2/users/{id}/receipts"),
        "coupons": ("main", "/v2/users/{id}/usable_coupons"),
        "user_badges": ("main", "/v2.1/users/{id}/badges"),
        "points_awaiting_fulfillment": ("pos", "/fulfillment/users/{id}"),
    }


def test_no_page_is_larger_than_documented() -> None:
    assert {e.name: e.page_size for e in TABLE if e.page_size} == {
        "activities": 25,
        "rewards": 25,
        "badges": 25,
        "user_activity_history": 10,
        "user_rewards": 10,
        "redemptions": 10,
        "receipts": 25,
        "user_badges": 25,
    }


def test_purchases_have_pages_but_take_no_page_size() -> None:
    assert (endpoints.PURCHASES.is_paged, endpoints.PURCHASES.page_size) == (True, None)


def test_each_date_filter_is_the_documented_one() -> None:
    assert {endpoint.name: endpoint.dates for endpoint in TABLE if endpoint.dates} == {
        "user_activity_history": DateFilter.UNIX,
        "purchases": DateFilter.DAYS,
        "redemptions": DateFilter.WINDOWS,
    }


def test_redemptions_may_stand_under_either_of_their_names() -> None:
    assert endpoints.REDEMPTIONS.envelope == ("rewards", "redemptions")


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda endpoint: endpoint.name)
def test_a_resource_is_of_a_member_exactly_if_its_path_says_so(endpoint: Endpoint) -> None:
    assert endpoint.is_per_member is ("/users/" in endpoint.path)
    assert re.fullmatch(r"(/(v2(\.[12])?|users|\{id\}|[a-z_]+))+", endpoint.path)


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda endpoint: endpoint.name)
def test_what_has_pages_has_a_name_for_its_rows_and_a_key(endpoint: Endpoint) -> None:
    assert endpoint.key
    assert endpoint.envelope or not endpoint.is_paged

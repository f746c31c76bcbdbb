"""The accounts of points, which models are compared with."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sandbox_client import Client, eventful_sandbox, sandbox

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

DAY = 2
FIRST_MONTH, THIS_MONTH = "2025-12", "2026-03"
KINDS = {
    "Rédemption": "redeemed",
    "Points deducted by staff": "deducted",
    "Return of a purchase": "deducted",
}


@pytest.fixture(scope="module")
def running() -> Sandbox:
    return eventful_sandbox()


@pytest.fixture(scope="module")
def known(running: Sandbox) -> dict[int, dict[str, Any]]:
    return {account["user_id"]: account for account in running.accounts(DAY)}


@settings(max_examples=25)
@given(seed=st.integers(min_value=0, max_value=10_000), day=st.integers(min_value=0, max_value=40))
def test_balance_is_what_came_in_less_what_went_out(seed: int, day: int) -> None:
    for account in sandbox(members=8, seed=seed).accounts(day):
        expired = sum(expiry["points"] for expiry in account["expiries"])
        went_out = account["redeemed"] + account["deducted"] - expired
        assert account["redeemable_points"] == account["earned"] + went_out >= 0
        assert account["expired"] == -expired
        assert account["earned"] == account["total_points"]


def test_lots_hold_the_sums_and_the_oldest_are_used_up_first(
    known: dict[int, dict[str, Any]],
) -> None:
    for account in known.values():
        lots = account["lots"]
        assert [lot["month"] for lot in lots] == sorted({lot["month"] for lot in lots})
        assert sum(lot["issued"] for lot in lots) == account["earned"]
        assert sum(lot["remaining"] for lot in lots) == account["redeemable_points"]
        for kind in ("redeemed", "deducted", "expired"):
            assert sum(lot[kind] for lot in lots) == -account[kind]
        for lot in lots:
            used = lot["redeemed"] + lot["deducted"] + lot["expired"]
            assert all(lot[kind] >= 0 for kind in lot if kind != "month")
            assert lot["issued"] == used + lot["remaining"]
        touched = [lot["remaining"] for lot in lots if lot["remaining"] < lot["issued"]]
        assert not any(touched[:-1])


def test_accounts_agree_with_the_rows_of_the_api(
    running: Sandbox, known: dict[int, dict[str, Any]]
) -> None:
    people = {row["id"]: row for row in running.expected_rows("users", DAY)}
    assert list(known) == list(people)
    sums: Counter[tuple[int, str]] = Counter()
    for row in running.expected_rows("user_activity_history", DAY):
        sums[row["user_id"], KINDS.get(row["name"], "earned")] += row["num_points"]
    for user_id, account in known.items():
        person = people[user_id]
        assert account["redeemable_points"] == person["redeemable_points"]
        assert account["total_points"] == person["total_points"]
        assert account["joined_at"] == person["date_created"]
        level = person["tier_info"]["current_level"]
        assert account["tier"] == (level and level["title"])
        assert account["fan_level"] == person["fan_level"]
        for kind in ("earned", "redeemed", "deducted"):
            assert account[kind] == sums[user_id, kind]


def test_expiries_and_what_is_to_come_agree_with_the_rows_of_the_api(
    running: Sandbox, known: dict[int, dict[str, Any]]
) -> None:
    expired: set[tuple[int, str, int]] = set()
    ahead: set[tuple[int, str, str, int]] = set()
    for row in running.expected_rows("points_expiration", DAY):
        at = row["expiration_date"]
        if row.get("points_expired"):
            expired.add((row["user_id"], at, row["points_expired"]))
        if row["points_expiring"]:
            ahead.add((row["user_id"], row["rule_type"], at, row["points_expiring"]))
    assert expired == {
        (account["user_id"], expiry["expired_at"], expiry["points"])
        for account in known.values()
        for expiry in account["expiries"]
        if expiry["expired_at"] >= FIRST_MONTH
    }
    assert ahead == {
        (account["user_id"], rule, entry["expires_at"], entry["points"])
        for account in known.values()
        for rule, entries in account["expiring"].items()
        for entry in entries
    }


def test_moves_lead_from_the_first_tier_to_the_one_of_today(
    known: dict[int, dict[str, Any]],
) -> None:
    for account in known.values():
        path = ["Bronze", *(move["to"] for move in account["moves"])]
        assert [move["from"] for move in account["moves"]] == path[:-1]
        assert path[-1] == account["fan_level"]
        assert account["tier"] in {None, account["fan_level"]}


def test_later_days_only_add_to_expiries_and_moves(
    running: Sandbox, known: dict[int, dict[str, Any]]
) -> None:
    for account in running.accounts(40):
        before = known.get(account["user_id"])
        if before is not None:
            for name in ("expiries", "moves"):
                assert account[name][: len(before[name])] == before[name]


def test_everything_that_moves_points_happens_in_a_small_sandbox(running: Sandbox) -> None:
    days = [
        {account["user_id"]: account for account in running.accounts(day)} for day in range(DAY + 1)
    ]
    for before, after in pairwise(days):
        assert before.keys() - after.keys(), "a deleted member"
        staying = before.keys() & after.keys()
        moved = [i for i in staying if before[i]["moves"] != after[i]["moves"]]
        assert len(moved) > 1, "moves between tiers"
    assert any(days[0][i]["deducted"] > days[2][i]["deducted"] for i in days[0].keys() & days[2])
    expiries = [expiry for each in days[0].values() for expiry in each["expiries"]]
    assert any(FIRST_MONTH <= expiry["expired_at"] < THIS_MONTH for expiry in expiries)
    assert any(expiry["expired_at"] < FIRST_MONTH for expiry in expiries)
    assert {next_rule(account) for account in days[0].values()} == {
        "redemption_period",
        "inactivity",
        None,
    }
    assert None in {account["tier"] for account in days[0].values()}
    assert any("household_breakdown" in row for row in running.expected_rows("redemptions", 0))


def next_rule(account: dict[str, Any]) -> str | None:
    """The rule under which points of a member expire first."""
    dates = [
        (entries[0]["expires_at"], rule) for rule, entries in account["expiring"].items() if entries
    ]
    return min(dates)[1] if dates else None


def test_a_program_without_the_rule_has_nothing_to_come() -> None:
    for account in sandbox(expiration_rule=False).accounts():
        assert account["expiring"] == {"redemption_period": [], "inactivity": []}


def test_accounts_come_over_http_for_today_or_another_day() -> None:
    with sandbox() as running, requests.Session() as session:
        client = Client(running, session)
        running.advance()
        for asked, day in (({}, 1), ({"day": 3}, 3)):
            response = client.control("/accounts", **asked)
            assert response.headers["content-type"] == "application/jsonl"
            lines = [json.loads(line) for line in response.text.splitlines()]
            assert lines == list(running.accounts(day))
        for wrong in ("-1", "soon"):
            assert client.control("/accounts", day=wrong).status_code == 400

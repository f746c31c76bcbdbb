"""The made-up world: the same for the same seed, plausible, and moving from day to day."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.harness import KEYS
from support.sandbox_client import HEAVY, TODAY, sandbox

from crowdtwist_sandbox.world.identity import ID_TYPES, index_of
from crowdtwist_sandbox.world.population import Population
from crowdtwist_sandbox.world.timestamps import DAY, epoch_day, month_end
from crowdtwist_sandbox.world.world import STREAMS, World

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERED = ("user_activity_history", "redemptions")


def everything(day: int, **options: Any) -> str:
    with_day = sandbox(members=40, **options)
    return json.dumps([list(with_day.expected_rows(stream, day)) for stream in STREAMS])


def test_the_same_seed_and_day_are_the_same_world() -> None:
    assert everything(2) == everything(2)


@pytest.mark.parametrize("other", [{"seed": 4}, {"today": TODAY.replace(day=11)}])
def test_another_seed_or_date_is_another_world(other: dict[str, Any]) -> None:
    assert everything(0) != everything(0, **other)


def test_another_day_is_a_world_moved_on() -> None:
    assert everything(0) != everything(1)


@given(index=st.integers(min_value=0, max_value=9_999_999), id_type=st.sampled_from(list(ID_TYPES)))
def test_ids_lead_back_to_their_member(index: int, id_type: str) -> None:
    text = ID_TYPES[id_type](index)
    if text is not None:
        assert index_of(id_type, text) == index


@given(text=st.text(max_size=90), id_type=st.sampled_from(list(ID_TYPES)))
def test_other_texts_lead_to_nobody(text: str, id_type: str) -> None:
    index = index_of(id_type, text)
    assert index is None or ID_TYPES[id_type](index) == text


def test_a_mobile_number_has_seven_digits_to_give() -> None:
    assert ID_TYPES["mobile_phone_number"](10_000_000) is None


@given(
    members=st.integers(min_value=1, max_value=5000), day=st.integers(min_value=0, max_value=400)
)
def test_the_roster_grows_by_those_who_join(members: int, day: int) -> None:
    population = Population(1, members)
    size = population.size(day)
    assert population.join_day(size - 1) <= day < population.join_day(size)
    assert not population.has(size, day)
    assert population.size(day + 1) - size <= members // 100 + 1


def test_members_leave_at_half_a_percent_a_day() -> None:
    population = Population(5, 20_000)
    start, later = (sum(1 for _ in population.living(day)) for day in (0, 10))
    assert start == 20_000 - 200 + 2  # those with long histories stay
    left = sum(population.deletion_day(index) <= 10 for index in range(20_000)) - (20_000 - start)
    assert 800 < left < 1150
    assert later > start


def test_some_members_are_heavy_and_some_have_done_nothing() -> None:
    world = World(2, 400, TODAY)
    lives = [world.timeline(index, 0) for index in range(400)]
    heavy = [life for life in lives if len(life.completions) >= 300]
    assert len(heavy) == 4
    for life in heavy:
        assert len(life.completions) <= 800
        assert len(life.purchases) >= 60
        assert len(life.redemptions) >= 40
        assert life.completions[-1].created - life.completions[0].created > 730 * DAY
    amounts = [len(life.completions) for life in lives]
    assert amounts.count(0) > 20
    assert sum(amount <= 12 for amount in amounts) > 300


def member_rows(stream: str, day: int) -> Iterator[dict[str, Any]]:
    return sandbox().expected_rows(stream, day)


def test_points_of_profile_and_history_agree() -> None:
    totals: dict[int, list[int]] = {}
    for row in member_rows("user_activity_history", 3):
        totals.setdefault(row["user_id"], []).append(row["num_points"])
    for row in member_rows("users", 3):
        points = totals.get(row["id"], [])
        assert row["total_points"] == sum(amount for amount in points if amount > 0)
        assert 0 <= row["redeemable_points"] <= sum(points)


def test_redemptions_stand_in_the_history_with_negative_points() -> None:
    history = [row for row in member_rows("user_activity_history", 0) if row["user_id"] == HEAVY]
    redeemed = [row for row in member_rows("redemptions", 0) if row["user_id"] == HEAVY]
    spent = -sum(row["num_points"] for row in history if row["name"] == "Rédemption")
    assert spent == sum(row["total_points_redeemed"] for row in redeemed) > 0
    assert all(row["ending_balance"] >= 0 for row in redeemed)


def test_staff_deduct_points_with_a_note_and_without_a_redemption() -> None:
    orders = {(row["user_id"], row["order_date"]) for row in member_rows("redemptions", 0)}
    deducted = [
        row
        for row in member_rows("user_activity_history", 0)
        if row["name"] == "Points deducted by staff"
    ]
    assert deducted
    for row in deducted:
        assert row["num_points"] < 0
        assert row["notes"]
        assert (row["user_id"], row["date_created"]) not in orders


def test_a_return_takes_points_and_money_from_a_purchase_and_none_is_below_zero() -> None:
    world = sandbox(members=400)
    returned = {
        (row["user_id"], row["date_created"]): -row["num_points"]
        for row in world.expected_rows("user_activity_history", 4)
        if row["name"] == "Return of a purchase"
    }
    shrunk = {
        row["user_id"]: (old["purchase_total"] - row["purchase_total"], row["last_date_purchased"])
        for old, row in pairs_of_purchases(3, 4)
        if row["purchase_total"] < old["purchase_total"]
    }
    assert shrunk
    for user_id, (money, at) in shrunk.items():
        assert returned[user_id, at] == round(money)
    for row in world.expected_rows("purchases", 4):
        assert row["purchase_total"] >= 0
        assert row["total_points_earned"] >= row["total_points_awarded"] >= 0


@pytest.mark.parametrize("day", [0, 5])
def test_nothing_that_happened_lies_in_the_future(day: int) -> None:
    now = f"2026-03-{10 + day:02d}T23:59:59Z"
    happened = {
        "user_activity_history": ("date_created", "date_awarded", "activity_date"),
        "purchases": ("last_date_purchased",),
        "redemptions": ("order_date",),
        "receipts": ("date_submitted",),
        "users": ("date_created", "date_last_updated"),
    }
    for stream, names in happened.items():
        for row in member_rows(stream, day):
            assert all(row[name] <= now for name in names)


def test_each_day_brings_events_of_that_day_and_changes_none_of_before() -> None:
    for stream, name in (("user_activity_history", "date_created"), ("redemptions", "order_date")):
        old = {json.dumps(row) for row in member_rows(stream, 1)}
        today = [row for row in member_rows(stream, 2) if json.dumps(row) not in old]
        assert today
        assert {row[name][:10] for row in today} == {"2026-03-12"}


def test_about_one_member_in_seven_does_something_on_a_day() -> None:
    world = World(1, 3000, TODAY)
    end = world.now(7) - DAY
    active = sum(
        world.timeline(index, 7).completions[-1:] != []
        and world.timeline(index, 7).completions[-1].created > end
        for index in range(3000)
    )
    assert 380 < active < 620


def pairs_of_purchases(day: int, later: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Purchases that changed from a day to a later one, before and after."""
    world = sandbox(members=400)

    def key(row: dict[str, Any]) -> str:
        return str(row["purchase_id"] + row["purchase_id_type"])

    before = {key(row): row for row in world.expected_rows("purchases", day)}
    for row in world.expected_rows("purchases", later):
        old = before.get(key(row), row)
        if old != row:
            yield old, row


def test_a_purchase_of_the_last_days_may_grow_or_shrink_with_its_points() -> None:
    grown = []
    for old, row in pairs_of_purchases(3, 4):
        assert row["last_date_purchased"][:10] == "2026-03-14"
        assert old["last_date_purchased"][:10] >= "2026-03-11"
        grows = row["purchase_total"] > old["purchase_total"]
        assert grows == (row["total_points_awarded"] > old["total_points_awarded"])
        grown.append(grows)
    assert set(grown) == {True, False}


def test_some_awards_are_back_dated_by_up_to_four_days() -> None:
    gaps = {
        int(row["date_created"][8:10]) - int(row["date_awarded"][8:10])
        for row in member_rows("user_activity_history", 0)
        if row["date_created"][:7] == row["date_awarded"][:7]
    }
    assert gaps == {0, 1, 2, 3, 4}


def test_profiles_change_with_points_and_moves() -> None:
    before = {row["id"]: row for row in sandbox(members=400).expected_rows("users", 0)}
    moved = 0
    for row in sandbox(members=400).expected_rows("users", 1):
        old = before.get(row["id"])
        if old is None or old["date_last_updated"] == row["date_last_updated"]:
            continue
        assert row["date_last_updated"][:10] == "2026-03-11"
        moved += old["city"] != row["city"]
    assert moved


def test_points_lapse_at_month_ends_for_some() -> None:
    rows = [row for row in member_rows("points_expiration", 0) if "points_expired" in row]
    assert any(row["points_expired"] for row in rows)
    assert not any(row["points_expired"] for row in rows if row["expiration_date"] > "2026-03-31Z")
    assert not any(row["points_expiring"] for row in rows if row["expiration_date"] < "2026-03-01")


def test_a_submitted_receipt_is_scanned_on_the_next_day() -> None:
    world = sandbox(members=400)
    fresh = {
        row["id"]: row
        for row in world.expected_rows("receipts", 2)
        if row["scan_result"] == "NOT_SCANNED"
    }
    assert fresh
    later = {row["id"]: row["scan_result"] for row in world.expected_rows("receipts", 3)}
    assert "NOT_SCANNED" not in {later[number] for number in fresh if number in later}


def test_the_end_of_a_month_is_its_last_midnight() -> None:
    assert month_end(2026, 2) == epoch_day(TODAY.replace(month=2, day=28)) * DAY
    assert month_end(2026, 12) == epoch_day(TODAY.replace(month=12, day=31)) * DAY


MOVING = (
    "user_activities",
    "user_rewards",
    "points_expiration",
    "receipts",
    "coupons",
    "user_badges",
)


@pytest.mark.parametrize("stream", MOVING)
def test_rows_go_and_come_back_from_day_to_day(stream: str) -> None:
    world = sandbox(members=250, seed=7)
    members = {row["id"] for row in world.expected_rows("users", 9)}
    days = [
        {
            tuple(row[part] for part in KEYS[stream])
            for row in world.expected_rows(stream, day)
            if row["user_id"] in members
        }
        for day in range(10)
    ]
    gone: set[tuple[Any, ...]] = set()
    back: set[tuple[Any, ...]] = set()
    for before, after in pairwise(days):
        back |= gone & after
        gone |= before - after
    assert back


def test_a_reward_out_of_stock_is_seen_by_nobody_and_has_none_left() -> None:
    world = sandbox(members=40)
    for day in range(1, 4):
        left = {row["id"]: row["current_quantity"] for row in world.expected_rows("rewards", day)}
        seen = {row["id"] for row in world.expected_rows("user_rewards", day)}
        assert seen <= {number for number, quantity in left.items() if quantity}
    assert sum(not quantity for quantity in left.values()) > 2


def test_months_leave_the_window_of_points_expiration() -> None:
    world = sandbox(members=40, today=TODAY.replace(day=30))
    march, april = (
        {row["entry"] for row in world.expected_rows("points_expiration", day)} for day in (1, 2)
    )
    assert march - april == {"2025-12"}
    assert april - march == {"2026-10"}

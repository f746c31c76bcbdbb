"""Whom a day's files tell of: all of whom the API says something new, and how many they are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from support.sandbox_client import FIRST_ID, TODAY, sandbox
from support.sandbox_feeds import pushed

from crowdtwist_sandbox import SandboxOptions
from crowdtwist_sandbox.feeds.days import today_of

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

STREAMS = (
    "users",
    "user_activity_history",
    "purchases",
    "redemptions",
    "receipts",
    "coupons",
    "user_badges",
    "points_awaiting_fulfillment",
)
CALENDAR = {"days_until_expiration_date", "is_maintenance_mode", "days_until_expiry"}
"""Names of what changes although nothing happens."""


@cache
def world(**options: Any) -> Sandbox:
    return sandbox(members=250, **options)


@cache
def state(day: int, streams: tuple[str, ...] = STREAMS, **options: Any) -> dict[int, list[Any]]:
    """What the API says of each member at the end of a day, but for what the calendar changes."""
    told: dict[int, list[Any]] = {}
    for stream in streams:
        for row in world(**options).expected_rows(stream, day):
            member = row["id"] if stream == "users" else row["user_id"]
            told.setdefault(member, []).append((stream, without_calendar(row)))
    return told


def without_calendar(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: without_calendar(each) for name, each in value.items() if name not in CALENDAR
        }
    return value


def changed(day: int, **options: Any) -> set[int]:
    before, after = state(day - 1, **options), state(day, **options)
    return {member for member, rows in after.items() if rows != before.get(member)}


def told_of(running: Sandbox, directory: Path, day: int) -> set[int]:
    """The members who stand in one of the files; redemptions name them by email alone."""
    profiles, activities, redemptions, expirations = pushed(running, directory, day)
    members = {int(row["id"]) for row in profiles + activities}
    members |= {int(row["user_id"]) for row in expirations}
    for row in redemptions:
        index = row["email_address"].removeprefix("ada.sample+").removesuffix("@example.test")
        members.add(FIRST_ID + 7 * int(index))
    return members


TRANSITIONS = (1, 2, 3, 21, 22)  # 21 is the last day of a month


@pytest.mark.parametrize("day", TRANSITIONS)
def test_everyone_of_whom_something_changed_is_in_a_file(tmp_path: Path, day: int) -> None:
    assert len(changed(day)) > 30
    assert changed(day) <= told_of(world(), tmp_path, day)


@pytest.mark.parametrize("day", TRANSITIONS)
def test_the_profiles_are_those_of_exactly_these(tmp_path: Path, day: int) -> None:
    assert {int(row["id"]) for row in pushed(world(), tmp_path, day)[0]} == changed(day)


def test_each_stream_is_changed_by_something_that_happens() -> None:
    found = set()
    for day in TRANSITIONS:
        before, after = state(day - 1), state(day)
        for member, rows in after.items():
            if rows != before.get(member):
                old = before.get(member, [])
                found |= {stream for stream, row in rows if (stream, row) not in old}
    assert found == set(STREAMS)


def test_points_lapse_for_many_at_the_end_of_a_month() -> None:
    assert len(changed(21)) > len(changed(22)) + 20


def test_a_scan_is_told_of_although_the_profile_says_nothing(tmp_path: Path) -> None:
    dates = {row["id"]: row["date_last_updated"][:10] for row in world().expected_rows("users", 2)}
    scanned = {member for member in changed(2) if dates[member] < "2026-03-12"}
    assert scanned
    assert scanned <= told_of(world(), tmp_path, 2)
    assert not changed(2, receipt_scanning=False) & scanned
    assert not told_of(world(receipt_scanning=False), tmp_path, 2) & scanned


@pytest.mark.parametrize("day", [1, 2, 21])
def test_within_a_month_expiring_points_of_the_others_change_by_the_calendar_alone(
    tmp_path: Path, day: int
) -> None:
    streams = ("points_expiration",)
    before, after = state(day - 1, streams), state(day, streams)
    others = set(after) - told_of(world(), tmp_path, day)
    assert len(others) > 100
    assert all(after[member] == before[member] for member in others)


def test_the_calendar_alone_changes_some_rows() -> None:
    def rows(stream: str, day: int) -> dict[int, Any]:
        name = "id" if stream == "users" else "user_id"
        return {row[name]: row for row in world().expected_rows(stream, day)}

    for stream in ("users", "points_expiration"):
        before, after = rows(stream, 1), rows(stream, 2)
        quiet = set(after) - changed(2)
        assert any(after[member] != before[member] for member in quiet)


def test_deleted_members_are_in_no_file(tmp_path: Path) -> None:
    gone = set(state(0)) - set(state(3))
    assert gone
    assert not gone & told_of(world(), tmp_path, 3)


@pytest.mark.parametrize("day", [1, 2, 3])
def test_one_percent_a_day_is_what_the_option_says(day: int) -> None:
    running = sandbox(members=10_000, daily_changes=0.01)
    assert 70 <= len(today_of(running.engine, day).member_days) <= 130


def test_with_the_option_everything_happens_in_proportion() -> None:
    usual, slow = (sandbox(members=10_000, **each) for each in ({}, {"daily_changes": 0.01}))
    populations = [each.engine.world.population for each in (usual, slow)]
    joiners = [each.size(10) - 10_000 for each in populations]
    assert joiners[0] == 1000
    assert 40 <= joiners[1] <= 50
    left = [
        sum(0 < each.deletion_day(index) <= 10 for index in range(10_000)) for each in populations
    ]
    assert 400 < left[0] < 560
    assert 10 < left[1] < 40


def test_moves_become_rare_too() -> None:
    def moved(running: Sandbox) -> int:
        timeline = running.engine.world.timeline
        return sum(timeline(n, 10).moved != timeline(n, 0).moved for n in range(2000))

    assert moved(sandbox(members=2000)) > 250
    assert 0 < moved(sandbox(members=2000, daily_changes=0.01)) < 40


@pytest.mark.parametrize("share", [0, -0.1, 0.21, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"daily_changes: must be above 0, and 0\.2 at most"):
        SandboxOptions(today=TODAY, daily_changes=share)


def test_the_last_joiner_of_each_day_joined_on_it() -> None:
    population = sandbox(members=700, daily_changes=0.03).engine.world.population
    for day in range(1, 60):
        size = population.size(day)
        assert population.join_day(size - 1) <= day < population.join_day(size)


def test_members_who_join_are_told_of_on_that_day(tmp_path: Path) -> None:
    running = sandbox(members=300, daily_changes=0.1)
    ids = [{row["id"] for row in running.expected_rows("users", day)} for day in (3, 4)]
    joined = ids[1] - ids[0]
    assert joined
    assert joined <= told_of(running, tmp_path, 4)

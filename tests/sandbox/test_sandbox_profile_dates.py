"""Whether, and when, the date of a profile follows what happens to its member."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.sandbox_client import TODAY, Client, sandbox, without_nulls

from crowdtwist_sandbox import SandboxOptions
from crowdtwist_sandbox.cli import main
from crowdtwist_sandbox.world.profile_dates import USUAL_DATES, ProfileDates
from crowdtwist_sandbox.world.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

DATED = {
    "user_activity_history": ("id", "date_created"),
    "purchases": ("purchase_id", "last_date_purchased"),
    "redemptions": ("id", "order_date"),
}
DAY = 3
ALL_DAY = str(24 * 60)


def running(**options: Any) -> Sandbox:
    return sandbox(**({"members": 120, "drift": False} | options))


def dates(running: Sandbox, day: int = DAY) -> dict[int, str]:
    """The dates that profiles show at the end of a day."""
    return {row["id"]: row["date_last_updated"] for row in running.expected_rows("users", day)}


def newest(running: Sandbox, day: int = DAY) -> dict[int, str]:
    """The newest date of each member's rows at the end of a day."""
    found: dict[int, str] = {}
    for stream, (_, name) in DATED.items():
        for row in running.expected_rows(stream, day):
            found[row["user_id"]] = max(found.get(row["user_id"], ""), row[name])
    return found


def later_than_profile(running: Sandbox, day: int = DAY) -> dict[int, str]:
    shown = dates(running, day)
    return {member: date for member, date in newest(running, day).items() if date > shown[member]}


def test_by_default_no_row_is_later_than_its_members_profile() -> None:
    assert not later_than_profile(running())
    assert ProfileDates.of("with_points", "none") == USUAL_DATES


def test_without_points_only_changes_of_the_profile_itself_move_its_date() -> None:
    still = running(profile_dates="without_points")
    assert len(later_than_profile(still)) > 80
    before = {row["id"]: row for row in still.expected_rows("users", DAY - 1)}
    after = {row["id"]: row for row in still.expected_rows("users", DAY)}
    both = before.keys() & after.keys()
    with_points = {
        member for member in both if before[member]["total_points"] != after[member]["total_points"]
    }
    moved = {
        member
        for member in both
        if before[member]["date_last_updated"] != after[member]["date_last_updated"]
    }
    to_another_city = {member for member in both if before[member]["city"] != after[member]["city"]}
    assert len(with_points - moved) > 8
    assert to_another_city
    assert to_another_city <= moved
    assert len(moved) < 10


def test_a_profile_that_is_late_shows_the_time_of_what_happened() -> None:
    """A day late: at the end of each day, it shows what was true at the end of the day before."""
    usual, late = running(), running(profile_dates=ALL_DAY)
    true, shown = dates(usual, DAY - 1), dates(late, DAY)
    joined = shown.keys() - true.keys()
    assert joined
    assert {member: true[member] for member in shown.keys() - joined} == {
        member: shown[member] for member in shown.keys() - joined
    }
    assert later_than_profile(late)
    assert all(date[:10] == "2026-03-13" for date in later_than_profile(late).values())


@pytest.mark.parametrize(("minutes", "since"), [(20, "23:39:59"), (480, "15:59:59")])
def test_a_profile_lacks_no_more_than_its_minutes(minutes: int, since: str) -> None:
    late = running(members=800, profile_dates=str(minutes))
    lacking = later_than_profile(late)
    assert lacking
    assert min(lacking.values()) > f"2026-03-13T{since}Z"


@pytest.mark.parametrize("rule", ["move_profiles", "leave_profiles"])
def test_some_rows_arrive_up_to_three_days_late_and_change_no_other_row(rule: str) -> None:
    late = running(late_rows=rule)
    arrived = 0
    for stream in ("user_activity_history", "redemptions"):
        key, name = DATED[stream]
        before = {row[key]: row for row in late.expected_rows(stream, DAY - 1)}
        after = {row[key]: row for row in late.expected_rows(stream, DAY)}
        assert all(after[each] == before[each] for each in before.keys() & after.keys())
        new = sorted(after[each][name][:10] for each in after.keys() - before.keys())
        assert new[0] >= "2026-03-10"
        assert new[-1] == "2026-03-13"
        arrived += sum(date < "2026-03-13" for date in new)
    assert arrived > 4


def test_late_rows_move_profiles_or_leave_them() -> None:
    assert not later_than_profile(running(late_rows="move_profiles"))
    left = later_than_profile(running(late_rows="leave_profiles"))
    assert left
    assert all(date < "2026-03-13" for date in left.values())


def test_rows_are_late_from_day_1_on_so_that_day_0_is_as_always() -> None:
    usual, late = running(), running(late_rows="leave_profiles")
    for stream in (*DATED, "users"):
        assert list(late.expected_rows(stream, 0)) == list(usual.expected_rows(stream, 0))


OPTIONS: tuple[Mapping[str, str], ...] = (
    {"profile_dates": "without_points"},
    {"profile_dates": ALL_DAY},
    {"late_rows": "leave_profiles"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_api_sends_what_is_expected(options: dict[str, str]) -> None:
    with running(members=30, **options) as served, requests.Session() as session:
        served.advance(4)
        client = Client(served, session)
        for stream in (*DATED, "users"):
            wanted = [without_nulls(row) for row in served.expected_rows(stream)]
            assert list(client.walk(stream)) == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile_dates": "-1"}, "profile_dates: must be with_points, without_points or a number"),
        ({"profile_dates": "²"}, "profile_dates: must be with_points, without_points or a number"),
        ({"late_rows": "some"}, "late_rows: must be one of none, move_profiles, leave_profiles"),
    ],
    ids=str,
)
def test_an_invalid_rule_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SandboxOptions(**options)  # type: ignore[arg-type]


def test_the_command_that_writes_files_knows_the_rules(tmp_path: Path) -> None:
    world = ["--members", "60", "--seed", "3", "--today", str(TODAY), "--no-drift"]
    rules = ["--profile-dates", "without_points", "--late-rows", "leave_profiles"]
    where = ["--directory", str(tmp_path), "--day", str(DAY), "--bare"]
    assert main(["data-push", *world, *rules, *where]) == 0
    same = running(members=60, profile_dates="without_points", late_rows="leave_profiles")
    for path in same.write_data_push(tmp_path / "again", DAY, bare=True):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    (profiles,) = tmp_path.glob("*PROFILE*")
    text = io.StringIO(profiles.read_text("utf-8"), newline="")
    shown = {row["id"]: row["date_last_updated"] for row in csv.DictReader(text)}
    true = {str(member): date for member, date in dates(same).items()}
    assert shown
    assert {member: rfc3339(int(date)) for member, date in shown.items()} == {
        member: true[member] for member in shown
    }

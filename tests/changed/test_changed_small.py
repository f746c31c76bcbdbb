"""Few members: whom CrowdTwist has deleted, who is owed, who are tried, and whom captures name."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support.changed_members import STREAMS, Brand, rewrite
from support.harness import DAY, PRESENT, TODAY, config_of, run_cli

from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.sync import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def brand(tmp_path: Path) -> Iterator[Brand]:
    """A brand after its first full sweep."""
    with Brand(tmp_path, members=20) as brand:
        brand.deliver(0)
        assert not brand.run("all").said
        yield brand


def only(brand: Brand, *members: str) -> None:
    """Let a day pass of which the profiles name just these."""
    brand.running.advance()
    profiles, *others = brand.deliver(brand.day)
    for path in others:
        rewrite(path, lambda _: [])
    rewrite(profiles, lambda _: [[member, *[""] * 28] for member in members])


def test_a_file_whose_name_is_nearly_right_fails_the_run_until_it_is_renamed(brand: Brand) -> None:
    brand.running.advance()
    path, *_ = brand.deliver(brand.day)
    extra = path.with_name(f"{path.stem}_0300{path.suffix}")
    extra.write_bytes(path.read_bytes())
    outcome = brand.run()
    assert f"the name of {extra.name!r} is close to that of a " in outcome.said
    assert f"rename it to {path.name!r}" in outcome.said
    assert outcome.requests, "what the other files tell is swept"
    extra.unlink()
    assert not brand.run().said


def test_a_member_whom_nobody_knows_is_passed_over_once(brand: Brand) -> None:
    only(brand, "999999999")
    outcome = brand.run(max_missing_ratio=0.5)
    assert not outcome.said
    assert outcome.summary["users"]["missing"] == 1
    assert not brand.run().requests


def test_the_summary_counts_who_changed_and_has_no_number_for_shards_to_agree_on(
    brand: Brand, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard also reads the members that it owes, so shards may differ in what they have read."""
    heard = logging.getLogger("heard")
    heard.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, heard.name)
    report = summary.report
    monkeypatch.setattr(summary, "report", lambda run, _: report(run, heard))
    only(brand, "999999999")
    brand.run()
    assert '"members":1,"roster_ids":0,' in caplog.text


def test_files_of_strangers_are_taken_for_another_programs(brand: Brand) -> None:
    before = json.dumps(brand.state)
    only(brand, *(str(999_999_900 + number) for number in range(12)))
    outcome = brand.run(max_missing_ratio=0.5)
    assert "CrowdTwist does not know 12 of 12 members" in outcome.said
    assert "`data_push_path`" in outcome.said
    assert json.loads(before)["bookmarks"]["users"]["files"] == brand.entry("users")["files"]
    assert brand.run(max_missing_ratio=0.5).requests


def test_a_deleted_member_is_told_of(brand: Brand) -> None:
    while len(list(brand.running.expected_rows("users"))) == len(brand.running.roster()):
        brand.running.advance()
    for day in range(1, brand.day + 1):
        brand.deliver(day)
    living = {row["id"] for row in brand.running.expected_rows("users")}
    (gone, *_) = sorted(set(map(int, brand.running.roster())) - living)
    only(brand, str(gone))
    outcome = brand.run(deleted_members="tombstone")
    assert not outcome.said
    (tombstone,) = (row for row in outcome.records["users"] if row["id"] == gone)
    assert tombstone["_sdc_deleted_at"]


def test_who_is_owed_is_asked_again_although_no_file_names_them(brand: Brand) -> None:
    member = brand.running.roster()[4]
    only(brand, member)
    brand.running.set_faults("bad_gateway@1")
    outcome = brand.run(streams=("purchases",))
    assert "1 member failed in `purchases`" in outcome.said
    assert FailedMembers.load(brand.entry("purchases")["sweep"]).earlier == {int(member)}
    assert brand.note("purchases") != brand.note("coupons")
    only(brand)
    again = brand.run(streams=("purchases",))
    assert not again.said
    assert sum(again.requests.values()) >= 1
    assert "sweep" not in brand.entry("purchases")


def test_who_is_owed_by_a_changed_sweep_is_read_whole_by_a_full_one(brand: Brand) -> None:
    brand.pass_day()
    brand.running.set_faults("bad_gateway=1")
    assert brand.run(streams=("user_activity_history",)).said
    brand.running.set_faults("")
    for _ in range(20):
        brand.pass_day()
    assert not brand.run("all", lookback_days=0).said
    assert not brand.lacks()


def redeem(brand: Brand, email: str) -> None:
    """Let a day pass of which the files name just somebody who redeemed something, by email."""
    only(brand)
    rewrite(brand.deliver(brand.day, ("USER_REDEMPTION",))[0], lambda _: [by_email(email)])


def by_email(email: str) -> list[str]:
    cells = [""] * 23
    cells[11] = email
    return cells


def test_who_redeemed_something_is_found_in_the_files_of_the_day_before_and_after(
    brand: Brand,
) -> None:
    members = brand.running.expected_rows("users")
    one, other = [row for row in members if row["email_address"]][:2]
    only(brand, str(one["id"]))
    name(brand, one)
    assert brand.run().members("users") == [one["id"]]
    redeem(brand, one["email_address"])
    outcome = brand.run()
    assert not outcome.said
    assert outcome.members("users") == [one["id"]]
    redeem(brand, other["email_address"])
    redeemed = brand.day
    only(brand)
    name(brand, other)
    assert brand.day == redeemed + 1
    outcome = brand.run()
    assert not outcome.said
    assert outcome.members("users") == [other["id"]]


def name(brand: Brand, member: dict[str, Any]) -> None:
    """Let the profiles of the newest day name a member by number and email."""
    cells = [str(member["id"]), "", "", "", "", member["email_address"], *[""] * 23]
    rewrite(brand.deliver(brand.day, ("PROFILE",))[0], lambda _: [cells])


def test_who_redeemed_something_and_is_in_no_file_keeps_the_run_from_being_complete(
    brand: Brand,
) -> None:
    noted = brand.note()
    email = next(row["email_address"] for row in brand.running.expected_rows("users"))
    redeem(brand, email)
    outcome = brand.run(streams=("activities", "users"))
    assert outcome.said == (
        "Incomplete: Setting `data_push_path`: has redemptions of members (1 in all) whose "
        "CrowdTwist id is in no file of that day, of the day before or of the day after, so they "
        "were not read; run once with `sweep_members` all"
    )
    assert outcome.records["activities"]
    assert not outcome.members("users")
    assert not outcome.requests["users"]
    assert brand.note() != noted
    assert not brand.run(streams=("users",)).said, "the files count as read"
    assert not brand.run("all").said
    assert not brand.lacks()


def check(brand: Brand, folder: Path) -> str:
    """What `--test` prints."""
    config = config_of(
        brand.running, data_push_path=str(brand.folder), sweep_members="changed", user_ids=None
    )
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    present = PRESENT + brand.day * DAY
    return run_cli("--config", path, "--test", present=present).stdout


def test_the_check_tries_members_of_the_newest_day_that_names_any(
    brand: Brand, tmp_path: Path
) -> None:
    only(brand, *brand.running.roster()[:3])
    only(brand)
    table = check(brand, tmp_path)
    assert "ok    roster                    3 members in the newest files; `sweep_members`" in table
    assert "FAIL" not in table


def test_the_check_says_where_nobody_is_named(brand: Brand, tmp_path: Path) -> None:
    for path in brand.folder.iterdir():
        path.unlink()
    only(brand)
    assert "FAIL  roster                    no member appears in the files" in check(
        brand, tmp_path
    )


def test_captures_of_live_push_name_members_before_the_files_do(
    brand: Brand, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    with_live: dict[str, Any] = {"live_push_path": str(live)}
    assert not brand.run("all", **with_live).said
    brand.running.advance()
    one, other = (int(member) for member in brand.running.roster()[:2])
    hour = live / f"live_users-{TODAY + DAY:%Y%m%d}T14-0a1b2c3d.jsonl"
    hour.write_text(line(id=one), encoding="utf-8")
    assert brand.run(**with_live).members("users") == [one]
    assert not brand.run(**with_live).requests
    with hour.open("a", encoding="utf-8") as file:
        file.write(line(id=other))
    assert set(brand.run(**with_live).members("users")) == {one, other}
    hour.write_text(line(id=one) + '{"received_at"', encoding="utf-8")
    assert brand.run(**with_live).members("users") == [one]


@pytest.mark.parametrize("hour", ["20260304T14", "20250311T14", "19991231T23", "20990101T00"])
def test_captures_of_a_clock_that_is_wrong_name_members_too(
    brand: Brand, tmp_path: Path, hour: str
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    with_live: dict[str, Any] = {"live_push_path": str(live), "streams": ("users",)}
    one, other, third = (int(member) for member in brand.running.roster()[:3])
    for ago in range(60):
        name = f"live_users-{TODAY - ago * DAY:%Y%m%d}T14-0a1b2c3d.jsonl"
        (live / name).write_text(line(id=one), encoding="utf-8")
    assert not brand.run("all", **with_live).said
    brand.running.advance()
    wrong = live / f"live_users-{hour}-beef.jsonl"
    for member in (other, third):
        with wrong.open("a", encoding="utf-8") as file:
            file.write(line(id=member))
        outcome = brand.run(**with_live)
        assert not outcome.said
        assert member in outcome.members("users")
        assert not brand.run(**with_live).requests
    wrong.unlink()
    assert set(brand.run(**with_live).members("users")) <= {one}, "at most who shares the sum"


def test_an_hour_of_captures_that_grows_during_a_sweep_is_read_again(
    brand: Brand, tmp_path: Path
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    with_live: dict[str, Any] = {"live_push_path": str(live), "streams": ("users",)}
    assert not brand.run("all", **with_live).said
    brand.running.advance()
    roster = [int(member) for member in brand.running.roster()]
    hour = live / f"live_users-{TODAY + DAY:%Y%m%d}T14-0a1b2c3d.jsonl"
    hour.write_text("".join(line(id=member) for member in roster[5:]), encoding="utf-8")
    assert brand.run(**with_live, life=14).crashed
    with hour.open("a", encoding="utf-8") as file:
        file.write(line(id=roster[0]))
    assert roster[0] not in brand.run(**with_live).members("users")
    assert roster[0] in brand.run(**with_live).members("users")
    assert not brand.run(**with_live).requests


def line(**event: Any) -> str:
    """A line of captures."""
    return json.dumps({"received_at": "2026-03-11T14:00:00Z", "event": event}) + "\n"


def test_streams_are_read_in_the_same_order_as_in_a_full_sweep(brand: Brand) -> None:
    brand.pass_day()
    for stream in STREAMS:
        members = brand.run(streams=(stream,)).members(stream)
        assert members == sorted(members)

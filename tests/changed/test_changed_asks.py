"""Where who changed is not known, a sentence says why and what to do, and nothing moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.changed_members import FEEDS, STREAMS, Brand, rewrite
from support.harness import DAY, PRESENT

from tap_crowdtwist.files.naming import DATA_PUSH
from tap_crowdtwist.state import files_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHANGED = "Incomplete: Setting `sweep_members`: `changed` is possible only "
ASK = "run once with `sweep_members` all"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Brand]:
    """A brand that has never been read."""
    with Brand(tmp_path, members=12) as brand:
        brand.deliver(0)
        yield brand


@pytest.fixture
def brand(fresh: Brand) -> Brand:
    """A brand after its first full sweep."""
    assert not fresh.run("all").said
    return fresh


def refused(brand: Brand, **how: Any) -> str:
    """Why a changed sweep is refused; nobody is asked, and nothing moves."""
    before = {stream: dict(brand.entry(stream)) for stream in STREAMS}
    outcome = brand.run(**how)
    assert outcome.said.startswith("Incomplete: ")
    assert not outcome.requests
    assert not outcome.records
    for stream in STREAMS:
        after = brand.entry(stream)
        before[stream].pop("completed_at", None)
        assert after == before[stream], stream
    return outcome.said


def test_the_first_run_has_to_be_a_full_one(fresh: Brand) -> None:
    said = refused(fresh)
    assert said == (
        f"{CHANGED}after a complete sweep of all members with `data_push_path` set, which "
        f"`coupons`, `points_awaiting_fulfillment`, `purchases` and 5 more had not; {ASK}, then "
        "with `changed` and the state of that run"
    )


def test_streams_that_are_no_sweeps_are_read_all_the_same(fresh: Brand) -> None:
    outcome = fresh.run(streams=("activities", "push_users", "users"))
    assert outcome.said.startswith(CHANGED)
    assert outcome.records["activities"]
    assert outcome.records["push_users"]
    assert "users" not in outcome.records
    assert outcome.summary["users"]["skip_reason"] == "who changed is not known"


def test_a_full_sweep_without_files_leaves_no_note(fresh: Brand) -> None:
    assert not fresh.run("all", data_push_path=None).said
    assert "after a complete sweep of all members with `data_push_path` set" in refused(fresh)


def test_a_stream_that_is_selected_later_has_to_be_swept_whole_first(brand: Brand) -> None:
    del brand.state["bookmarks"]["receipts"]
    brand.pass_day()
    assert "set, which `receipts` had not" in refused(brand)
    assert not brand.run("all", streams=("receipts",)).said
    assert not brand.run().said
    assert not brand.lacks()


def test_a_stream_that_was_deselected_for_a_while_catches_up(brand: Brand) -> None:
    for _ in range(4):
        brand.pass_day()
        assert not brand.run(streams=("users", "coupons")).said
    assert brand.lacks()
    assert not brand.run().said
    assert not brand.lacks()


def test_a_full_sweep_under_way_has_to_end_first(brand: Brand) -> None:
    assert brand.run("all", streams=("users",), life=14, later=DAY / 24).crashed
    brand.pass_day()
    assert refused(brand).startswith(
        f"{CHANGED}when the sweep of all members that has begun for `users` is complete; continue"
    )
    assert not brand.run("all").said
    assert not brand.run().said
    assert not brand.lacks()


@pytest.mark.parametrize("lacking", [*((feed,) for feed in FEEDS), FEEDS])
def test_a_gap_is_named_and_filled_by_the_files(brand: Brand, lacking: tuple[str, ...]) -> None:
    brand.pass_day(deliver=False)
    brand.deliver(brand.day, set(FEEDS) - set(lacking))
    brand.pass_day()
    said = "file" if lacking == FEEDS else f"{' and no '.join(lacking)} file"
    assert refused(brand) == (
        "Incomplete: Setting `data_push_path`: has no "
        f"{said} dated 2026-03-12, so who changed on the day before is not known; run "
        f"again when it has come, or else {ASK}"
    )
    brand.deliver(brand.day - 1)
    assert not brand.run().said
    assert not brand.lacks()


@pytest.mark.parametrize("days", [1, 3])
def test_a_full_sweep_fills_a_gap_for_good(brand: Brand, days: int) -> None:
    for _ in range(days):
        brand.pass_day(deliver=False)
    assert not brand.run("all").said
    brand.pass_day()
    # Days of the files may end later than days in UTC, so the last one may have told of hours
    # after that sweep.
    assert f"has no file dated 2026-03-{11 + days}" in refused(brand)
    assert not brand.run("all").said
    for _ in range(2):
        brand.pass_day()
        assert not brand.run().said
        assert not brand.lacks()


def test_feeds_that_do_not_come_daily_are_not_waited_for_if_the_user_says_so(brand: Brand) -> None:
    for _ in range(2):
        brand.pass_day(deliver=False)
        brand.deliver(brand.day, {"PROFILE", "USER_ACTIVITY"})
        assert "has no USER_REDEMPTION and no POINTS_EXPIRATION file" in refused(brand)
        assert not brand.run(data_push_daily=["PROFILE", "USER_ACTIVITY"]).said
        assert not brand.lacks()


def test_a_note_that_cannot_be_read_is_told_in_a_sentence(brand: Brand) -> None:
    brand.pass_day()
    for name, nonsense in (("all_at", "nonsense"), ("feeds", 5), ("fresh_at", 7)):
        kept = brand.state["bookmarks"]["users"]["files"][name]
        brand.state["bookmarks"]["users"]["files"][name] = nonsense
        said = "The state cannot be read: the entry of `users`"
        assert said in brand.run().said
        brand.state["bookmarks"]["users"]["files"][name] = kept


def test_a_gap_after_the_full_sweep_is_one_even_if_no_file_was_there_yet(tmp_path: Path) -> None:
    with Brand(tmp_path, members=12) as brand:
        assert not brand.run("all").said
        brand.pass_day(deliver=False)
        brand.pass_day()
        assert refused(brand).endswith(
            "Setting `data_push_path`: has no file dated earlier than 2026-03-13, so who changed "
            "since the last sweep of all members, on 2026-03-11, is not known; if Data Push was "
            f"switched on after that, {ASK}"
        )
        brand.deliver(1)
        assert not brand.run().said
        assert not brand.lacks()


def test_a_gap_shows_although_what_was_read_before_is_moved_away(brand: Brand) -> None:
    brand.pass_day()
    brand.run()
    brand.pass_day(deliver=False)
    for path in brand.folder.iterdir():
        path.unlink()
    assert not brand.run().said
    brand.pass_day()
    assert "file dated 2026-03-13, so who changed on the day before is not known" in refused(brand)


def test_a_feed_counts_as_usual_although_its_files_are_moved_away(brand: Brand) -> None:
    for path in brand.folder.iterdir():
        path.unlink()
    brand.pass_day(deliver=False)
    brand.deliver(brand.day, set(FEEDS) - {"USER_REDEMPTION"})
    assert "has no USER_REDEMPTION file dated 2026-03-12" in refused(brand)
    assert not brand.run("all").said
    brand.pass_day(deliver=False)
    brand.deliver(brand.day, set(FEEDS) - {"USER_REDEMPTION"})
    assert not brand.run().said, "the full sweep has seen that it does not come any more"


def test_a_file_with_a_date_to_come_hides_no_gap(brand: Brand) -> None:
    """Its day counts as read by the full sweep, the days before it do not."""
    brand.deliver(brand.day + 2)
    assert not brand.run("all").said
    brand.running.advance(3)
    brand.deliver(brand.day)
    assert "file dated 2026-03-12, so who changed on the day before is not known" in refused(brand)


def test_a_delivery_that_has_ended_is_noticed_after_three_days(brand: Brand) -> None:
    brand.pass_day()
    brand.run()
    for _ in range(3):
        brand.pass_day(deliver=False)
        assert not brand.run().said
    assert refused(brand, later=timedelta(minutes=1)) == (
        "Incomplete: Setting `data_push_path`: has had no file of a newer day since "
        "2026-03-12T02:00:00Z, so who changed is not known; check the delivery, and " + ASK
    )
    assert not brand.run("all").said
    assert not brand.run().said


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is not a complete zip file"),
        (lambda path: rewrite(path, lambda rows: [*rows, rows[0][:5]]), "has 5 cells where the"),
        (lambda path: rewrite(path, lambda rows: [["x", *rows[0][1:]]]), "no member id in"),
        (lambda path: rewrite(path, lambda rows: [["9" * 30, *rows[0][1:]]]), "no member id in"),
        (lambda path: rewrite(path, lambda rows: [["-5", *rows[0][1:]]]), "no member id in"),
        (lambda path: rewrite(path, lambda rows: [["", *rows[0][1:]]]), "no member id in"),
    ],
)
def test_half_a_file_is_not_enough(
    brand: Brand, break_it: Callable[[Path], object], said: str
) -> None:
    brand.pass_day()
    profiles = brand.deliver(brand.day)[0]
    break_it(profiles)
    assert said in refused(brand)
    brand.deliver(brand.day)
    assert not brand.run().said
    assert not brand.lacks()


def test_a_redemption_that_is_nobody_s_is_named(brand: Brand) -> None:
    brand.pass_day()
    redemptions = brand.deliver(brand.day)[2]
    rewrite(redemptions, lambda _: [[""] * 23])
    assert "line 2 of '2_512_USER_REDEMPTION_20260312.zip' does not identify a member" in refused(
        brand
    )


def test_a_folder_that_is_not_there_stops_a_changed_sweep_only(brand: Brand) -> None:
    noted = brand.note()
    brand.pass_day()
    brand.settings["data_push_path"] = str(brand.folder / "elsewhere")
    assert "Setting `data_push_path`: there is no folder or file" in refused(brand)
    outcome = brand.run("all")
    assert "Setting `data_push_path`: there is no folder or file" in outcome.said
    assert not brand.lacks()
    assert brand.note() == noted | {"all_at": "2026-03-12T02:00:00Z"}
    brand.settings.clear()
    assert brand.run().members("users"), "what is noted is what was read of the files"
    assert not brand.lacks()


def test_a_file_with_a_date_to_come_is_left_out_and_named(brand: Brand) -> None:
    brand.pass_day()
    changed = brand.day
    brand.running.advance(9)
    ahead = min(path.name for path in brand.deliver(brand.day))
    end = DATA_PUSH.period_number(PRESENT + changed * DAY) + 1
    for members in ("changed", "all"):
        outcome = brand.run(members, later=(changed - brand.day) * DAY)
        assert f"the name of {ahead!r} has a date in the future, so the" in outcome.said
        assert outcome.members("users")
        assert files_seen.history_of(brand.note(), "push").end == end


def test_a_bookmark_does_not_matter_to_a_changed_sweep(brand: Brand) -> None:
    brand.running.advance(30)
    for day in range(1, brand.day + 1):
        brand.deliver(day)
    assert not brand.run(later=DAY / 2).said
    assert not brand.lacks()

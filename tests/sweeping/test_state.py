"""What a state says, and what is made of it."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist import state
from tap_crowdtwist.config.inputs import check_state
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.members.roster import Roster, Shard
from tap_crowdtwist.state import resume, timestamps

if TYPE_CHECKING:
    from tap_crowdtwist.state.sweep import SweepMembers

NOW = datetime(2026, 11, 20, 2, tzinfo=timezone.utc)
START = datetime(2025, 1, 1, tzinfo=timezone.utc)
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
ROSTER = Roster(range(1, 50))


def plan(
    key: str | None = "order_date",
    start: datetime | None = START,
    now: datetime = NOW,
    lookback: timedelta = WEEK,
) -> state.SweepPlan:
    return state.SweepPlan("toys", now, key, start, lookback)


PLAN = plan()


def room_enough() -> int:
    return 10_000


def through_a_file(stored: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(stored))
    return read


def test_the_first_sweep_reads_from_the_start_date() -> None:
    assert state.begin({}, plan(), ROSTER).since == START
    assert state.begin({}, plan(start=None), ROSTER).since is None


def test_a_complete_sweep_leaves_its_start_as_the_bookmark_and_no_cursor() -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    state.save(stored, sweep, ROSTER, NOW)
    state.finish(stored, sweep, plan(), ROSTER, NOW + DAY)
    assert stored["replication_key"] == "order_date"
    assert stored["replication_key_value"] == "2026-11-20T02:00:00Z"
    assert "sweep" not in stored


def test_the_next_sweep_reads_from_the_bookmark_less_the_lookback() -> None:
    stored: dict[str, Any] = {}
    state.finish(stored, state.begin(stored, plan(), ROSTER), plan(), ROSTER, NOW)
    following = state.begin(through_a_file(stored), plan(now=NOW + DAY), ROSTER)
    assert following.since == NOW - WEEK
    assert following.started_at == NOW + DAY


def test_a_start_date_after_the_bookmark_wins() -> None:
    stored = {"replication_key": "order_date", "replication_key_value": "2024-06-01T00:00:00Z"}
    assert state.begin(stored, plan(), ROSTER).since == START


def test_a_bookmark_of_another_property_does_not_count() -> None:
    stored = {"replication_key": "other", "replication_key_value": "2026-06-01T00:00:00Z"}
    assert state.begin(stored, plan(), ROSTER).since == START


def test_an_interrupted_sweep_goes_on_with_its_own_bounds() -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    sweep.after, sweep.asked, sweep.missing = 17, 17, 2
    sweep.record_read(17)
    sweep.failed.add(5, sweep.since, room_enough)
    state.save(stored, sweep, ROSTER, NOW)
    resumed = state.begin(through_a_file(stored), plan(now=NOW + DAY), ROSTER)
    assert (resumed.failed.earlier, resumed.failed.earlier_since) == ({5}, START)
    resumed.failed.new, resumed.failed.new_since = sweep.failed.new, sweep.failed.new_since
    sweep.failed.earlier, sweep.failed.earlier_since = {5}, START
    sweep.is_uncertain = True
    assert resumed == sweep


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (plan(start=None), "an earlier start is wanted"),
        (plan(start=START - DAY), "an earlier start is wanted"),
    ],
)
def test_a_sweep_that_began_too_late_is_begun_again(changed: state.SweepPlan, why: str) -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    sweep.after = 17
    state.save(stored, sweep, ROSTER, NOW)
    assert state.begin(stored, changed, ROSTER).after is None, why


def test_a_full_table_sweep_has_a_cursor_and_no_bookmark() -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(key=None), ROSTER)
    sweep.after = 3
    state.save(stored, sweep, ROSTER, NOW)
    assert stored["sweep"]["after"] == 3
    state.finish(stored, sweep, plan(key=None), ROSTER, NOW)
    assert stored.keys() == {"completed_at", "profile_dates", "roster", "whole_since"}


def test_a_full_table_is_whole_since_the_last_sweep_of_all_in_which_nobody_failed() -> None:
    def swept(day: int, *, fails: bool = False, members: SweepMembers = "all") -> str | None:
        own = dataclasses.replace(plan(key=None, now=NOW + day * DAY), members=members)
        sweep = state.begin(stored, own, ROSTER)
        sweep.failed.earlier.clear()
        if fails:
            sweep.failed.add(17, sweep.since, lambda: 10_000)
        state.finish(stored, sweep, own, ROSTER, NOW + day * DAY)
        return stored.get("whole_since")

    stored: dict[str, Any] = {}
    assert swept(0, fails=True) is None
    first = swept(1)
    assert first == timestamps.dump_timestamp(NOW + DAY)
    assert swept(2, fails=True) == swept(3, members="changed") == first
    assert swept(4, members="updated") == first
    assert swept(5) == timestamps.dump_timestamp(NOW + 5 * DAY)


@pytest.mark.parametrize(("roster", "moves"), [(ROSTER, True), (Roster(range(1, 51)), False)])
def test_a_full_table_is_not_whole_where_the_roster_changed_under_way(
    roster: Roster, *, moves: bool
) -> None:
    """Who is in the roster only now, before the cursor, was not asked."""
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(key=None), ROSTER)
    sweep.after = 17
    state.save(stored, sweep, ROSTER, NOW)
    resumed = state.begin(through_a_file(stored), plan(key=None, now=NOW + DAY), roster)
    assert resumed.after == 17
    state.finish(stored, resumed, plan(key=None), roster, NOW + DAY)
    assert ("whole_since" in stored) is moves


def test_owed_members_outlive_the_sweep_with_the_earliest_bound() -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    sweep.failed.add(9, NOW, room_enough)
    sweep.failed.add(4, START, room_enough)
    sweep.failed.add(9, NOW, room_enough)
    state.finish(stored, sweep, plan(), ROSTER, NOW)
    assert stored["sweep"].keys() == {"failed", "failed_since"}
    assert stored["sweep"]["failed"]["count"] == 2
    assert stored["sweep"]["failed_since"] == "2025-01-01T00:00:00Z"
    following = state.begin(through_a_file(stored), plan(now=NOW + DAY), ROSTER)
    assert (following.failed.earlier, following.failed.earlier_since) == ({4, 9}, START)
    following.failed.add(2, None, room_enough)
    state.finish(stored, following, plan(), ROSTER, NOW)
    again = state.begin(through_a_file(stored), plan(now=NOW + DAY), ROSTER)
    assert (again.failed.earlier, again.failed.earlier_since) == ({2, 4, 9}, None)


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, 2**63 - 1), min_size=1, max_size=50), st.data())
def test_owed_members_survive_a_state_file(tokens: set[int], data: st.DataObject) -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    for token in data.draw(st.permutations(sorted(tokens))):
        sweep.failed.add(token, NOW, room_enough)
    state.save(stored, sweep, ROSTER, NOW)
    assert state.begin(through_a_file(stored), plan(), ROSTER).failed.earlier == tokens


def test_two_thousand_owed_members_of_a_million_take_6_kb() -> None:
    stored: dict[str, Any] = {}
    sweep = state.begin(stored, plan(), ROSTER)
    for token in range(1, 1_000_001, 500):
        sweep.failed.add(token, NOW, room_enough)
    assert not sweep.failed.overflowed
    state.finish(stored, sweep, plan(), ROSTER, NOW)
    assert stored["sweep"]["failed"]["count"] == 2000
    assert len(json.dumps(stored["sweep"])) < 6000


@pytest.mark.parametrize(("members", "room"), [(2001, 10_000), (200, 100)])
def test_where_more_fail_than_can_be_listed_nothing_moves(members: int, room: int) -> None:
    stored: dict[str, Any] = {}
    state.finish(stored, state.begin(stored, plan(), ROSTER), plan(), ROSTER, NOW)
    bookmark = stored["replication_key_value"]
    digest = stored["roster"]
    sweep = state.begin(stored, plan(now=NOW + DAY), ROSTER)
    for token in range(1, 100 * members + 1, 100):
        sweep.failed.add(token, sweep.since, lambda: room)
    assert sweep.failed.overflowed
    state.save(stored, sweep, ROSTER, NOW)
    resumed = state.begin(through_a_file(stored), plan(now=NOW + DAY), ROSTER)
    assert resumed.failed.overflowed
    state.finish(stored, resumed, plan(now=NOW + DAY), ROSTER, NOW + DAY)
    assert stored["replication_key_value"] == bookmark
    assert stored["roster"] == {**digest, "swept_at": "2026-11-21T02:00:00Z"}
    assert stored["sweep"].keys() == {"failed", "failed_since"}
    assert len(stored["sweep"]["failed"]["ids"]) <= room + 50


@pytest.mark.parametrize(
    ("other", "setting"),
    [(Roster(range(9), shard=Shard(1, 4)), "shard"), (Roster(["a"], "email"), "id_type")],
)
def test_a_state_of_another_part_or_kind_is_refused(other: Roster, setting: str) -> None:
    stored: dict[str, Any] = {}
    state.finish(stored, state.begin(stored, plan(), ROSTER), plan(), ROSTER, NOW)
    with pytest.raises(TapError, match=f"Setting `{setting}`"):
        state.begin(stored, plan(), other)


@pytest.mark.parametrize(
    "broken",
    [
        {"sweep": {"started_at": 7}},
        {"sweep": {"started_at": "2026-01-01T00:00:00Z", "since": "?"}},
        {"sweep": {"started_at": "2026-01-01T00:00:00Z", "asked": "many"}},
        {"sweep": {"failed": 7}},
        {"sweep": {"failed": [7]}},
        {"sweep": {"failed": {"count": 1}}},
        {"sweep": {"failed": {"ids": "?"}}},
        {"sweep": [1]},
        {"sweep": "?"},
    ],
)
def test_a_state_that_makes_no_sense_ends_with_one_sentence(broken: dict[str, Any]) -> None:
    with pytest.raises(TapError, match="cannot be read: the entry of `toys`; remove it"):
        state.begin(broken, plan(), ROSTER)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        *(("sweep", name) for name in ("retry", "joined", "fell", "lacking", "unlisted", "read")),
        ("sweep", "lacks_resource"),
        ("files", "lacking"),
        ("files", "lacks_resource"),
        ("roster", "swept"),
    ],
)
def test_a_state_with_keys_of_an_older_version_is_refused(part: str, name: str) -> None:
    old = {"bookmarks": {"users": {part: {"started_at": "2026-01-01T00:00:00Z", name: True}}}}
    message = "written by an older version of the tap: the entry of `users`; remove it"
    with pytest.raises(TapError, match=message):
        check_state(old, ["users"], logging.getLogger("test"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("yesterday", "'yesterday'"),
        (20260308, "20260308"),
        (True, "True"),
        ("", "''"),
        ("2026-02-30T00:00:00Z", "'2026-02-30T00:00:00Z'"),
        ("0001-01-02T00:00:00Z", "'0001-01-02T00:00:00Z'"),
        ({"at": "2026-01-01"}, "{'at': '2026-01-01'}"),
        ("x" * 1000, "'" + "x" * 59),
    ],
)
def test_a_bookmark_that_cannot_be_read_is_named_with_its_stream(value: Any, shown: str) -> None:
    stored = {"replication_key": "order_date", "replication_key_value": value}
    with pytest.raises(TapError) as caught:
        state.begin(stored, plan(), ROSTER)
    assert f"cannot be read: the bookmark of `toys`, {shown}, is not a timestamp" in str(
        caught.value
    )


def test_a_bookmark_of_the_future_is_named_with_its_stream() -> None:
    stored = {"replication_key": "order_date", "replication_key_value": "2099-01-01T00:00:00Z"}
    with pytest.raises(TapError, match="bookmark of `toys`, 2099-01-01T00:00:00Z, lies in the"):
        state.begin(stored, plan(), ROSTER)


INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - given a zone by the strategy


@settings(max_examples=200, deadline=None)
@given(INSTANTS, st.none() | INSTANTS, st.none() | INSTANTS, st.integers(0, 400))
def test_a_sweep_never_begins_later_than_it_must(
    now: datetime, bookmark: datetime | None, start: datetime | None, days: int
) -> None:
    since = plan(start=start, now=now, lookback=timedelta(days=days)).since(bookmark)
    bounds = [b for b in (start, bookmark and bookmark - timedelta(days=days)) if b]
    assert since == (max(bounds) if bounds else None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | st.integers(-900, 0), min_size=1, max_size=6))
def test_no_day_that_is_wanted_by_now_is_left_out(starts: list[int | None]) -> None:
    """Whatever `start_date` was on the days before, everybody has been read from today's on."""
    stored: dict[str, Any] = {}
    read: set[int] = set()
    for day, back in enumerate(starts, start=1):
        start = None if back is None else NOW + back * DAY
        today = plan(start=start, now=NOW + day * DAY)
        sweep = state.begin(stored, today, ROSTER)
        first = -1000 if sweep.since is None else (sweep.since - NOW).days
        read.update(range(first, day))
        assert read.issuperset(range(-1000 if back is None else back, day))
        state.finish(stored, sweep, today, ROSTER, today.now)
        stored = through_a_file(stored)


class TestContinuation:
    def marked(self, at: datetime) -> dict[str, Any]:
        stored: dict[str, Any] = {}
        state.finish(stored, state.begin(stored, plan(), ROSTER), plan(), ROSTER, at)
        return {"bookmarks": {"redemptions": stored, "activities": {}}}

    def test_a_run_that_is_started_again_soon_goes_on(self) -> None:
        assert resume.is_resumable(self.marked(NOW), NOW + resume.MAX_PAUSE)

    def test_tomorrows_run_begins_anew(self) -> None:
        assert not resume.is_resumable(self.marked(NOW), NOW + DAY)

    def test_the_last_sign_of_life_counts_not_the_first(self) -> None:
        given = self.marked(NOW - DAY)
        under_way: dict[str, Any] = {}
        state.save(under_way, state.begin(under_way, PLAN, ROSTER), ROSTER, NOW)
        given["bookmarks"]["users"] = under_way
        assert resume.is_resumable(through_a_file(given), NOW + timedelta(minutes=5))

    def test_a_closed_run_is_not_continued(self) -> None:
        given = self.marked(NOW)
        resume.remove_marks(given)
        assert not resume.is_resumable(given, NOW)

    def test_nothing_continues_nothing(self) -> None:
        assert not resume.is_resumable({}, NOW)

    def test_marks_that_make_no_sense_are_no_sign_of_life(self) -> None:
        for mark in (7, "?", None):
            given = {"bookmarks": {"users": {"completed_at": mark, "sweep": {"at": mark}}}}
            assert not resume.is_resumable(given, NOW)

"""A sweep of members who changed: whom it reads, and what it leaves for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.changed_members import STREAMS, Brand, rewrite
from support.harness import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def brand(tmp_path: Path) -> Iterator[Brand]:
    """A brand after its first full sweep."""
    with Brand(tmp_path) as brand:
        brand.deliver(0)
        assert not brand.run("all").said
        yield brand


def quiet(brand: Brand) -> None:
    """Let a day pass of which the files name nobody."""
    brand.running.advance()
    for path in brand.deliver(brand.day):
        rewrite(path, lambda _: [])


def test_each_day_has_all_that_changed(brand: Brand) -> None:
    for _ in range(8):
        brand.pass_day()
        outcome = brand.run()
        assert not outcome.said
        assert not brand.lacks()
        assert set(outcome.members("users")) < set(map(int, brand.running.roster()))


@pytest.mark.parametrize("begins", [0, 1, 2, 4])
def test_days_from_before_data_push_was_switched_on_are_not_waited_for(
    tmp_path: Path, begins: int
) -> None:
    """The first file is of the day before the full sweep (0), of its day (1), or of a later one."""
    with Brand(tmp_path, members=12) as brand:
        assert not brand.run("all").said
        asked = 0
        for day in range(7):
            if day:
                brand.pass_day(deliver=False)
            if day >= begins:
                brand.deliver(day)
            if brand.run(later=DAY / 2).said:
                assert not brand.run("all", later=DAY / 2).said
                asked += 1
            assert day < begins or not brand.lacks()
        assert asked == (begins > 1)


def test_only_the_note_moves_so_that_a_later_sweep_of_all_members_is_right(brand: Brand) -> None:
    before = {stream: dict(brand.entry(stream)) for stream in STREAMS}
    brand.pass_day()
    brand.run()
    for stream in STREAMS:
        after = dict(brand.entry(stream))
        for name in ("files", "roster"):  # in which `swept` moves too
            assert after.pop(name) != before[stream].pop(name), stream
        assert after == before[stream], stream


def test_those_who_changed_are_read_from_the_start_date(brand: Brand) -> None:
    brand.pass_day()
    outcome = brand.run(start_date="2000-01-01")
    bounds = {
        pair
        for request in brand.running.requests()
        if request["path"].endswith("/purchases")
        for pair in request["query"].split("&")
        if pair.startswith("date_start")
    }
    assert outcome.members("purchases")
    assert bounds == {"date_start=2000-01-01"}


def test_a_day_on_which_nobody_changed_costs_nothing_and_counts(brand: Brand) -> None:
    quiet(brand)
    outcome = brand.run()
    assert not outcome.said
    assert not outcome.requests
    brand.pass_day()
    newer = brand.run()
    again = brand.run()
    assert newer.members("users")
    assert not again.requests


def test_files_that_come_late_or_again_are_read(brand: Brand) -> None:
    brand.pass_day(deliver=False)
    assert not brand.run().requests
    late = brand.day
    brand.deliver(late)
    first = brand.run()
    assert first.members("users")
    for path in brand.deliver(late):
        rewrite(path, lambda rows: rows[::-1])
    assert brand.run().members("users") == first.members("users")


def test_files_that_arrive_during_a_full_sweep_are_due_in_the_next_changed_one(
    brand: Brand,
) -> None:
    cut = "user_activity_history"
    before = brand.state
    for life in range(40, 0, -1):
        brand.state = before
        brand.run("all", streams=(cut,), life=life, lookback_days=0, later=DAY / 24)
        if "sweep" in brand.entry(cut):
            break
    brand.pass_day()
    assert not brand.run("all", lookback_days=0).said
    assert brand.note(cut)["all_at"] == "2026-03-11T03:00:00Z"
    assert brand.lacks(streams=[cut]), "or else the next lines prove nothing"
    assert brand.run().members("users")
    assert not brand.lacks()


def test_who_appears_behind_the_cursor_is_read_by_the_run_after_next(brand: Brand) -> None:
    brand.pass_day()
    assert brand.run(life=60).crashed
    brand.pass_day()
    resumed = brand.run()
    assert not resumed.said
    assert not brand.lacks(brand.day - 1)
    assert brand.lacks(), "or else the next lines prove nothing"
    assert not brand.run().said
    assert not brand.lacks()
    assert not brand.run().requests


def test_a_full_sweep_takes_the_place_of_a_changed_one_under_way(brand: Brand) -> None:
    brand.pass_day()
    assert brand.run(life=60).crashed
    brand.pass_day()
    assert not brand.run("all").said
    assert not brand.lacks()
    assert not brand.run().requests


def test_a_full_sweep_asks_streams_that_only_a_changed_one_has_completed(brand: Brand) -> None:
    brand.pass_day()
    whole = brand.run("changed", streams=("users",))
    everybody = len(list(brand.running.expected_rows("users")))
    assert len(whole.members("users")) < everybody
    brand.state["bookmarks"]["users"]["completed_at"] = "2026-03-12T01:59:00Z"
    assert len(brand.run("all").members("users")) == everybody


def test_a_run_that_goes_on_within_the_hour_leaves_complete_streams_alone(brand: Brand) -> None:
    brand.pass_day()
    life = 10
    while brand.run(life=life).crashed and "completed_at" not in brand.entry("users"):
        life += 40
    again = brand.run()
    assert not again.said
    assert not again.members("users")
    assert not brand.lacks()


def test_files_moved_away_after_they_were_read_stay_read(brand: Brand) -> None:
    brand.pass_day()
    brand.run()
    for path in brand.folder.iterdir():
        path.rename(brand.outside / path.name)
    assert not brand.run().said
    brand.pass_day()
    assert not brand.run().said
    for path in list(brand.outside.iterdir()):
        path.rename(brand.folder / path.name)
    assert not brand.run().requests


@pytest.mark.parametrize("newer", [False, True])
def test_files_moved_away_in_the_middle_of_a_sweep_are_asked_for(
    brand: Brand,
    newer: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    brand.pass_day()
    paths = brand.deliver(brand.day)
    assert brand.run(life=60).crashed
    before = brand.state
    for path in paths:
        path.rename(brand.outside / path.name)
    if newer:
        brand.pass_day()
    outcome = brand.run()
    assert "Setting `data_push_path`: has no more files of 2026-03-12, " in outcome.said
    assert "put them back, or else run once with `sweep_members` all" in outcome.said
    assert bookmarks(brand.state) == bookmarks(before)
    for path in paths:
        (brand.outside / path.name).rename(path)
    assert not brand.run().said
    assert not brand.run().said
    assert not brand.lacks()


def test_files_replaced_in_the_middle_of_a_sweep_are_read_whole(brand: Brand) -> None:
    brand.pass_day(deliver=False)
    for path in brand.deliver(brand.day):
        rewrite(path, lambda rows: rows[len(rows) // 2 :])
    assert brand.run(life=60).crashed
    brand.deliver(brand.day)
    assert not brand.run().said
    assert not brand.run().said
    assert not brand.lacks()


def test_files_that_change_to_and_fro_in_the_middle_of_a_sweep_are_read_whole(
    brand: Brand,
) -> None:
    def send(change: Callable[[list[list[str]]], list[list[str]]]) -> None:
        for path in brand.deliver(brand.day):
            rewrite(path, change)

    brand.pass_day()
    everybody = brand.run(streams=("users",)).members("users")
    send(lambda rows: rows[::-1])
    assert brand.run(streams=("users",), life=4).crashed
    assert brand.entry("users")["sweep"]["after"]
    send(lambda rows: rows[:1])
    assert not brand.run(streams=("users",)).said
    send(lambda rows: rows[::-1])
    assert brand.run(streams=("users",)).members("users") == everybody


def test_shards_have_everybody_between_them(brand: Brand) -> None:
    brand.pass_day()
    states: list[dict[str, Any]] = [{}, {}]
    for members in ("all", "changed"):
        read = []
        for number in (0, 1):
            brand.state = states[number]
            read.append(brand.run(members, shard=f"{number + 1}/2").members("users"))
            states[number] = brand.state
        assert not brand.lacks()
        assert not set(read[0]) & set(read[1])
        assert all(read)
        brand.pass_day()


def bookmarks(state: dict[str, Any]) -> dict[str, Any]:
    """What a state says, but for the marks that tell whether a run goes on."""
    return {
        stream: {name: value for name, value in entry.items() if name != "completed_at"}
        for stream, entry in state["bookmarks"].items()
    }

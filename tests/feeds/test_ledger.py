"""The ledger keeps in a few bytes which files have been read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.harness import PRESENT

from tap_crowdtwist.files.folder import File, digest_of
from tap_crowdtwist.files.history import FileHistory, HistorySize, merged

SMALL = HistorySize(3, 4, periods_per_cell=2)
LARGE = HistorySize(48, 120, periods_per_cell=24)


def file(period: int, content: str = "", name: str = "") -> File:
    name = name or f"file {period}"
    return File(name, f"path of {name}", "FEED", PRESENT, period, 1, content)


def read(ledger: FileHistory, *files: File) -> None:
    for each in files:
        ledger.add(each.period, digest_of(each))


def stored(ledger: FileHistory) -> FileHistory:
    """The ledger as the next run gets it."""
    return FileHistory.load(json.loads(json.dumps(ledger.dump())), ledger.size)


def test_what_was_read_is_not_due() -> None:
    ledger = FileHistory(LARGE)
    files = [file(period) for period in (3, 5, 9)]
    assert ledger.due(files) == files
    read(ledger, *files)
    assert ledger.due(files) == []
    assert stored(ledger).due(files) == []


def test_what_is_late_makes_what_follows_due_only_where_order_matters() -> None:
    files = [file(period) for period in (3, 5, 9)]
    ledger = FileHistory(LARGE)
    read(ledger, files[0], files[2])
    assert ledger.due(files) == [files[1]]
    assert ledger.due(files, in_order=True) == files[1:]


def test_all_files_of_a_day_are_due_when_one_is_new() -> None:
    first, second = file(3, name="a"), file(3, name="b")
    ledger = FileHistory(LARGE)
    read(ledger, first)
    assert ledger.begin([first, second]) == [first, second]
    read(ledger, second, first)
    assert ledger.due([first, second]) == []


def test_the_name_and_the_content_tell_files_apart() -> None:
    assert len({digest_of(file(1, a, b)) for a in ("x", "y") for b in ("n", "m")}) == 4
    assert digest_of(file(1, "7")) == digest_of(file(1, "8"), 7)
    assert 0 < digest_of(file(1)) < 1 << 24


@pytest.mark.parametrize("period", [-(10**9), -5, 0, 30, 99, 10**9])
def test_no_slot_makes_a_file_count_as_read(period: int) -> None:
    ledger = FileHistory(SMALL)
    files = [file(each) for each in range(100)]
    read(ledger, *files)
    new = file(period, name="new")
    listed = sorted([*files, new], key=lambda each: each.period)
    due = stored(ledger).begin(listed)
    assert new in due
    read(ledger, *due)


def test_what_is_new_among_old_files_is_due_with_its_cell_alone() -> None:
    ledger = FileHistory(SMALL)
    files = [file(period) for period in range(20)]
    read(ledger, *files)
    listed = sorted([*files, file(2, name="new")], key=lambda each: each.period)
    assert [each.period for each in stored(ledger).begin(listed)] == [2, 2, 3, 10, 11]


def test_files_that_were_removed_make_the_rest_of_their_cell_due_once() -> None:
    ledger = FileHistory(SMALL)
    files = [file(period) for period in range(10)]
    read(ledger, *files)
    rest = files[1:]
    due = ledger.begin(rest)
    assert [each.period for each in due] == [1]
    read(ledger, *due)
    assert stored(ledger).begin(rest) == []
    assert stored(ledger).begin(rest[1:]) == [], "nothing is left of that cell"


@given(
    periods=st.lists(st.integers(-50, 50) | st.integers(-(10**6), 10**6), unique=True),
    cut=st.integers(0, 50),
)
def test_a_run_that_is_cut_short_leaves_the_rest_due_and_no_more_than_their_cells(
    periods: list[int], cut: int
) -> None:
    files = [file(period) for period in sorted(periods)]
    ledger = FileHistory(SMALL)
    read(ledger, *ledger.begin(files)[:cut])
    ledger = stored(ledger)
    due = ledger.begin(files)
    assert set(files[cut:]) <= set(due)
    read(ledger, *due)
    assert stored(ledger).begin(files) == []


def test_the_window_comes_back_from_a_date_that_is_not_there() -> None:
    ledger = FileHistory(SMALL)
    files = [file(period) for period in range(10)]
    read(ledger, *files, file(10**6))
    read(ledger, *ledger.begin(files))
    assert ledger.end == 10
    assert stored(ledger).begin(files) == []
    assert ledger.due([*files, file(10)]) == [file(10)]


@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, (1 << 24) - 1))))
def test_a_ledger_never_grows(files: list[tuple[int, int]]) -> None:
    ledger = FileHistory(LARGE)
    for period, number in files:
        ledger.add(period, number)
    assert len(json.dumps(ledger.dump())) <= 4 * (LARGE.periods + LARGE.cells) + 64
    assert stored(ledger) == ledger


def test_a_state_of_another_extent_makes_no_file_count_as_read() -> None:
    ledger = FileHistory(LARGE)
    files = [file(period) for period in range(200)]
    read(ledger, *files[:-1])
    other = FileHistory.load(ledger.dump(), SMALL)
    assert files[-1] in other.due(files)
    assert not {197, 198} & {each.period for each in other.due(files)}


def test_merged_ledgers_speak_of_the_same_slots() -> None:
    old, new = FileHistory(SMALL), FileHistory(SMALL)
    files = [file(period) for period in range(12)]
    read(old, *files[:6])
    read(new, *files)
    both = merged(lambda one, other: other or one, old, new)
    assert both.due(files) == []
    assert both.end == 12


def test_a_slot_whose_files_are_lost_is_named() -> None:
    before, begun = FileHistory(SMALL), FileHistory(SMALL)
    files = [file(period) for period in range(12)]
    read(before, *files[1:8])
    read(begun, *files)
    assert begun.lost_period(files, before) is None
    assert begun.lost_period(files[:-1], before) == 11
    assert begun.lost_period(files[9:], before) == begun.start - 1, "it shares a cell by now"

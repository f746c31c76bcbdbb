"""The ledger keeps in a few bytes which files have been read."""

from __future__ import annotations

from harness import PRESENT

from tap_crowdtwist.feeds.folder import File, digest
from tap_crowdtwist.feeds.ledger import Ledger


def file(slot: int, content: str = "", name: str = "") -> File:
    return File(name or f"file {slot}", "path", "FEED", PRESENT, slot, 1, content)


def read(ledger: Ledger, *files: File) -> None:
    for each in files:
        ledger.add(each.slot, digest(each))


def test_what_was_read_is_not_due() -> None:
    ledger = Ledger()
    files = [file(slot) for slot in (3, 5, 9)]
    assert ledger.due(files) == files
    read(ledger, *files)
    assert ledger.due(files) == []
    assert Ledger.load(ledger.dump(), 400).due(files) == []


def test_what_is_late_makes_what_follows_due_only_where_order_matters() -> None:
    files = [file(slot) for slot in (3, 5, 9)]
    ledger = Ledger()
    read(ledger, files[0], files[2])
    assert ledger.due(files) == [files[1]]
    assert ledger.due(files, in_order=True) == files[1:]


def test_all_files_of_a_day_are_due_when_one_is_new() -> None:
    first, second = file(3, name="a"), file(3, name="b")
    ledger = Ledger()
    read(ledger, first)
    assert ledger.due([first, second]) == [first, second]
    ledger.clear([3])
    read(ledger, second, first)
    assert ledger.due([first, second]) == []


def test_the_name_and_the_content_tell_files_apart() -> None:
    assert len({digest(file(1, a, b)) for a in ("x", "y") for b in ("n", "m")}) == 4
    assert digest(file(1, "7")) == digest(file(1, "8"), 7)
    assert 0 < digest(file(1)) < 1 << 24


def test_a_state_holds_the_last_days_once_all_is_read() -> None:
    ledger = Ledger(most=3)
    files = [file(slot) for slot in range(10)]
    read(ledger, *files)
    loaded = Ledger.load(ledger.dump(), 3)
    assert (loaded.first, len(loaded.sums), loaded.settled) == (7, 3, True)
    assert loaded.due([file(2, "new"), *files]) == []


def test_a_state_keeps_what_is_due_in_sight() -> None:
    ledger = Ledger(most=3)
    late, newest = [file(slot) for slot in (1, 2)], file(9)
    read(ledger, newest, late[0])
    loaded = Ledger.load(ledger.dump(due_from=2), 3)
    assert len(loaded.sums) <= 3
    assert not loaded.settled or loaded.first <= 2
    assert loaded.due([*late, newest]) in ([late[1]], [late[1], newest])

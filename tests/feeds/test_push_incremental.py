"""Each file is read once, unless there is something new in it; the last word stays the last."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.push_files import (
    FEEDS,
    PUSH,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    table,
    with_method,
    zipped,
)

from tap_crowdtwist.files.folder import File

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import Result

KEPT = 200
"""Days that the state of a stream tells of."""


def days_read(result: Result) -> list[int]:
    """The days of the files that were read, in order."""
    names = [record["file_name"] for record in result.records["push_users"]]
    return [int(name[-6:-4]) for name in dict.fromkeys(names)]


def bookmark(result: Result) -> Any:
    return result.state["bookmarks"]["push_users"]["replication_key_value"]


def test_a_second_run_reads_nothing_and_says_so(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2, 3)
    first = read(tmp_path)
    assert days_read(first) == [1, 2, 3]
    assert bookmark(first) == name_of("PROFILE", 3)
    second = read(tmp_path, state=first.state)
    assert days_read(second) == []
    assert "push_users: reading 0 of 3 files" in second.stderr
    assert second.state == first.state


def test_a_new_day_is_read_alone(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2)
    first = read(tmp_path)
    put_days(tmp_path, 3)
    second = read(tmp_path, state=first.state)
    assert days_read(second) == [3]
    assert bookmark(second) == name_of("PROFILE", 3)


def test_files_after_a_late_one_are_read_again_so_that_the_last_profile_wins(
    tmp_path: Path,
) -> None:
    put_days(tmp_path, 1, 3, 4)
    first = read(tmp_path)
    put_days(tmp_path, 2)
    second = read(tmp_path, state=first.state)
    assert days_read(second) == [2, 3, 4]
    last = {record["id"]: record["first_name"] for record in second.records["push_users"]}
    assert last[1] == "day 4"
    assert days_read(read(tmp_path, state=second.state)) == []


@pytest.mark.parametrize("ending", ["zip", "csv"])
def test_a_file_with_other_content_is_read_again(tmp_path: Path, ending: str) -> None:
    put_days(tmp_path, 1, 2, 3, ending=ending)
    first = read(tmp_path)
    put(tmp_path, name_of("PROFILE", 2, ending), profiles(55))
    second = read(tmp_path, state=first.state)
    assert days_read(second) == [2, 3]
    assert 55 in ids(second)
    assert days_read(read(tmp_path, state=second.state)) == []


@pytest.mark.parametrize("ending", ["zip", "csv"])
def test_the_same_size_does_not_hide_other_content(tmp_path: Path, ending: str) -> None:
    name = name_of("PROFILE", 2, ending)
    content, other = profiles(10, 11), profiles(10, 12)
    size = put(tmp_path, name, content).stat().st_size
    first = read(tmp_path)
    path = put(tmp_path, name, other)
    assert path.stat().st_size == size
    os.utime(path, (1, 1))  # a CSV tells by its time alone
    assert ids(read(tmp_path, state=first.state)) == [10, 12]


def test_an_older_time_does_not_hide_other_content_of_a_zip(tmp_path: Path) -> None:
    path = put(tmp_path, name_of("PROFILE", 2), profiles(10, 11))
    before = path.stat()
    first = read(tmp_path)
    put(tmp_path, path.name, profiles(10, 12))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ids(read(tmp_path, state=first.state)) == [10, 12]


def test_the_same_zip_copied_touched_or_moved_is_not_read_again(tmp_path: Path) -> None:
    put_days(tmp_path / "in", 1, 2)
    first = read(tmp_path / "in")
    shutil.copytree(tmp_path / "in", tmp_path / "copy" / "2026")
    for path in (tmp_path / "copy" / "2026").iterdir():
        os.utime(path, (1, 1))
    assert days_read(read(tmp_path / "copy", state=first.state)) == []


def test_files_that_were_cleared_away_change_nothing(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2, 3, 4)
    first = read(tmp_path)
    for day in (1, 2, 4):
        (tmp_path / name_of("PROFILE", day)).unlink()
    second = read(tmp_path, state=first.state)
    assert days_read(second) == []
    put_days(tmp_path, 5)
    assert days_read(read(tmp_path, state=second.state)) == [5]


def test_a_full_table_reads_everything_every_time(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2)
    catalog = with_method("FULL_TABLE", "push_users")
    first = read(tmp_path, catalog=catalog)
    second = read(tmp_path, catalog=catalog, state=first.state)
    assert days_read(first) == days_read(second) == [1, 2]
    back = read(tmp_path, state=second.state)
    assert days_read(back) == [], "what it has read counts when it is incremental again"


def test_each_feed_has_a_bookmark_of_its_own(tmp_path: Path) -> None:
    put_days(tmp_path, 1)
    first = read(tmp_path, "push_users")
    activity = table({"user_activity_id": 7})
    put(tmp_path, name_of("USER_ACTIVITY", 1), activity)
    second = read(tmp_path, *PUSH, state=first.state)
    assert list(second.records) == ["push_user_activities"]
    assert "push_redemptions: no files of this feed were found" in second.stderr


def test_a_state_that_makes_no_sense_reads_everything(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2)
    stored: list[Any] = [
        None,
        "x",
        [],
        {"first": "x", "sums": "AAAA"},
        {"first": 1, "sums": "A"},
        {"first": 1, "sums": "AA=="},
        {"first": 10**30, "sums": "AAAA"},
        {"first": -(10**30), "sums": "AAAA"},
        {"first": 1e300, "sums": "AAAA"},
        {"first": None, "sums": None},
    ]
    for files in stored:
        state = {"bookmarks": {"push_users": {"files": files, "columns": 7}}}
        assert days_read(read(tmp_path, state=state)) == [1, 2]


@pytest.mark.slow
def test_the_state_stays_small_however_many_files_there_are(tmp_path: Path) -> None:
    start, count = date(2025, 1, 26), 400
    contents = {
        "push_users": zipped(profiles(1, **{f"a_long_column_name_{n}": n for n in range(70)})),
        "push_user_activities": zipped(table({"user_activity_id": 7})),
        "push_redemptions": zipped(table({"order_id": 7})),
        "push_points_expiration": zipped(table({"user_id": 7, "message_date": 7})),
    }
    for day in range(count):
        spelled = f"{start + timedelta(days=day):%Y%m%d}"
        for stream, content in contents.items():
            (tmp_path / name_of(FEEDS[stream], spelled)).write_bytes(content)
    first = read(tmp_path, *PUSH)
    assert all(len(first.records[stream]) == count for stream in PUSH)
    assert len(json.dumps(first.state)) < 16 * 1024, "64 KB is for all streams together"
    second = read(tmp_path, *PUSH, state=first.state)
    assert not second.records
    old = name_of("PROFILE", f"{start:%Y%m%d}")
    put(tmp_path, old, profiles(9))
    third = read(tmp_path, "push_users", state=second.state)
    assert len(third.records["push_users"]) == count, "no date makes a file count as read"
    recent = name_of("PROFILE", f"{start + timedelta(days=count - KEPT):%Y%m%d}")
    put(tmp_path, recent, profiles(9))
    fourth = read(tmp_path, "push_users", state=third.state)
    assert len(fourth.records["push_users"]) == KEPT


def test_files_of_years_that_come_late_are_all_read(tmp_path: Path) -> None:
    """Reading the first of them must not make the rest count as older than the state tells."""
    newest = date(2026, 3, 10)
    put(tmp_path, name_of("PROFILE", f"{newest:%Y%m%d}"), profiles(1))
    state = read(tmp_path).state
    late = [newest - timedelta(days=KEPT + 10 - n) for n in range(3)]
    for day in late:
        put(tmp_path, name_of("PROFILE", f"{day:%Y%m%d}"), profiles(2))
    broken = put(tmp_path, name_of("PROFILE", f"{late[1]:%Y%m%d}"), b"id\n1,2\n")
    stopped = read(tmp_path, state=state, code=1)
    assert len(stopped.records["push_users"]) == 1
    put(tmp_path, broken.name, profiles(3))
    rest = read(tmp_path, state=stopped.state)
    assert ids(rest) == [3, 2, 1]
    assert not read(tmp_path, state=rest.state).records


def test_a_file_is_told_by_its_name_not_by_its_path() -> None:
    assert "path" not in repr(File("n", "secret://path", "f", None, 0, 0, ""))  # type: ignore[arg-type]

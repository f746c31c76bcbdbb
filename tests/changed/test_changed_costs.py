"""What a changed day costs: requests by the members that appear, and a small state."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.changed_members import Brand
from support.harness import DAY, INCREMENTAL, MEMBER_STREAMS, TODAY
from support.mortal_writer import LARGEST_STATE

from tap_crowdtwist import state
from tap_crowdtwist.api import endpoints
from tap_crowdtwist.files.history import FileHistory
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.state import files_seen
from tap_crowdtwist.streams import FILE_STREAMS
from tap_crowdtwist.streams.data_push import MAX_COLUMNS_CHARACTERS, DataPushStream
from tap_crowdtwist.streams.live_push import MAX_OFFSETS, LivePushStream
from tap_crowdtwist.streams.undated_lists import SAMPLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 20, 2, tzinfo=timezone.utc)
PAGES = {
    "user_activity_history": endpoints.ACTIVITY_HISTORY,
    "purchases": endpoints.PURCHASES,
    "redemptions": endpoints.REDEMPTIONS,
    "receipts": endpoints.RECEIPTS,
    "user_badges": endpoints.USER_BADGES,
    "user_rewards": endpoints.USER_REWARDS,
}
"""The listings that come in pages, of ten rows where the page size is not ours to choose."""


def test_requests_follow_the_number_of_members_that_appear(tmp_path: Path) -> None:
    with Brand(tmp_path, members=300, daily_changes=0.02) as brand:
        brand.deliver(0)
        full = brand.run("all", streams=MEMBER_STREAMS)
        everybody = set(map(int, brand.running.roster()))
        assert finds_out(sum(full.requests.values()) - expected(brand, everybody), everybody)
        for _ in range(3):
            brand.pass_day()
            outcome = brand.run(streams=MEMBER_STREAMS)
            members = set(outcome.members("users"))
            assert members == appearing(brand)
            assert 0 < len(members) < 15
            assert finds_out(sum(outcome.requests.values()) - expected(brand, members), members)
            assert not brand.lacks()


def finds_out(requests: int, members: set[int]) -> bool:
    """Whether it may take so many to find out whether redemptions without dates are all.

    A member who is read for the first time may need a profile, and a window for each of its years.
    """
    return 0 <= requests <= min(SAMPLE_SIZE, len(members)) * 8


def expected(brand: Brand, members: set[int]) -> int:
    """One request for each member and stream, and one for each further page of a listing."""
    rows = Counter(
        (stream, row["user_id"])
        for stream in PAGES
        for row in brand.running.expected_rows(stream)
        if row["user_id"] in members
    )
    further = sum((count - 1) // (PAGES[name].page_size or 10) for (name, _), count in rows.items())
    return len(members) * len(MEMBER_STREAMS) + further


def appearing(brand: Brand) -> set[int]:
    """Whom the files of the newest day name by their number."""
    named = set()
    for feed, column in (("PROFILE", "id"), ("USER_ACTIVITY", "id"), ("POINTS_EXP", "user_id")):
        (path,) = brand.folder.glob(f"*_{feed}*_{TODAY + (brand.day + 1) * DAY:%Y%m%d}.zip")
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as table:
            text = io.TextIOWrapper(table, newline="")
            named |= {int(row[column]) for row in csv.DictReader(text)}
    return named


def full_note(kind: str, first: int) -> dict[str, Any]:
    size = files_seen.KINDS[kind]
    ledger = FileHistory(size)
    for period in range(first, first + size.periods + size.cells * size.periods_per_cell):
        ledger.add(period, 7919 * period + 1)
    return ledger.dump()


def feeds_at_their_worst() -> dict[str, Any]:
    bookmarks: dict[str, Any] = {}
    for feed in FILE_STREAMS:
        bookmarks[feed.name] = {
            "files": FileHistory(
                feed.history_size,
                480_000,
                [0xFFFFFF] * (feed.history_size.periods + feed.history_size.cells),
            ).dump(),
            "replication_key": "received_at",
            "replication_key_value": "2_512345_POINTS_EXPIRATION_20261119.zip",
        }
        if issubclass(feed, DataPushStream):
            bookmarks[feed.name]["columns"] = "c" * MAX_COLUMNS_CHARACTERS
        if issubclass(feed, LivePushStream):
            name = f"{feed.name}-20261119T14-"
            bookmarks[feed.name]["offsets"] = {
                f"{name}{n:08x}.jsonl": 10**9 for n in range(MAX_OFFSETS)
            }
    return bookmarks


def add_owing(
    bookmarks: dict[str, Any], streams: Sequence[str], members: Iterable[int], *, files: bool
) -> None:
    """Let streams that are swept own the state of a sweep in which many members failed."""
    roster = Roster(range(1, 1_000_001, 1000))
    for stream in streams:
        entry: dict[str, Any] = bookmarks.setdefault(stream, {})
        for day, changed in enumerate((False, True) if files else (False, False)):
            noted = {"push": full_note("push", 20_000 + day), "live": full_note("live", 480_000)}
            plan = state.SweepPlan(
                stream,
                NOW + timedelta(days=day),
                INCREMENTAL.get(stream),
                NOW - timedelta(days=3650),
                timedelta(days=7),
                noted if files else None,
                "changed" if changed else "all",
                identifies=stream == "users",
            )
            sweep = state.begin(entry, plan, roster)
            for read, owed in ((5, False), (10**6 + day, False), (17, True)):
                sweep.record_read(read, failed_before=owed)
            sweep.record_failed(9)
            sweep.after = 10**9 + 2999
            sweep.asked, sweep.missing, sweep.not_configured = 3000, 17, 2900
            state.save(entry, sweep, roster, plan.now)
            for member in members if day else ():
                room = partial(state.characters_left, bookmarks, stream, streams)
                sweep.failed.add(member, sweep.since, room)
            state.save(entry, sweep, roster, plan.now)
            if not day:
                state.finish(entry, sweep, plan, roster, plan.now)


def test_the_state_of_all_streams_at_their_worst_is_small() -> None:
    bookmarks = feeds_at_their_worst()
    members = range(10**12, 3 * 10**12, 10**9)
    add_owing(bookmarks, MEMBER_STREAMS, members, files=True)
    assert len(json.dumps({"bookmarks": bookmarks})) <= LARGEST_STATE


def test_the_default_streams_may_owe_two_thousand_members_of_a_million_at_once() -> None:
    bookmarks: dict[str, Any] = {}
    members = random.Random(1).sample(range(1, 1_000_001), 2000)  # noqa: S311 - a drawing
    add_owing(bookmarks, MEMBER_STREAMS, members, files=False)
    owing = [bookmarks[name]["sweep"]["failed"]["count"] for name in MEMBER_STREAMS]
    assert owing[:7] == [2000] * 7  # the streams that are on by default
    assert min(owing) >= 600
    assert len(json.dumps({"bookmarks": bookmarks})) <= LARGEST_STATE

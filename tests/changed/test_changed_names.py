"""Who appears in files: by number, by other names, and by names that others have too."""

from __future__ import annotations

import csv
import io
import json
import time
import tracemalloc
from array import array
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.folder import File
from tap_crowdtwist.files.member_ids import MemberIdentifiers, MemberNumbers, MembersInFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import IO

DAY = datetime(2026, 3, 11, tzinfo=timezone.utc)
NAMES = ("email_address", "username", "third_party_id")
PROFILE = ("id", *NAMES)
ACTIVITY = ("id", "third_party_id", "email_address")


def appear(
    profiles: Iterable[Sequence[str]] = (),
    redemptions: Iterable[Sequence[str]] = (),
    activities: Iterable[Sequence[str]] = (),
    columns: Sequence[str] = NAMES,
    nearby: Mapping[str, bytes] | None = None,
) -> MembersInFiles:
    """Who appears in a day's files with these rows, and with these files of the days around it."""
    contents = {
        "PROFILE": table(PROFILE, profiles),
        "USER_ACTIVITY": table(ACTIVITY, activities),
        "USER_REDEMPTION": table(columns, redemptions),
    }
    around = nearby or {}
    opened: list[str] = []

    def open_file(file: File) -> IO[bytes]:
        assert file.path not in opened, "each file is read once"
        opened.append(file.path)
        return io.BytesIO({**contents, **around}[file.path])

    appeared = MembersInFiles()
    appeared.add_tables(
        [file(feed) for feed in contents], [file(path) for path in around], open_file
    )
    return appeared


def file(path: str) -> File:
    """A file whose feed is the last word of its path."""
    return File(f"{path}.csv", path, path.rpartition(" ")[2], DAY, 0, 0, "")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode()


def capture(feed: str, *events: dict[str, Any]) -> tuple[File, Callable[[File], IO[bytes]]]:
    """A file of captures with these events."""
    lines = "".join(json.dumps({"received_at": "x", "event": event}) + "\n" for event in events)
    content = lines.encode()
    return File("x.jsonl", "x", feed, DAY, 0, len(content), ""), lambda _: io.BytesIO(content)


def test_everybody_appears_once_whatever_the_number_of_rows() -> None:
    appeared = appear([["8", "", "", ""], ["3", "", "", ""]], activities=[["8", "", ""]] * 3)
    assert list(appeared.numbers) == [3, 8]


def test_a_redemption_is_found_by_any_surest_name_of_another_row() -> None:
    appeared = appear(
        profiles=[["1", "a@x.test", "ann", "T1"], ["2", "b@x.test", "bob", ""]],
        activities=[["3", "T3", "c@x.test"]],
        redemptions=[[" A@x.test ", "", ""], ["", "BOB", ""], ["", "", "T3"]],
    )
    assert appeared.without_id == set()
    assert list(appeared.numbers) == [1, 2, 3]


@pytest.mark.parametrize(
    "redemption", [["a@x.test", "bob", ""], ["a@x.test", "", "T2"], ["", "ann", "T2"]]
)
def test_a_name_that_somebody_shares_is_not_enough(redemption: list[str]) -> None:
    """Ann appears, but the one who redeemed something has a name that is not hers."""
    appeared = appear([["1", "a@x.test", "ann", "T1"]], redemptions=[redemption])
    assert appeared.without_id == {MemberIdentifiers(*(name.casefold() for name in redemption))}


def test_a_redemption_is_found_in_the_files_of_the_days_around_it() -> None:
    appeared = appear(
        profiles=[["1", "a@x.test", "", ""]],
        redemptions=[["a@x.test", "", ""], ["b@x.test", "", ""], ["", "cy", ""], ["", "dee", ""]],
        nearby={
            "before USER_REDEMPTION": b"not to be read",
            "before PROFILE": table(
                PROFILE, [["2", "b@x.test", "", ""], ["9", "z@x.test", "", ""]]
            ),
            "after PROFILE": table(PROFILE, [["3", "", "cy", ""], ["", "", "", ""]]),
        },
    )
    assert list(appeared.numbers) == [1, 2, 3], "only who is looked up comes from other days"
    assert appeared.without_id == {MemberIdentifiers("", "dee", "")}


def test_files_of_other_days_are_not_read_where_nobody_is_looked_up() -> None:
    appeared = appear(
        profiles=[["1", "a@x.test", "", ""]],
        redemptions=[["a@x.test", "", ""]],
        nearby={"before PROFILE": table(PROFILE, [["", "", "", ""]])},
    )
    assert list(appeared.numbers) == [1]


def test_a_redemption_with_a_number_needs_no_other_name() -> None:
    appeared = appear(redemptions=[["7", ""]], columns=("User_ID", "email_address"))
    assert list(appeared.numbers) == [7]


def test_a_row_of_nobody_stops_the_sweep() -> None:
    with pytest.raises(
        SettingError, match=r"line 3 of 'USER_REDEMPTION.csv' does not identify a member"
    ):
        appear(redemptions=[["a@x.test", "", ""], ["", " ", ""]])


def test_captures_name_members_in_any_of_their_spellings() -> None:
    appeared = MembersInFiles()
    for feed, event in (
        ("live_users", {"id": 1}),
        ("live_users", {"userId": "2"}),
        ("live_activities", {"userId": 3, "id": 99}),
        ("live_segments", {"user_id": 4}),
        ("live_redemptions", {"memberId": "5"}),
    ):
        captures, opened = capture(feed, event)
        appeared.add_captures([captures], opened)
    assert list(appeared.numbers) == [1, 2, 3, 4, 5]


def test_captures_without_a_number_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """The files of the next day name the same members."""
    captures, opened = capture(
        "live_redemptions", {"emailAddress": "e@x.test"}, {"user_id": "?"}, {"userId": True}, {}
    )
    appeared = MembersInFiles()
    appeared.add_captures([captures], opened)
    assert not appeared.without_id
    assert "4 events of Live Push do not have their member's CrowdTwist id" in caplog.text
    assert "e@x.test" not in caplog.text


def test_a_name_that_many_have_identifies_nobody_and_costs_no_more_than_others() -> None:
    guests = [["guest@brand.test", f"user{number}", ""] for number in range(3000)]
    profiles = [[str(number), *names] for number, names in enumerate(guests, start=1)]
    began = time.process_time()
    appeared = appear(profiles, redemptions=guests)
    assert time.process_time() - began < 3
    assert len(appeared.without_id) == len(guests)


def test_numbers_take_eight_bytes_each_and_rows_nothing() -> None:
    members, rows = 100_000, 250_000
    tracemalloc.start()
    try:
        numbers = MemberNumbers()
        for row in range(rows):
            numbers.append(10**9 + row * 7919 % members)
        _, peak = tracemalloc.get_traced_memory()
        kept = array("q", numbers)
    finally:
        tracemalloc.stop()
    assert len(kept) == members
    assert list(kept) == sorted(kept)
    assert peak < 100 * members

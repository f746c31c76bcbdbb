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
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from support.harness import process_untouched
from typing_extensions import override

from tap_crowdtwist.api.errors import FatalApiError
from tap_crowdtwist.api.transport import Response, Transport
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files import member_ids
from tap_crowdtwist.files.folder import File
from tap_crowdtwist.files.member_ids import MemberIdentifiers, MemberNumbers, MembersInFiles
from tap_crowdtwist.members.user_ids import look_up_ids
from tap_crowdtwist.sync.run import build_client
from tap_crowdtwist.sync.shutdown import StopSignal
from tap_crowdtwist.sync.workers import WorkerPool
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import IO

    from requests.auth import AuthBase

DAY = datetime(2026, 3, 11, tzinfo=timezone.utc)
NAMES = ("email_address", "username", "third_party_id")
PROFILE = ("id", *NAMES)
ACTIVITY = ("id", "third_party_id", "email_address")


def appear(
    profiles: Iterable[Sequence[str]] = (),
    redemptions: Iterable[Sequence[str]] = (),
    activities: Iterable[Sequence[str]] = (),
    columns: Sequence[str] = NAMES,
) -> MembersInFiles:
    """Who appears in a day's files with these rows."""
    contents = {
        "PROFILE": table(PROFILE, profiles),
        "USER_ACTIVITY": table(ACTIVITY, activities),
        "USER_REDEMPTION": table(columns, redemptions),
    }
    files = [File(f"{feed}.csv", feed, feed, DAY, 0, 0, "") for feed in contents]
    appeared = MembersInFiles()
    appeared.add_tables(files, lambda file: io.BytesIO(contents[file.feed]))
    return appeared


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
    assert appeared.without_id == {MemberIdentifiers(*(name or None for name in redemption))}


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
        ("live_redemptions", {"emailAddress": "e@x.test"}),
    ):
        file, opened = capture(feed, event)
        appeared.add_captures([file], opened)
    assert list(appeared.numbers) == [1, 2, 3, 4, 5]
    assert appeared.without_id == {MemberIdentifiers("e@x.test", None, None)}


def test_captures_of_nobody_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    file, opened = capture("live_segments", {"name": "VIP"}, {"user_id": "?", "email_address": " "})
    appeared = MembersInFiles()
    appeared.add_captures([file], opened)
    assert "2 events of Live Push do not identify a member" in caplog.text


class Directory(Transport):
    """Answers with the first profile that has the name asked for."""

    def __init__(self, *profiles: dict[str, Any]) -> None:
        super().__init__(1, 1, "test")
        self._profiles = profiles
        self.asked: list[tuple[str, str]] = []

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        parts = urlsplit(url)
        name = unquote(parts.path.rpartition("/")[2])
        (id_type,) = parse_qs(parts.query)["id_type"]
        self.asked.append((id_type, name))
        column = "email_address" if id_type == "email" else id_type
        for profile in self._profiles:
            if profile.get(column) == name:
                return Response(200, {}, json.dumps(profile).encode())
        return Response(404, {}, b'{"error": "user_not_found", "message": "?"}')


def look_up(directory: Directory, *aliases: MemberIdentifiers) -> list[int]:
    config = {"api_key": "not-a-secret", "client_id": "512"}
    with process_untouched():
        settings = Settings.from_config(TapCrowdTwist(config=config).config)
    client = build_client(settings, directory, StopSignal(), WorkerPool(1))
    return look_up_ids(aliases, client, lambda calls: [call() for call in calls])


def test_who_has_changed_their_email_is_found_by_another_name() -> None:
    directory = Directory({"id": 5, "email_address": "new@x.test", "username": "eve"})
    assert look_up(directory, MemberIdentifiers("old@x.test", "eve", None)) == [5]
    assert directory.asked == [("email", "old@x.test"), ("username", "eve")]


def test_everybody_who_may_be_meant_by_a_shared_name_is_read() -> None:
    directory = Directory(
        {"id": 1, "email_address": "home@x.test", "username": "ann", "third_party_id": "T"},
        {"id": 2, "email_address": "home@x.test", "username": "bob", "third_party_id": "T"},
    )
    assert look_up(directory, MemberIdentifiers("home@x.test", "bob", "T")) == [1, 2]
    assert look_up(directory, MemberIdentifiers("home@x.test", "ann", "T")) == [1]


@pytest.mark.parametrize("status", [400, 414])
def test_a_name_that_can_be_nobodys_does_not_end_the_run(status: int) -> None:
    class Strict(Directory):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            if "odd" in url:
                return Response(status, {}, b'{"error": "param_error", "message": "?"}')
            return super().get(url, auth)

    directory = Strict({"id": 5, "email_address": "eve@x.test", "username": "eve"})
    assert look_up(
        directory, MemberIdentifiers("odd@x.test", None, None), MemberIdentifiers(None, "eve", "..")
    ) == [5]
    assert ("third_party_id", "..") not in directory.asked


def test_a_bad_key_does() -> None:
    class Closed(Directory):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            return Response(403, {}, b'{"error": "invalid_auth", "message": "?"}')

    with pytest.raises(FatalApiError) as caught:
        look_up(Closed(), MemberIdentifiers("eve@x.test", None, None))
    assert "not-a-secret" not in str(caught.value)


def test_a_name_that_many_have_costs_no_more_than_others() -> None:
    many = [MemberIdentifiers("guest@brand.test", f"user{number}", None) for number in range(3000)]
    lookup = member_ids._IdLookup(set(many))  # noqa: SLF001 - its cost is what matters
    began = time.perf_counter()
    for number in range(3000):
        lookup.match({"email_address": "guest@brand.test", "username": f"user{number}"})
    assert time.perf_counter() - began < 1
    assert len(lookup.unmatched) == len(many)


def test_who_is_not_known_by_any_name_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert (
        look_up(
            Directory(),
            MemberIdentifiers("a@x.test", "ann", None),
            MemberIdentifiers(None, None, "T"),
        )
        == []
    )
    assert "CrowdTwist does not know 2 members that files name without a numeric id" in caplog.text
    assert "a@x.test" not in caplog.text


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

"""Every row comes, in whatever form a server wants to be asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timezone
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support import fake_clock_tap
from support.fake_clock_tap import sync
from support.harness import TODAY, canonical, sandbox, select
from typing_extensions import override

from tap_crowdtwist.api.transport import Response, Transport
from tap_crowdtwist.streams import undated_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from requests.auth import AuthBase

pytestmark = pytest.mark.slow


HISTORY = "user_activity_history"
FORMS = {
    "": "",
    "history_by_page_number": "page_number",
    "history_without_pages": "without pages",
    "history_ignores_pages": "without pages",
    "history_without_paging": "",
    "history_by_page_number,history_without_paging": "page_number",
    "history_without_pages,history_cut": "without pages",
    "history_ignores_pages,history_cut": "without pages",
    "history_ignores_dates": "",
    "history_ignores_pages,history_ignores_dates": "without pages",
}
"""Deviations of a server -> the form that the tap ends with; "" where it keeps the first."""

FAULTS = "transient=0.1,rejected=0.02,firewall=0.02"


def rows_of(rows: Iterable[Mapping[str, Any]], since: str = "") -> list[dict[str, Any]]:
    """Rows in an order of their own, since a list that is read in parts comes in another one."""
    kept = [row for row in canonical(HISTORY, rows) if row["date_created"] >= since]
    return sorted(kept, key=lambda row: (row["user_id"], row["date_created"], str(row)))


@pytest.mark.parametrize("deviations", FORMS)
def test_each_form_of_the_activity_history_gives_every_row(deviations: str) -> None:
    with sandbox(members=30, deviations=deviations) as running:
        first = sync(running, HISTORY, max_concurrency=8)
        assert first.exit_code == 0, first.stderr
        assert rows_of(first.records[HISTORY]) == rows_of(running.expected_rows(HISTORY))
        changes = re.findall(r"no longer requested .* but (?:paged by `)?([a-z_ ]+)", first.stderr)
        assert changes[-1:] == ([FORMS[deviations]] if FORMS[deviations] else [])

        second = sync(running, HISTORY, state=first.states[-1], max_concurrency=8)
        assert second.exit_code == 0, second.stderr
        since = TODAY.isoformat()
        assert rows_of(second.records[HISTORY], since) == rows_of(
            running.expected_rows(HISTORY), since
        )


@pytest.mark.parametrize("deviations", FORMS)
def test_each_form_gives_every_row_among_faults(deviations: str) -> None:
    with sandbox(members=30, deviations=deviations, faults=FAULTS) as running:
        state: Mapping[str, Any] | None = None
        read: dict[str, Mapping[str, Any]] = {}
        for _ in range(20):
            result = sync(running, HISTORY, state=state, max_concurrency=8)
            state = result.states[-1]
            read |= {row["id"]: row for row in result.records[HISTORY]}
            if result.exit_code == 0:
                break
        assert result.exit_code == 0, result.stderr
        assert rows_of(read.values()) == rows_of(running.expected_rows(HISTORY))


class OneRefused(Transport):
    """Refuses one member, whatever the form."""

    refused = ""

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        if self.refused in url:
            return Response(400, {}, b'{"error": "param_error", "message": "?"}')
        return super().get(url, auth)


def test_a_member_whom_all_forms_refuse_has_failed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(members=12) as running:
        refused = running.roster()[0]
        monkeypatch.setattr(
            fake_clock_tap, "Transport", type("", (OneRefused,), {"refused": refused})
        )
        result = sync(running, HISTORY)
        assert result.exit_code == 1
        others = [row for row in running.expected_rows(HISTORY) if row["user_id"] != int(refused)]
        assert rows_of(result.records[HISTORY]) == rows_of(others)
        assert "no longer" not in result.stderr
        assert "1 member failed in `user_activity_history` (entry " in result.stderr


SIZES = (10, 20, 3, 10, 37, 5, 10, 60, 0, 1, 25, 30, 12)
"""Rows of members. Many end with a full page, which is where the end is hard to tell."""

START = 1_700_000_000


class Host(Transport):
    """A host without `paging`, whose pages are of 10 rows, and who has ways of its own.

    Attributes:
        page: the page parameter it knows; "" where all rows come at once.
        refuses: whether it refuses the other ones.
        beyond: the status for a page beyond the last one; 0 where the last page comes again.
        dates: whether it honours them, or ignores them, or refuses ranges of more than a year.
    """

    page = ""
    refuses = False
    beyond = 404
    dates = "honoured"

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        asked = urlsplit(url)
        query = {name: int(value) for name, value in parse_qsl(asked.query) if name != "api_key"}
        span = range(query.get("date_start", 0), query.get("date_end", 1 << 40) + 1)
        too_long = self.dates == "refused" and "date_end" in query and len(span) > 366 * 86_400
        foreign = query.keys() & {"page", "page_number"} - {self.page}
        if too_long or (self.refuses and foreign):
            return Response(400, {}, b'{"error": "param_error", "message": "?"}')
        rows = rows_of_member(int(asked.path.split("/")[-2]))
        if self.dates != "ignored":
            rows = [row for row in rows if START + row["num_points"] in span]
        if self.page:
            number, last = query.get(self.page, 1), max((len(rows) + 9) // 10, 1)
            if number > last and self.beyond:
                return Response(self.beyond, {}, b'{"error": "page_not_found", "message": "?"}')
            number = min(number, last)
            rows = rows[number * 10 - 10 : number * 10]
        return Response(200, {}, json.dumps({"activities": rows}).encode())


def rows_of_member(member: int) -> list[dict[str, Any]]:
    return [
        {
            "user_activity_id": member * 1000 + number,
            "date_created": datetime.fromtimestamp(START + number * 3600, timezone.utc).isoformat(),
            "num_points": number * 3600,
        }
        for number in reversed(range(SIZES[member % len(SIZES)]))
    ]


@pytest.mark.parametrize("dates", ["honoured", "ignored", "refused"])
@pytest.mark.parametrize(
    ("page", "refuses", "beyond"),
    [
        *product(("page", "page_number"), (True, False), (404, 400, 0)),
        *product(("",), (True, False), (404,)),
    ],
)
def test_the_end_of_a_list_without_paging_is_no_flaw_of_its_form(
    page: str,
    refuses: bool,  # noqa: FBT001 - a parameter of the test
    beyond: int,
    dates: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = {"page": page, "refuses": refuses, "beyond": beyond, "dates": dates}
    monkeypatch.setattr(fake_clock_tap, "Transport", type("", (Host,), ways))
    members = range(1, 27)
    config = {
        "api_key": "k" * 20,
        "client_id": "1",
        "user_ids": list(map(str, members)),
    }
    result = fake_clock_tap.run_with(config=config, catalog=select(HISTORY))
    assert result.exit_code == 0, result.stderr
    assert sorted(row["user_activity_id"] for row in result.records[HISTORY]) == sorted(
        row["user_activity_id"] for member in members for row in rows_of_member(member)
    )


REDEMPTIONS = "redemptions"


def in_order(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        canonical(REDEMPTIONS, rows), key=lambda row: (row["user_id"], row["order_date"], str(row))
    )


@pytest.mark.parametrize("faults", ["", FAULTS])
def test_redemptions_are_whole_where_only_a_year_comes_without_dates(faults: str) -> None:
    with sandbox(members=60, deviations="redemptions_of_a_year", faults=faults) as running:
        state: Mapping[str, Any] | None = None
        read: dict[str, Mapping[str, Any]] = {}
        for _ in range(8):
            result = sync(running, REDEMPTIONS, state=state, max_concurrency=8)
            state = result.states[-1]
            read |= {row["id"]: row for row in result.records[REDEMPTIONS]}
            if result.exit_code == 0:
                break
        assert result.exit_code == 0, result.stderr
        true = list(running.expected_rows(REDEMPTIONS))
        assert any(row["order_date"] < f"{TODAY.year - 1}-{TODAY:%m-%d}" for row in true)
        assert in_order(read.values()) == in_order(true)


def test_the_run_says_that_it_reads_redemptions_in_windows() -> None:
    said = "redemptions: requests without dates do not return all rows"
    with sandbox(members=60, deviations="redemptions_of_a_year") as running:
        assert sync(running, REDEMPTIONS).stderr.count(said) == 1
        began = sync(running, REDEMPTIONS, start_date="2020-01-01")
        assert said not in began.stderr
        assert "users" not in {entry["endpoint"] for entry in running.counts()["requests"]}
    with sandbox(members=60) as running:
        result = sync(running, REDEMPTIONS)
        assert said not in result.stderr


def test_at_most_twenty_members_are_read_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose members all redeemed in the last year only can never prove it."""

    class LastYear(Transport):
        @override
        def get(self, url: str, auth: AuthBase) -> Response:
            if "/redemption_history" in url:
                return Response(200, {}, b'{"rewards": [], "paging": {"pages": 0, "total": 0}}')
            return super().get(url, auth)

    monkeypatch.setattr(fake_clock_tap, "Transport", LastYear)
    with sandbox(members=60) as running:
        assert sync(running, REDEMPTIONS, max_concurrency=8).exit_code == 0
        (profiles,) = running.counts()["requests"]
        assert profiles["count"] == undated_lists.SAMPLE_SIZE


class PassingRefusal(Host):
    """Refuses the third page of everybody twice."""

    refused: Counter[str]

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        number = re.search(r"[?&]page=3(&|$)", url)
        if number and self.refused[url] < 2:
            self.refused[url] += 1
            return Response(400, {}, b'{"error": "param_error", "message": "?"}')
        return super().get(url, auth)


def test_a_page_that_is_refused_in_passing_is_not_the_end_of_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = {"page": "page", "dates": "ignored", "refused": Counter()}
    monkeypatch.setattr(fake_clock_tap, "Transport", type("", (PassingRefusal,), ways))
    config = {"api_key": "k" * 20, "client_id": "1", "user_ids": ["4", "3"]}
    result = fake_clock_tap.run_with(config=config, catalog=select(HISTORY))
    assert result.exit_code == 0, result.stderr
    rows = [*rows_of_member(3), *rows_of_member(4)]
    assert len(result.records[HISTORY]) == len(rows)


class NoProfiles(Transport):
    """Refuses profiles, as to a key that may not read them."""

    answer = Response(403, {}, b"")

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        is_profile = re.search(r"/v2/users/\d+(\?|$)", url)
        return self.answer if is_profile else super().get(url, auth)


@pytest.mark.parametrize("deviations", ["", "redemptions_of_a_year"])
@pytest.mark.parametrize(
    ("status", "code"), [(403, "access_denied"), (403, "other"), (404, "user_not_found")]
)
def test_redemptions_are_read_without_the_permission_to_read_profiles(
    status: int, code: str, deviations: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Response(status, {}, f'{{"error": "{code}", "message": "?"}}'.encode())
    monkeypatch.setattr(fake_clock_tap, "Transport", type("", (NoProfiles,), {"answer": refusal}))
    with sandbox(members=30, deviations=deviations) as running:
        result = sync(running, REDEMPTIONS)
        assert result.exit_code == 0, result.stderr
        assert in_order(result.records[REDEMPTIONS]) == in_order(running.expected_rows(REDEMPTIONS))

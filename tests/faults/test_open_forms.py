"""Every row comes, in whatever form a server wants to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import unhurried
from harness import TODAY, canonical, sandbox
from typing_extensions import override
from unhurried import sync

from tap_crowdtwist.api.transport import Answer, Transport
from tap_crowdtwist.streams import undated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from requests.auth import AuthBase


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
        assert rows_of(first.records[HISTORY]) == rows_of(running.truth(HISTORY))
        changes = re.findall(r"no longer .*; now (?:paged by `)?([a-z_ ]+)", first.stderr)
        assert changes[-1:] == ([FORMS[deviations]] if FORMS[deviations] else [])

        second = sync(running, HISTORY, state=first.states[-1], max_concurrency=8)
        assert second.exit_code == 0, second.stderr
        since = TODAY.isoformat()
        assert rows_of(second.records[HISTORY], since) == rows_of(running.truth(HISTORY), since)


@pytest.mark.parametrize("deviations", FORMS)
def test_each_form_gives_every_row_among_faults(deviations: str) -> None:
    with sandbox(members=30, deviations=deviations, faults=FAULTS) as running:
        state: Mapping[str, Any] | None = None
        read: dict[str, Mapping[str, Any]] = {}
        for _ in range(8):
            result = sync(running, HISTORY, state=state, max_concurrency=8)
            state = result.states[-1]
            read |= {row["id"]: row for row in result.records[HISTORY]}
            if result.exit_code == 0:
                break
        assert result.exit_code == 0, result.stderr
        assert rows_of(read.values()) == rows_of(running.truth(HISTORY))


class OneRefused(Transport):
    """Refuses one member, whatever the form."""

    refused = ""

    @override
    def get(self, url: str, auth: AuthBase) -> Answer:
        if self.refused in url:
            return Answer(400, {}, b'{"error": "param_error", "message": "?"}')
        return super().get(url, auth)


def test_a_member_whom_all_forms_refuse_has_failed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(members=12) as running:
        refused = running.roster()[0]
        monkeypatch.setattr(unhurried, "Transport", type("", (OneRefused,), {"refused": refused}))
        result = sync(running, HISTORY)
        assert result.exit_code == 1
        others = [row for row in running.truth(HISTORY) if row["user_id"] != int(refused)]
        assert rows_of(result.records[HISTORY]) == rows_of(others)
        assert "no longer" not in result.stderr
        assert "user_activity_history 1 (the last one because" in result.stderr


REDEMPTIONS = "redemptions"


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
        true = list(running.truth(REDEMPTIONS))
        assert any(row["order_date"] < f"{TODAY.year - 1}-{TODAY:%m-%d}" for row in true)
        by_id = lambda row: (row["user_id"], row["order_date"], str(row))  # noqa: E731 - short
        assert sorted(canonical(REDEMPTIONS, read.values()), key=by_id) == sorted(
            canonical(REDEMPTIONS, true), key=by_id
        )


def test_the_run_says_that_it_reads_redemptions_in_windows() -> None:
    said = "redemptions: asked without dates, CrowdTwist leaves some out"
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
        def get(self, url: str, auth: AuthBase) -> Answer:
            if "/redemption_history" in url:
                return Answer(200, {}, b'{"rewards": [], "paging": {"pages": 0, "total": 0}}')
            return super().get(url, auth)

    monkeypatch.setattr(unhurried, "Transport", LastYear)
    with sandbox(members=60) as running:
        assert sync(running, REDEMPTIONS, max_concurrency=8).exit_code == 0
        (profiles,) = running.counts()["requests"]
        assert profiles["count"] == undated.MEMBERS

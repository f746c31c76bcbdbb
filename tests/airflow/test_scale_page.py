"""The numbers of the page on scale are measured, and follow from each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.harness import PROGRAM_STREAMS, process_untouched, queries, run_tap, sandbox
from support.pages import DOCS

from benchmarks import daily
from tap_crowdtwist.config.schema import CONFIG_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (DOCS / "scale.md").read_text(encoding="utf-8")
SENTENCES = " ".join(PAGE.split())


def syncs_on_the_page() -> list[daily.Sync]:
    """Read the table of requests per member."""
    (members,) = re.findall(r"(?m)^\| members read \| (.*) \|$", PAGE)
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\d\.\d{3} \| \d\.\d{3} \| \d\.\d{3}) \|$", PAGE)
    columns = zip(*(map(float, cells.split(" | ")) for _, cells in rows), strict=True)
    names = [name for name, _ in rows]
    return [
        daily.Sync(int(read), dict(zip(names, column, strict=True)))
        for read, column in zip(members.split(" | "), columns, strict=True)
    ]


@pytest.mark.slow
def test_the_page_has_the_requests_that_the_command_measures() -> None:
    with process_untouched():
        measured = daily.measure()

    assert syncs_on_the_page() == measured


@pytest.mark.parametrize(
    "table", [daily.table_of_costs, daily.table_of_hours, daily.table_of_largest_rosters]
)
def test_sums_and_hours_follow_from_the_requests_per_member(
    table: Callable[[list[daily.Sync]], str],
) -> None:
    assert table(syncs_on_the_page()) in PAGE


def test_the_sentence_about_the_second_day_has_the_sums_of_the_table() -> None:
    default = daily.member_streams(by_default=True)
    first, later, _ = (
        sum(sync.per_member[name] for name in default) for sync in syncs_on_the_page()
    )

    assert f"{later:.1f} requests per member instead of the {first:.1f} of the first" in SENTENCES


def test_program_streams_take_as_many_requests_as_the_page_says() -> None:
    with sandbox(members=daily.OPTIONS.members, seed=daily.OPTIONS.seed) as running:
        run_tap(running, *PROGRAM_STREAMS)

        assert f"take {len(queries(running))} requests in all" in SENTENCES


def test_members_have_as_many_rows_as_the_page_says() -> None:
    with sandbox(members=daily.OPTIONS.members, seed=daily.OPTIONS.seed) as running:
        activities, purchases, redemptions = (
            sum(1 for _ in running.expected_rows(stream)) / daily.OPTIONS.members
            for stream in ("user_activity_history", "purchases", "redemptions")
        )

    rows = f"with {activities:.0f} activities, {purchases:.0f} purchases and {redemptions:.1f} red"
    assert rows in SENTENCES


def test_the_first_rate_of_the_tables_is_the_default() -> None:
    assert CONFIG_SCHEMA["properties"]["requests_per_minute"]["default"] == daily.RATES[0]

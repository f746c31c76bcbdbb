"""The page on scale calculates rightly, and knows the streams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.airflow_project import CHECKOUT
from support.harness import KEYS, OFF_BY_DEFAULT, PROGRAM_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (CHECKOUT / "docs" / "scale.md").read_text(encoding="utf-8")
ROSTERS = (100_000, 1_000_000, 10_000_000)
RATES = (5000, 10_000)
DAY = 1440


def rows(width: int) -> Iterator[tuple[str, list[str]]]:
    """The rows of the tables with so many columns, without their heads."""
    for line in PAGE.splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == width - 1 and re.match(r"\d", cells[0]):
            yield name.strip("`*"), cells


def per_member(column: int) -> dict[str, float]:
    return {name: float(cells[column]) for name, cells in rows(9)}


def test_hours_follow_from_requests_per_member() -> None:
    for name, cells in rows(9):
        for each, *hours in (cells[:4], cells[4:]):
            expected = [
                " / ".join(f"{members * float(each) / rate / 60:.1f}" for rate in RATES)
                for members in ROSTERS
            ]
            assert hours == expected, name


@pytest.mark.parametrize("column", [0, 4])
def test_sums_are_those_of_the_streams(column: int) -> None:
    each = per_member(column)
    streams = [name for name in KEYS if name not in PROGRAM_STREAMS]
    default = [name for name in streams if name not in OFF_BY_DEFAULT]

    assert set(each) == {*streams, "on by default", "all of them"}
    assert each["on by default"] == pytest.approx(sum(each[name] for name in default))
    assert each["all of them"] == pytest.approx(sum(each[name] for name in streams))


def test_the_largest_daily_roster_follows_from_the_same_figures() -> None:
    each = per_member(4)
    found = list(rows(4))

    assert len(found) == 3
    for name, (requests, *members) in found:
        named = [stream.strip("`") for stream in name.split(", ")]
        if named[0] in each:
            assert float(requests) == pytest.approx(
                sum(each[stream.strip("`")] for stream in named)
            )
        assert members == [f"{DAY * rate / float(requests):,.0f}" for rate in RATES]

"""The newest date of a member's rows, and whether it contradicts the profile."""

from __future__ import annotations

import pytest

from tap_crowdtwist.records.profile_dates import (
    TOLERANCE_SECONDS,
    is_contradicted,
    newest_date,
    profile_date,
)

JANUARY_2 = 1_767_312_000


@pytest.mark.parametrize(
    "dates",
    [
        ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
        ["2026-01-02", "2026-01-01"],
        [JANUARY_2, JANUARY_2 - 1],
        [JANUARY_2 * 1000, None],
        [None, "2026-01-02T01:00:00+01:00"],
        ["", "2026-01-02"],
    ],
)
def test_the_newest_date_is_found_in_every_form(dates: list[object]) -> None:
    assert newest_date([{"date": date} for date in dates], "date") == JANUARY_2


@pytest.mark.parametrize("rows", [[], [{}], [{"date": None}], [{"date": "soon"}]])
def test_rows_without_a_date_have_no_newest_one(rows: list[dict[str, object]]) -> None:
    assert newest_date(rows, "date") is None


def test_a_profile_without_a_readable_date_has_none() -> None:
    assert profile_date({"date_last_updated": JANUARY_2}) == JANUARY_2
    assert profile_date({}) is None
    assert profile_date({"date_last_updated": "never"}) is None


def test_a_row_contradicts_a_profile_that_is_older_than_the_tolerance() -> None:
    assert not is_contradicted(JANUARY_2, JANUARY_2 + TOLERANCE_SECONDS)
    assert is_contradicted(JANUARY_2, JANUARY_2 + TOLERANCE_SECONDS + 1)

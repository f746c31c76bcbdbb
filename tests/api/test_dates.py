"""A range of instants is spelled as each endpoint wants it, and nothing in it is left out."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.date_filters import queries
from tap_crowdtwist.api.endpoints import DateFilter

DAY = timedelta(days=1)
UTC = timezone.utc
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

instants = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy wants naive bounds
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-11))]),
)


def days(since: datetime, until: datetime) -> list[tuple[date, date]]:
    asked = queries(DateFilter.WINDOWS, since, until)
    assert all([name for name, _ in window] == ["date_start", "date_end"] for window in asked)
    return [(date.fromisoformat(a[1]), date.fromisoformat(b[1])) for a, b in asked]


@pytest.mark.parametrize("dates", [None, *DateFilter])
def test_without_a_lower_bound_one_request_asks_for_everything(dates: DateFilter | None) -> None:
    assert queries(dates, None, NOON) == [()]


def test_an_endpoint_without_a_filter_is_asked_for_everything() -> None:
    assert queries(None, NOON, NOON) == [()]


def test_activity_history_gets_unix_seconds_with_a_day_to_spare() -> None:
    since = datetime(2026, 11, 19, 2, tzinfo=UTC)
    assert queries(DateFilter.UNIX, since, NOON) == [
        (("date_start", "1795053600"), ("date_end", "1795262400"))
    ]


def test_purchases_get_the_first_day_alone() -> None:
    since = datetime(2026, 11, 12, 2, tzinfo=UTC)
    assert queries(DateFilter.DAYS, since, NOON) == [(("date_start", "2026-11-12"),)]


def test_redemptions_get_days_up_to_tomorrow() -> None:
    since = datetime(2026, 11, 12, 2, tzinfo=UTC)
    assert queries(DateFilter.WINDOWS, since, NOON) == [
        (("date_start", "2026-11-12"), ("date_end", "2026-11-21"))
    ]


def test_a_range_beyond_a_year_becomes_several_windows() -> None:
    since = datetime(2024, 11, 20, tzinfo=UTC)
    assert days(since, NOON) == [
        (date(2024, 11, 20), date(2025, 11, 19)),
        (date(2025, 11, 19), date(2026, 11, 18)),
        (date(2026, 11, 18), date(2026, 11, 21)),
    ]


def test_a_window_over_a_leap_day_is_within_a_year_too() -> None:
    ((start, end),) = days(datetime(2024, 2, 29, tzinfo=UTC), datetime(2025, 2, 26, tzinfo=UTC))
    assert (start, end) == (date(2024, 2, 29), date(2025, 2, 27))
    assert end < date(2025, 2, 28)


def test_days_are_those_of_utc_whatever_the_offset() -> None:
    since = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert queries(DateFilter.DAYS, since, NOON) == [(("date_start", "2025-12-31"),)]
    assert days(since, since)[0] == (date(2025, 12, 31), date(2026, 1, 1))


def test_fractions_before_1970_are_rounded_downwards() -> None:
    since = datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)
    ((start, _),) = queries(DateFilter.UNIX, since, NOON)
    assert start == ("date_start", "-2")


@pytest.mark.parametrize("dates", [DateFilter.UNIX, DateFilter.WINDOWS])
def test_a_lower_bound_in_the_future_still_makes_an_ordered_range(dates: DateFilter) -> None:
    since = NOON + 30 * DAY
    ((start, end),) = queries(dates, since, NOON)
    assert start[1] < end[1]


@pytest.mark.parametrize("dates", DateFilter)
@pytest.mark.parametrize(
    "bound", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]
)
def test_the_ends_of_the_calendar_are_no_trouble(dates: DateFilter, bound: datetime) -> None:
    assert queries(dates, bound, NOON)


@settings(max_examples=100, deadline=None)
@given(since=instants, until=instants)
def test_windows_are_contiguous_short_and_cover_the_range(since: datetime, until: datetime) -> None:
    windows = days(since, until)
    for start, end in windows:
        assert start < end
        assert (end - start) + DAY <= timedelta(days=365)  # both ends counted
    for (_, end), (start, _) in pairwise(windows):
        assert end == start
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    assert windows[0][0] == first
    assert windows[-1][1] > last  # so that date_end may as well exclude its own day
    assert windows[-1][1] <= max(first, last) + DAY


@settings(max_examples=100, deadline=None)
@given(since=instants, until=instants, share=st.floats(0, 1), inclusive=st.booleans())
def test_no_instant_of_the_range_is_left_out_however_the_ends_are_read(
    since: datetime, until: datetime, share: float, *, inclusive: bool
) -> None:
    since, until = sorted((since, until))
    moment = since + (until - since) * share
    seconds: Any = queries(DateFilter.UNIX, since, until)[0]
    assert int(seconds[0][1]) <= moment.timestamp() < int(seconds[1][1])
    day = moment.astimezone(UTC).date()
    assert date.fromisoformat(queries(DateFilter.DAYS, since, until)[0][0][1]) <= day
    assert any(
        start <= day and (day <= end if inclusive else day < end)
        for start, end in days(since, until)
    )

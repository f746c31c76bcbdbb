"""Date ranges as query parameters, in the form that each endpoint expects.

Sources: User Purchase History (days, inclusive; without `date_end`, up to today), User Redemption
History v2.2 (days, at most a year apart, `date_end` greater than `date_start`), public clients of
activity_history (Unix seconds, both or neither).
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.endpoints import DateFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Params = tuple[tuple[str, str], ...]
"""Query parameters: pairs of a name and a value that is not encoded yet."""

MAX_WINDOW = timedelta(days=364)
"""Maximum from `date_start` to `date_end`: within a year even if both ends are inclusive."""

DATE_END_MARGIN = timedelta(days=1)
"""Added to the upper bound: `date_end` may exclude its own day, and clocks differ."""

# A lower bound later than this would overflow once the margin is added.
_MAX_SINCE = datetime.max.replace(tzinfo=timezone.utc) - 2 * DATE_END_MARGIN


def queries(dates: DateFilter | None, since: datetime | None, until: datetime) -> list[Params]:
    """Build the query parameters for a date range, one set per request needed.

    The requests cover everything from `since` to `until`, whether the API takes the bounds as
    inclusive or exclusive; a row at the border of two windows may be returned twice.

    Args:
        dates: the endpoint's date filter; None if it has none.
        since: start of the range, aware; None for no date filter at all.
        until: end of the range, aware, in UTC.
    """
    if dates is None or since is None:
        return [()]
    since = min(since.astimezone(timezone.utc), _MAX_SINCE)
    end = max(since, until) + DATE_END_MARGIN
    if dates is DateFilter.UNIX:
        return [_bounds(str(math.floor(since.timestamp())), str(math.floor(end.timestamp())))]
    if dates is DateFilter.DAYS:
        # Without `date_end` the range goes up to today, so no margin is needed.
        return [(("date_start", since.date().isoformat()),)]
    windows = _windows(since.date(), end.astimezone(timezone.utc).date())
    return [_bounds(start.isoformat(), end.isoformat()) for start, end in windows]


def _bounds(start: str, end: str) -> Params:
    return (("date_start", start), ("date_end", end))


def _windows(first: date, end: date) -> list[tuple[date, date]]:
    windows = []
    # Each window starts on the day on which the one before it ends: `date_end` may be exclusive.
    start = first
    while start < end:
        stop = start + min(MAX_WINDOW, end - start)
        windows.append((start, stop))
        start = stop
    return windows


_EPOCH = re.compile(r"-?[0-9]{1,10}([0-9]{3})?(\.0*)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])", re.ASCII)


def unix_range(since: datetime | None, until: datetime) -> tuple[int, int]:
    """Return a date range in Unix seconds, end margin included; it starts in 1970 by default."""
    first = 0 if since is None else math.floor(min(since, _MAX_SINCE).timestamp())
    return first, max(first, math.floor(until.timestamp())) + int(DATE_END_MARGIN.total_seconds())


def split_range(first: int, last: int) -> list[tuple[int, int]]:
    """Split a range of Unix seconds into halves; return an empty list if it is too short.

    The halves overlap by a second, because either end of a date filter may be exclusive.
    """
    middle = (first + last) // 2
    if middle - 1 <= first or middle + 1 >= last:
        return []
    return [(first, middle + 1), (middle, last)]


def unix_params(first: int, last: int) -> Params:
    """Build the query parameters for a range of Unix seconds."""
    return _bounds(str(first), str(last))


def is_earlier(row: Mapping[str, Any], names: Iterable[str], since: datetime) -> bool:
    """Return whether all dates of a row lie before the range that was asked for.

    A difference of up to two days is tolerated, for time zones and for the way in which a filter
    treats its bounds. A row without a readable date is not earlier.

    Args:
        row: the row.
        names: properties that the date filter may apply to.
        since: start of the range that was asked for.
    """
    bound = max(since.date(), date(1, 1, 3)) - timedelta(days=2)
    days = [day for name in names if (day := _day(row.get(name))) is not None]
    return bool(days) and max(days) < bound


def _day(value: Any) -> date | None:
    """Parse the day of a date in any form that the API is known to use, or return None.

    Forms: ISO dates with or without a time, Unix seconds (up to 10 digits) and milliseconds.
    """
    text = str(value).strip()
    if _DATE.match(text):
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            return None
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    number = float(text) / (1000 if match[1] else 1)
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=number)).date()

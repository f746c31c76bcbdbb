"""Date bounds as each endpoint wants them.

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

MAX_WINDOW = timedelta(days=364)
"""Days between `date_start` and `date_end`: within a year even if both ends count."""


MARGIN = timedelta(days=1)
"""Added to the upper bound: `date_end` may exclude its own day, and clocks differ."""

_LAST = datetime.max.replace(tzinfo=timezone.utc) - 2 * MARGIN


def queries(dates: DateFilter | None, since: datetime | None, until: datetime) -> list[Params]:
    """Spell a range of instants as query parameters, one set per request needed.

    Nothing from `since` to `until` is left out, whichever way the ends are read; where windows
    meet, a row may be answered twice.

    Args:
        dates: the endpoint's date filter; None if it has none.
        since: the earliest instant wanted, aware; None for everything there is.
        until: the latest instant wanted, aware, in UTC.
    """
    if dates is None or since is None:
        return [()]
    since = min(since.astimezone(timezone.utc), _LAST)
    end = max(since, until) + MARGIN
    if dates is DateFilter.UNIX:
        return [_bounds(str(math.floor(since.timestamp())), str(math.floor(end.timestamp())))]
    if dates is DateFilter.DAYS:
        return [(("date_start", since.date().isoformat()),)]
    windows = _windows(since.date(), end.astimezone(timezone.utc).date())
    return [_bounds(start.isoformat(), end.isoformat()) for start, end in windows]


def _bounds(start: str, end: str) -> Params:
    return (("date_start", start), ("date_end", end))


def _windows(first: date, end: date) -> list[tuple[date, date]]:
    windows = []
    start = first
    while start < end:
        stop = start + min(MAX_WINDOW, end - start)
        windows.append((start, stop))
        start = stop
    return windows


_EPOCH = re.compile(r"-?[0-9]{1,10}([0-9]{3})?(\.0*)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])", re.ASCII)


def seconds(since: datetime | None, until: datetime) -> tuple[int, int]:
    """Return a range in Unix seconds, from 1970 where it has no beginning."""
    first = 0 if since is None else math.floor(min(since, _LAST).timestamp())
    return first, max(first, math.floor(until.timestamp())) + int(MARGIN.total_seconds())


def halves(first: int, last: int) -> list[tuple[int, int]]:
    """Cut a range of Unix seconds in two that overlap by a second; return none if it is too short.

    They overlap because either end of a date filter may be excluded.
    """
    middle = (first + last) // 2
    if middle - 1 <= first or middle + 1 >= last:
        return []
    return [(first, middle + 1), (middle, last)]


def unix_span(first: int, last: int) -> Params:
    """Spell a range of Unix seconds as query parameters."""
    return _bounds(str(first), str(last))


def is_earlier(row: Mapping[str, Any], names: Iterable[str], since: datetime) -> bool:
    """Return whether a row is older than a date filter asked for, by each of its dates.

    Two days are allowed for time zones and for what a filter makes of its ends.
    """
    bound = since.date() - timedelta(days=2) if since.date() > date(1, 1, 3) else date.min
    days = [day for name in names if (day := _day(row.get(name))) is not None]
    return bool(days) and max(days) < bound


def _day(value: Any) -> date | None:
    """Read the day of a date in any form that the API is known to use; None for any other."""
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

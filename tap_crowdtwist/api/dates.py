"""Date bounds as each endpoint wants them.

Sources: User Purchase History (days, inclusive; without `date_end`, up to today), User Redemption
History v2.2 (days, at most a year apart, `date_end` greater than `date_start`), public clients of
activity_history (Unix seconds, both or neither).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import DateFilter

if TYPE_CHECKING:
    from datetime import date

Params = tuple[tuple[str, str], ...]

WINDOW = timedelta(days=364)
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
        stop = start + min(WINDOW, end - start)
        windows.append((start, stop))
        start = stop
    return windows

"""Date queries: requests for a known row, with date ranges just around its date.

Whether the row is returned shows which column a filter uses and whether a range includes its ends.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.date_filters import is_earlier
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.api.endpoints import DateFilter
from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.conformance.date_checks import date_column
from tap_crowdtwist.conformance.evidence import UP_TO_PRESENT
from tap_crowdtwist.conformance.observations import page_params
from tap_crowdtwist.records.timestamps import unix_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.observations import Observation, Row
    from tap_crowdtwist.conformance.requester import Requester

_MAX_UNDATED_REQUESTS = 24
"""Requests for comparing redemptions with and without dates."""

_YEAR = timedelta(days=366)
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_SAME_SECONDS = 2
"""Dates of a row that are no further apart do not show which of them a filter uses."""


class _DatedRow(NamedTuple):
    """A row of a first page, and its date in Unix seconds."""

    page: Observation
    row: Row
    seconds: int


def query_dates(requester: Requester, seen: StreamEvidence) -> None:
    """Send the date queries of a resource that has a date filter."""
    queries = _DateQueries(requester, seen)
    if seen.endpoint.dates is DateFilter.UNIX:
        queries.query_seconds()
    elif seen.endpoint.dates:
        queries.query_days()


class _DateQueries:
    def __init__(self, requester: Requester, seen: StreamEvidence) -> None:
        self._requester = requester
        self._seen = seen
        self._endpoint = seen.endpoint

    def query_seconds(self) -> None:
        """Query in Unix seconds: which column is filtered, and whether ends are included."""
        self._query_columns()
        returned = [name for name in self._endpoint.dated if self._seen.dated.get(name)]
        rows = self._dated_rows(next(iter(returned), date_column(self._endpoint)))
        if not rows:
            return
        dated, seconds = rows[0], rows[0].seconds
        self._query("start", dated, seconds, seconds + 1)
        self._query("end", dated, seconds - 1, seconds)
        # A row that is returned for 1970 shows that dates are ignored.
        self._query("elsewhere", dated, 1, 2)
        newest = max(rows, key=lambda each: each.seconds)
        tomorrow = int(self._requester.tomorrow.timestamp())
        self._query(UP_TO_PRESENT, newest, newest.seconds, tomorrow)

    def _query_columns(self) -> None:
        """Query a row by each of its dates, until one returns it."""
        # Only a row whose dates differ can show which of its columns the filter uses.
        for page, row in self._seen.rows:
            dates = _dates(row, self._endpoint.dated)
            if _spread(dates) > _SAME_SECONDS:
                self._query_each(page, row, dates)
                return

    def _query_each(self, page: Observation, row: Row, dates: Mapping[str, int]) -> None:
        queried: set[int] = set()
        for column, seconds in dates.items():
            if seconds in queried:
                continue
            queried.add(seconds)
            # A second more on both sides, since it is not known yet whether ends are included.
            self._query(column, _DatedRow(page, row, seconds), seconds - 1, seconds + 1)
            if self._seen.dated.get(column):
                return

    def query_days(self) -> None:
        """Query in days: whether ends are included, and whether they may lie far apart."""
        rows = self._dated_rows(date_column(self._endpoint))
        if not rows:
            return
        # The row nearest to midnight UTC also shows whether days are in UTC.
        nearest = min(rows, key=lambda each: _distance_to_midnight(each.seconds))
        day = _day(nearest)
        self._query("start", nearest, day, day + _DAY)
        self._query("end", nearest, day - _DAY, day)
        self._query("elsewhere", nearest, day - 90 * _DAY, day - 80 * _DAY)
        # The newest row is on the first page, and a range up to tomorrow is shorter than a year.
        newest = max(rows, key=lambda each: each.seconds)
        # Purchases accept a start alone, which is how the tap reads them.
        if self._endpoint.dates is DateFilter.DAYS:
            self._query(UP_TO_PRESENT, newest, _day(newest))
            return
        if _day(newest) > (self._requester.now - _YEAR).date():
            self._query(UP_TO_PRESENT, newest, _day(newest), self._requester.tomorrow.date())
        self._query("more than a year", newest, day - 730 * _DAY, day + _DAY)

    def _query(self, topic: str, dated: _DatedRow, start: Any, end: Any = None) -> None:
        """Record whether a date range returns a row; None if the request is rejected."""
        dates: Params = (("date_start", str(start)),)
        if end is not None:
            dates = (*dates, ("date_end", str(end)))
        form = self._requester.forms_by_success(self._seen)[0]
        params = (*page_params(form, 1), *dates)
        response = self._requester.request(self._endpoint, dated.page.position, params)
        if response.is_data:
            returned = [self._identity(row) for row in response.rows]
            self._seen.dated[topic] = self._identity(dated.row) in returned
        elif response.is_conclusive:
            self._seen.dated[topic] = None

    def _identity(self, row: Row) -> Any:
        return identify(row, self._endpoint.key) or repr(sorted(row.items()))

    def _dated_rows(self, column: str) -> list[_DatedRow]:
        """Return the rows that have a date in a column."""
        dates = [(page, row, _dates(row, (column,))) for page, row in self._seen.rows]
        return [_DatedRow(page, row, each[column]) for page, row, each in dates if each]


def compare_undated(requester: Requester, joined: Sequence[int | None]) -> None:
    """Request redemptions without dates, and in windows back to when the member joined.

    Args:
        requester: sends the requests.
        joined: when each member joined, in Unix seconds, by position.
    """
    budget = requester.recorder.requests + _MAX_UNDATED_REQUESTS
    year_ago = requester.now - _YEAR
    for page in requester.evidence.streams["redemptions"].first:
        position = page.position or 0
        seconds = joined[position]
        if not page.is_data or seconds is None or requester.recorder.requests > budget:
            continue
        since = datetime.fromtimestamp(seconds, timezone.utc)
        # A member who joined within the last year has no old rows to compare.
        if since > year_ago:
            continue
        with suppress(ApiError):
            outcome = _compare_undated(requester, requester.member_ids[position], since)
            requester.evidence.undated[outcome] += 1


def _compare_undated(requester: Requester, member: int, since: datetime) -> str:
    endpoint = endpoints.REDEMPTIONS
    undated = requester.client.rows(endpoint, member)
    if any(is_earlier(row, endpoint.dated, requester.now - _YEAR) for row in undated):
        return "whole"
    windows = requester.client.rows(endpoint, member, since=since, until=requester.tomorrow)
    return "more" if len(windows) > len(undated) else "same"


def _dates(row: Row, columns: tuple[str, ...]) -> dict[str, int]:
    """Return the dates of a row in Unix seconds, by column."""
    dates = {column: unix_seconds(row.get(column)) for column in columns}
    return {column: seconds for column, seconds in dates.items() if seconds is not None}


def _spread(dates: Mapping[str, int]) -> int:
    return max(dates.values(), default=0) - min(dates.values(), default=0)


def _day(dated: _DatedRow) -> date:
    return datetime.fromtimestamp(dated.seconds, timezone.utc).date()


def _distance_to_midnight(seconds: int) -> int:
    return min(seconds % _DAY_SECONDS, -seconds % _DAY_SECONDS)

"""Date queries: requests for a known row, with date ranges just around its date.

Whether the row is returned shows which column a filter uses and whether a range includes its ends.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.date_filters import is_earlier
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.api.endpoints import DateFilter
from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.conformance.evidence import UP_TO_PRESENT
from tap_crowdtwist.conformance.observations import Observation, Row, page_params, unix_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.requester import Requester

_MAX_UNDATED_REQUESTS = 24
"""Requests for comparing redemptions with and without dates."""

_YEAR = timedelta(days=366)
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400


def query_dates(requester: Requester, name: str, endpoint: Endpoint) -> None:
    """Send the date queries of a resource."""
    if endpoint.dates is DateFilter.UNIX:
        _query_seconds(requester, name, endpoint)
    else:
        _query_days(requester, name, endpoint)


def _query_row(
    requester: Requester,
    topic: str,
    page: Observation,
    row: Row,
    name: str,
    start: Any,
    end: Any,
) -> bool | None:
    """Record whether a date range returns a row; None if the request is rejected."""
    bounds = (("date_start", start), ("date_end", end))
    dates = tuple((bound, str(value)) for bound, value in bounds if value is not None)
    form = requester.forms_by_success(name, page.endpoint)[0]
    params = (*page_params(form, 1), *dates)
    member = requester.member_id(page)
    response = requester.request(page.endpoint, member, params, page.member)
    if not response.is_conclusive:
        return None
    identities = [_identity(each, page.endpoint) for each in response.rows]
    is_returned = _identity(row, page.endpoint) in identities if response.is_data else None
    requester.evidence.dated[name, topic] = is_returned
    return is_returned


def _query_seconds(requester: Requester, name: str, endpoint: Endpoint) -> None:
    """Query in Unix seconds: by which column rows are filtered, and whether ends are included."""
    rows = _first_rows(requester, name)
    column = endpoint.dated[0]
    # Only a row whose dates differ can show which of its columns the filter uses.
    distinct = next(
        ((page, row) for page, row in rows if _has_distinct_dates(row, endpoint.dated)), None
    )
    if distinct is not None:
        page, row = distinct
        queried: set[int | None] = {None}
        for each in endpoint.dated:
            seconds = unix_seconds(row.get(each))
            if seconds is None or seconds in queried:
                continue
            queried.add(seconds)
            # A second more on both sides, since it is not known yet whether ends are included.
            if _query_row(requester, each, page, row, name, seconds - 1, seconds + 1):
                column = each
                break
    dated = _dated_rows(rows, column)
    if dated:
        page, row, seconds = dated[0]
        _query_row(requester, "start", page, row, name, seconds, seconds + 1)
        _query_row(requester, "end", page, row, name, seconds - 1, seconds)
        # A row that is returned for 1970 shows that dates are ignored.
        _query_row(requester, "elsewhere", page, row, name, 1, 2)
        page, row, seconds = max(dated, key=lambda each: each[2])
        tomorrow = int(requester.tomorrow.timestamp())
        _query_row(requester, UP_TO_PRESENT, page, row, name, seconds, tomorrow)


def _query_days(requester: Requester, name: str, endpoint: Endpoint) -> None:
    """Query in days: whether ends are included, and whether they may lie far apart."""
    column = next(iter(endpoint.dated), "last_date_purchased")
    dated = _dated_rows(_first_rows(requester, name), column)
    if not dated:
        return
    # The row nearest to midnight UTC also shows whether days are in UTC.
    page, row, seconds = min(dated, key=lambda each: _distance_to_midnight(each[2]))
    day = datetime.fromtimestamp(seconds, timezone.utc).date()
    _query_row(requester, "start", page, row, name, day, day + _DAY)
    _query_row(requester, "end", page, row, name, day - _DAY, day)
    _query_row(requester, "elsewhere", page, row, name, day - 90 * _DAY, day - 80 * _DAY)
    # The newest row is on the first page, and a range up to tomorrow is shorter than a year.
    page, row, seconds = max(dated, key=lambda each: each[2])
    newest = datetime.fromtimestamp(seconds, timezone.utc).date()
    # Purchases accept a start alone, which is how the tap reads them.
    if endpoint.dates is DateFilter.DAYS:
        _query_row(requester, UP_TO_PRESENT, page, row, name, newest, None)
    elif newest > (requester.now - _YEAR).date():
        tomorrow = requester.tomorrow.date()
        _query_row(requester, UP_TO_PRESENT, page, row, name, newest, tomorrow)
    if endpoint.dates is DateFilter.WINDOWS:
        start, end = day - 730 * _DAY, day + _DAY
        _query_row(requester, "more than a year", page, row, name, start, end)


def compare_undated(requester: Requester, joined: Sequence[int | None]) -> None:
    """Request redemptions without dates, and in windows back to when the member joined.

    Args:
        requester: sends the requests.
        joined: when each member joined, in Unix seconds, by position.
    """
    name, endpoint = "redemptions", endpoints.REDEMPTIONS
    before = requester.recorder.requests
    for page in requester.evidence.first.get(name, ()):
        position = page.member or 0
        seconds = joined[position]
        is_spent = requester.recorder.requests - before > _MAX_UNDATED_REQUESTS
        if not page.is_data or seconds is None or is_spent:
            continue
        since = datetime.fromtimestamp(seconds, timezone.utc)
        # A member who joined within the last year has no old rows to compare.
        if since > requester.now - _YEAR:
            continue
        member_id = requester.member_ids[position]
        with suppress(ApiError):
            outcome = _compare_undated(requester, endpoint, member_id, since)
            requester.evidence.undated[outcome] += 1


def _compare_undated(requester: Requester, endpoint: Endpoint, member: int, since: datetime) -> str:
    undated = requester.client.rows(endpoint, member)
    if any(is_earlier(row, endpoint.dated, requester.now - _YEAR) for row in undated):
        return "whole"
    windows = requester.client.rows(endpoint, member, since=since, until=requester.tomorrow)
    return "more" if len(windows) > len(undated) else "same"


def _first_rows(requester: Requester, name: str) -> list[tuple[Observation, Row]]:
    return [(page, row) for page in requester.evidence.first.get(name, ()) for row in page.rows]


def _identity(row: Row, endpoint: Endpoint) -> Any:
    return identify(row, endpoint.key) or repr(sorted(row.items()))


def _dated_rows(
    rows: list[tuple[Observation, Row]], column: str
) -> list[tuple[Observation, Row, int]]:
    """Return the rows that have a date in a column, with the date in Unix seconds."""
    dated = [(page, row, unix_seconds(row.get(column))) for page, row in rows]
    return [(page, row, seconds) for page, row, seconds in dated if seconds is not None]


def _distance_to_midnight(seconds: int) -> int:
    return min(seconds % _DAY_SECONDS, -seconds % _DAY_SECONDS)


def _has_distinct_dates(row: Row, columns: tuple[str, ...]) -> bool:
    """Return whether the dates of a row lie more than two seconds apart."""
    dates = [date for name in columns if (date := unix_seconds(row.get(name))) is not None]
    return len(dates) > 1 and max(dates) - min(dates) > 2  # noqa: PLR2004 - seconds

"""Complete listings of a resource: combines date windows, pages and forms, with each row once."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tap_crowdtwist.api import date_filters, deduplication, listing_checks, pagination
from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.api.errors import (
    ApiError,
    ExhaustedError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
    RejectedError,
)
from tap_crowdtwist.api.forms import Flaw, FormChoice, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tap_crowdtwist.api.endpoints import Endpoint, Form

T = TypeVar("T")

_BEYOND_END_STATUSES = frozenset({400, 404, 416})
"""Statuses with which a host may reject a page beyond the end of a listing without `paging`."""


class _ListRequest(NamedTuple):
    """Request of one list: what stays the same from page to page.

    Attributes:
        endpoint: the resource.
        member: the member's id.
        form: the form to request.
        params: query parameters, those of a date range included.
        signs: receives the signs of the listing.
        has_other_forms: whether there are other forms to try if this one is rejected.
    """

    endpoint: Endpoint
    member: int | str | None
    form: Form
    params: date_filters.Params
    signs: listing_checks.ListingSigns
    has_other_forms: bool = False


class _Parts(NamedTuple):
    """Rows of a list that was read in parts, and whether they are certainly complete."""

    rows: list[deduplication.Row]
    is_certain: bool


def run_sequentially(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run calls one after the other, and return their results in order."""
    return [call() for call in calls]


class ListReader:
    """Reads listings. Safe to share between threads.

    Args:
        get: requests one payload, as `Client.get` does.
        run_concurrently: runs several calls, at the same time if possible, and returns their
            results in order.
        checks: findings about the listings of this run.
    """

    def __init__(
        self,
        get: Callable[..., Any],
        run_concurrently: Callable[[Sequence[Callable[[], Any]]], list[Any]],
        checks: listing_checks.ListingChecks,
    ) -> None:
        self._get = get
        self._run_concurrently = run_concurrently
        self._checks = checks
        self._choices: dict[str, FormChoice] = {}
        self._lock = threading.Lock()

    def read(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        params: date_filters.Params,
        since: datetime | None,
        until: datetime,
    ) -> list[deduplication.Row]:
        """Read all rows of one listing, as `Client.rows` does."""
        date_ranges = date_filters.queries(endpoint.dates, since, until)
        if len(endpoint.forms) > 1:
            (date_range,) = date_ranges
            choice = self._choice(endpoint)

            def attempt(form: Form) -> Reading:
                signs = listing_checks.ListingSigns()
                request = _ListRequest(endpoint, member, form, params + date_range, signs)
                request = request._replace(has_other_forms=choice.has_other(form))
                return self._attempt(request, since, until)

            return choice.read(member, attempt)
        signs = listing_checks.ListingSigns()
        form = endpoint.forms[0]
        requests = [
            _ListRequest(endpoint, member, form, params + date_range, signs)
            for date_range in date_ranges
        ]
        readings = self._run_all([partial(self._read_whole, request) for request in requests])
        self._checks.record(endpoint.name, signs)
        return deduplication.merge_rows(readings, endpoint.key)

    def _choice(self, endpoint: Endpoint) -> FormChoice:
        with self._lock:
            if endpoint.name not in self._choices:
                self._choices[endpoint.name] = FormChoice(endpoint, self._checks)
            return self._choices[endpoint.name]

    def _run_all(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        return self._run_concurrently(calls) if len(calls) > 1 else run_sequentially(calls)

    def _attempt(self, request: _ListRequest, since: datetime | None, until: datetime) -> Reading:
        """Read a listing in one of several forms, and look for signs that the form is wrong.

        Raises:
            ApiError: as for `Client.get`.
        """
        endpoint, signs = request.endpoint, request.signs
        rows = self._read_whole(request)
        if signs.rejected_page:
            return Reading(rows, signs, Flaw.PAGE_REJECTED)
        if request.form.page and signs.unpaged_rows:
            return Reading(rows, signs, Flaw.PAGE_IGNORED)
        if signs.unpaged_rows and self._checks.may_be_truncated(endpoint.name, len(rows)):
            # Only date ranges can show rows beyond a limit of the host: there are no pages.
            rows, signs.is_whole = self._read_by_dates(
                request, rows, date_filters.unix_range(since, until)
            )
            if not signs.is_whole:
                return Reading(rows, signs, Flaw.TRUNCATED)
        if since and any(date_filters.is_earlier(row, endpoint.dated, since) for row in rows):
            return Reading(rows, signs, Flaw.DATES_IGNORED)
        return Reading(rows, signs)

    def _read_by_dates(
        self,
        request: _ListRequest,
        whole: list[deduplication.Row],
        unix_range: tuple[int, int],
    ) -> _Parts:
        """Read a list that may be truncated in parts, unless the host rejects date ranges.

        Args:
            request: the request of the whole list.
            whole: its rows, which may be truncated.
            unix_range: its date range, in Unix seconds.
        """
        name = request.endpoint.name
        try:
            parts = self._in_parts(request, whole, unix_range)
        except (RejectedError, MemberMissingError, NotConfiguredError):
            if self._checks.is_divisible(name):
                raise
            return _Parts(whole, is_certain=False)
        if len(parts.rows) > len(whole):
            self._checks.log_truncation(name, len(whole))
        return parts

    def _in_parts(
        self,
        request: _ListRequest,
        whole: list[deduplication.Row],
        unix_range: tuple[int, int],
    ) -> _Parts:
        """Read a list in two halves of its date range, recursively; arguments as above."""
        name, key = request.endpoint.name, request.endpoint.key
        halves = date_filters.split_range(*unix_range)
        parts = []
        for half in halves:
            params = date_filters.unix_params(*half)
            signs = listing_checks.ListingSigns()
            rows = self._read_whole(request._replace(params=params, signs=signs))
            parts.append(_Parts(rows, is_certain=True))
        # No halves: the range is too short. Equal halves: the host ignores the dates, or all rows
        # are of the same second. Either way nothing is known about rows beyond the limit.
        if len({deduplication.fingerprint(part.rows, key) for part in parts}) <= 1:
            return _Parts(whole, is_certain=False)
        self._checks.mark_divisible(name)
        # A half with as many rows as the whole list may be truncated at the same limit.
        for index, half in enumerate(halves):
            if len(parts[index].rows) >= len(whole):
                parts[index] = self._in_parts(request, parts[index].rows, half)
        rows = deduplication.merge_rows([whole, *(part.rows for part in parts)], key)
        return _Parts(rows, is_certain=all(part.is_certain for part in parts))

    def _read_whole(self, request: _ListRequest) -> list[deduplication.Row]:
        read = partial(self._read_listing, request)
        return deduplication.read_verified(read, request.endpoint, self._checks)

    def _read_listing(self, request: _ListRequest) -> pagination.Listing:
        listing = self._read_pages(request)
        if listing.is_unpaged and listing.total is None:
            signs = request.signs
            # Locked, since several date windows may be read concurrently for the same signs.
            with self._lock:
                signs.unpaged_rows = max(signs.unpaged_rows, len(listing.pages[0]))
        return listing

    def _read_pages(self, request: _ListRequest) -> pagination.Listing:
        endpoint, form = request.endpoint, request.form
        if form.page is None:
            page = self._get_page(request, request.params)
            listing = pagination.Listing(is_unpaged=not page.has_paging)
            listing.add(page)
            return listing
        try:
            return pagination.read_pages(
                partial(self._fetch, request),
                self._run_all,
                size=form.page_size or PAGE_SIZE,
                fingerprint=partial(deduplication.fingerprint, key=endpoint.key),
                parameter=form.page,
            )
        except pagination.EndlessError:
            message = "A listing does not end"
            raise ExhaustedError(message, endpoint=endpoint.name) from None

    def _fetch(
        self, request: _ListRequest, parameter: str, number: int, *, is_announced: bool
    ) -> pagination.Page:
        """Request one page; arguments as for `pagination.read_pages`."""
        form, signs = request.form, request.signs
        size = (("page_size", str(form.page_size)),) if form.page_size else ()
        params = (*request.params, (parameter, str(number)), *size)
        if number == 1:
            return self._get_page(request, params)
        request = request._replace(has_other_forms=False)
        try:
            return self._get_page(request, params, number, is_announced=is_announced)
        except ApiError as error:
            # Without `paging` this may be how the listing ends.
            if not is_announced and _may_be_beyond_end(error):
                signs.rejected_page, signs.rejected_status = number, error.status
                return pagination.Page([])
            if not isinstance(error, (MemberMissingError, NotConfiguredError)):
                raise
            # The first page proves that the member and the resource exist, so the error is
            # temporary. Passed on as it is, it would drop the rows that were read.
            message = "A page was rejected although earlier pages of its listing were returned"
            raise ExhaustedError(
                message, endpoint=error.endpoint, status=error.status, code=error.code
            ) from None

    def _get_page(
        self,
        request: _ListRequest,
        params: date_filters.Params,
        number: int = 1,
        *,
        is_announced: bool = False,
    ) -> pagination.Page:
        endpoint = request.endpoint
        page: pagination.Page = self._get(
            endpoint,
            request.member,
            params,
            partial(_parse_page, endpoint=endpoint, number=number, is_announced=is_announced),
            other_forms=request.has_other_forms,
        )
        return page


def _parse_page(
    body: Any, endpoint: Endpoint, number: int, *, is_announced: bool
) -> pagination.Page | None:
    """Parse a page. A 204 or, after the first page, `{}` is an empty page unless announced.

    A 204 in place of an announced page is not the end of the listing but a fault.
    """
    if not is_announced and (body is None or (body == {} and number > 1)):
        return pagination.Page([])
    return pagination.parse_page(body, endpoint.envelope, endpoint.sibling_fields)


def _may_be_beyond_end(error: ApiError) -> bool:
    """Return whether an error may mean that the requested page is beyond the last one."""
    is_rejection = error.code == "page_not_found" or error.status in _BEYOND_END_STATUSES
    return is_rejection and not isinstance(error, FatalApiError)

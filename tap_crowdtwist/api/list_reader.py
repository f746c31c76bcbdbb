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


class _Parts(NamedTuple):
    """Rows of a list that was read in parts, and whether they are certainly complete."""

    rows: list[deduplication.Row]
    is_certain: bool = True


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
        if len(endpoint.forms) > 1:
            return self._choice(endpoint).read(
                member, lambda form: self._attempt(endpoint, member, form, params, since, until)
            )
        signs = listing_checks.ListingSigns()
        readings = [
            partial(self._read_whole, endpoint, member, endpoint.forms[0], params + window, signs)
            for window in date_filters.queries(endpoint.dates, since, until)
        ]
        rows = deduplication.merge_rows(self._run_all(readings), endpoint.key)
        self._checks.record(endpoint.name, signs)
        return rows

    def _choice(self, endpoint: Endpoint) -> FormChoice:
        with self._lock:
            if endpoint.name not in self._choices:
                self._choices[endpoint.name] = FormChoice(endpoint, self._checks)
            return self._choices[endpoint.name]

    def _run_all(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        return self._run_concurrently(calls) if len(calls) > 1 else run_sequentially(calls)

    def _attempt(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        since: datetime | None,
        until: datetime,
    ) -> Reading:
        """Read a listing in one of several forms, and look for signs that the form is wrong.

        Raises:
            ApiError: as for `Client.get`.
        """
        signs = listing_checks.ListingSigns()
        (date_range,) = date_filters.queries(endpoint.dates, since, until)
        rows = self._read_whole(endpoint, member, form, params + date_range, signs)
        if signs.rejected_page:
            return Reading(rows, signs, Flaw.PAGE_REJECTED)
        if form.page is not None and signs.unpaged_rows:
            return Reading(rows, signs, Flaw.PAGE_IGNORED)
        if signs.unpaged_rows and self._checks.may_be_truncated(endpoint.name, len(rows)):
            # Only date ranges can show rows beyond a limit of the host: there are no pages.
            try:
                parts = self._in_parts(
                    endpoint, member, form, rows, date_filters.unix_range(since, until)
                )
            except (RejectedError, MemberMissingError, NotConfiguredError):
                if self._checks.is_divisible(endpoint.name):
                    raise
                parts = _Parts(rows, is_certain=False)  # the host rejects such date ranges
            signs.is_whole = parts.is_certain
            if len(parts.rows) > len(rows):
                self._checks.log_truncation(endpoint.name, len(rows))
            rows = parts.rows
            if not parts.is_certain:
                return Reading(rows, signs, Flaw.TRUNCATED)
        if since and any(date_filters.is_earlier(row, endpoint.dated, since) for row in rows):
            return Reading(rows, signs, Flaw.DATES_IGNORED)
        return Reading(rows, signs)

    def _in_parts(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        whole: list[deduplication.Row],
        unix_range: tuple[int, int],
    ) -> _Parts:
        """Read a list that may be truncated in two halves of its date range, recursively.

        Args:
            endpoint: the resource.
            member: the member's id.
            form: the form to request.
            whole: the rows as read for the whole range, which may be truncated.
            unix_range: the range, in Unix seconds.
        """
        halves = date_filters.split_range(*unix_range)
        parts = [
            _Parts(
                self._read_whole(
                    endpoint,
                    member,
                    form,
                    date_filters.unix_params(*half),
                    listing_checks.ListingSigns(),
                )
            )
            for half in halves
        ]
        # No halves: the range is too short. Equal halves: the host ignores the dates, or all rows
        # are of the same second. Either way nothing is known about rows beyond the limit.
        if len({deduplication.fingerprint(part.rows, endpoint.key) for part in parts}) <= 1:
            return _Parts(whole, is_certain=False)
        self._checks.mark_divisible(endpoint.name)
        # A half with as many rows as the whole list may be truncated at the same limit.
        for index, half in enumerate(halves):
            if len(parts[index].rows) >= len(whole):
                parts[index] = self._in_parts(endpoint, member, form, parts[index].rows, half)
        rows = deduplication.merge_rows([whole, *(part.rows for part in parts)], endpoint.key)
        return _Parts(rows, is_certain=all(part.is_certain for part in parts))

    def _read_whole(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: listing_checks.ListingSigns,
    ) -> list[deduplication.Row]:
        read = partial(self._read_listing, endpoint, member, form, params, signs)
        return deduplication.read_verified(read, endpoint, self._checks)

    def _read_listing(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: listing_checks.ListingSigns,
    ) -> pagination.Listing:
        listing = self._read_all_pages(endpoint, member, form, params, signs)
        if listing.is_unpaged and listing.total is None:
            # Locked, since several date windows may be read concurrently for the same signs.
            with self._lock:
                signs.unpaged_rows = max(signs.unpaged_rows, len(listing.pages[0]))
        return listing

    def _read_all_pages(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: listing_checks.ListingSigns,
    ) -> pagination.Listing:
        has_other_forms = len(endpoint.forms) > 1 and self._choice(endpoint).has_other(form)
        if form.page is None:
            page = self._get(
                endpoint,
                member,
                params,
                lambda body: _parse_page(body, endpoint),
                other_forms=has_other_forms,
            )
            return pagination.Listing([page.rows], page.total, is_unpaged=not page.has_paging)
        size = (("page_size", str(form.page_size)),) if form.page_size else ()
        is_announced = False  # whether a page had `paging`, which announces the pages that follow

        def fetch(parameter: str, number: int) -> pagination.Page:
            nonlocal is_announced
            numbered = (*params, (parameter, str(number)), *size)
            try:
                # A 204 in place of an announced page is not the end of the listing but a fault.
                page: pagination.Page = self._get(
                    endpoint,
                    member,
                    numbered,
                    lambda body: _parse_page(body, endpoint, number, is_announced=is_announced),
                    other_forms=has_other_forms and number == 1,
                )
            except FatalApiError:
                raise
            except ApiError as error:
                if number == 1:
                    raise
                # Without `paging` this may be how the listing ends.
                if not is_announced and _may_be_beyond_end(error):
                    signs.rejected_page = (number, error.status)
                    return pagination.Page([])
                if not isinstance(error, (MemberMissingError, NotConfiguredError)):
                    raise
                # The first page proves that the member and the resource exist, so the error is
                # temporary. Passed on as it is, it would drop the rows that were read.
                message = "A page was rejected although earlier pages of its listing were returned"
                raise ExhaustedError(
                    message, endpoint=endpoint.name, status=error.status, code=error.code
                ) from None
            is_announced |= page.has_paging
            return page

        try:
            return pagination.read_pages(
                fetch,
                self._run_all,
                size=form.page_size or PAGE_SIZE,
                fingerprint=partial(deduplication.fingerprint, key=endpoint.key),
                parameter=form.page,
            )
        except pagination.EndlessError:
            message = "A listing without `paging` does not end"
            raise ExhaustedError(message, endpoint=endpoint.name) from None


def _parse_page(
    body: Any, endpoint: Endpoint, number: int = 1, *, is_announced: bool = False
) -> pagination.Page | None:
    """Parse a page. A 204 or, after the first page, `{}` is an empty page unless announced."""
    if not is_announced and (body is None or (body == {} and number > 1)):
        return pagination.Page([])
    return pagination.parse_page(body, endpoint.envelope, endpoint.sibling_fields)


def _may_be_beyond_end(error: ApiError) -> bool:
    """Return whether an error may mean that the requested page is beyond the last one."""
    return error.code == "page_not_found" or error.status in _BEYOND_END_STATUSES

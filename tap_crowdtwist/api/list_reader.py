"""Reads whole listings of a resource: its date windows, pages and forms, each row once."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tap_crowdtwist.api import date_filters, deduplication, pagination
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

_BEYOND = frozenset({400, 404, 416})
"""How a host may refuse a page beyond the last one of a listing that does not say which that is."""

_HALVES = 2


class _Parts(NamedTuple):
    """Rows that were read in parts, and whether they are certainly all."""

    rows: list[deduplication.Row]
    is_certain: bool = True


def run_sequentially(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Do one call after the other."""
    return [call() for call in calls]


class ListReader:
    """Reads listings. Safe to share between threads.

    Args:
        get: asks for one payload, as `Client.get` does.
        run_concurrently: does several calls, at the same time if it can, and returns their
            results in order.
        ledger: what is known of the listings of this run.
    """

    def __init__(
        self,
        get: Callable[..., Any],
        run_concurrently: Callable[[Sequence[Callable[[], Any]]], list[Any]],
        checks: deduplication.ListingChecks,
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
        signs = deduplication.ListingSigns()
        readings = [
            partial(self._whole, endpoint, member, endpoint.forms[0], params + span, signs)
            for span in date_filters.queries(endpoint.dates, since, until)
        ]
        rows = deduplication.merge_rows(self._several(readings), endpoint.key)
        self._checks.take(endpoint.name, signs)
        return rows

    def _choice(self, endpoint: Endpoint) -> FormChoice:
        with self._lock:
            if endpoint.name not in self._choices:
                self._choices[endpoint.name] = FormChoice(endpoint, self._checks)
            return self._choices[endpoint.name]

    def _several(self, calls: Sequence[Callable[[], T]]) -> list[T]:
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
        """Read a listing in one of several forms, and look for signs that it is a wrong one.

        Raises:
            ApiError: as `Client.get` does.
        """
        signs = deduplication.ListingSigns()
        (span,) = date_filters.queries(endpoint.dates, since, until)
        rows = self._whole(endpoint, member, form, params + span, signs)
        if signs.refused:
            return Reading(rows, signs, Flaw.PAGE_REFUSED)
        if form.page is not None and signs.unpaged:
            return Reading(rows, signs, Flaw.PAGE_IGNORED)
        if signs.unpaged and self._checks.may_be_cut(endpoint.name, len(rows)):
            try:
                found = self._in_parts(
                    endpoint, member, form, rows, date_filters.unix_range(since, until)
                )
            except (RejectedError, MemberMissingError, NotConfiguredError):
                if self._checks.is_divisible(endpoint.name):
                    raise
                found = _Parts(rows, is_certain=False)  # a host that refuses such dates
            signs.is_whole = found.is_certain
            if len(found.rows) > len(rows):
                self._checks.cut_at(endpoint.name, len(rows))
            rows = found.rows
            if not found.is_certain:
                return Reading(rows, signs, Flaw.CUT)
        if since and any(date_filters.is_earlier(row, endpoint.dated, since) for row in rows):
            return Reading(rows, signs, Flaw.DATES_IGNORED)
        return Reading(rows, signs)

    def _in_parts(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        whole: list[deduplication.Row],
        span: tuple[int, int],
    ) -> _Parts:
        """Read a list that may be cut in the two halves of its dates, and so on where need be."""
        halves = date_filters.split_range(*span)
        parts = [
            _Parts(
                self._whole(
                    endpoint,
                    member,
                    form,
                    date_filters.unix_params(*half),
                    deduplication.ListingSigns(),
                )
            )
            for half in halves
        ]
        # The same rows whatever the dates: they are ignored, or all rows are of the same second.
        if len({deduplication.contents(part.rows, endpoint.key) for part in parts}) < _HALVES:
            return _Parts(whole, is_certain=False)
        self._checks.divides(endpoint.name)
        for place, half in enumerate(halves):
            if len(parts[place].rows) >= len(whole):
                parts[place] = self._in_parts(endpoint, member, form, parts[place].rows, half)
        rows = deduplication.merge_rows([whole, *(part.rows for part in parts)], endpoint.key)
        return _Parts(rows, is_certain=all(part.is_certain for part in parts))

    def _whole(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: deduplication.ListingSigns,
    ) -> list[deduplication.Row]:
        read = partial(self._listing, endpoint, member, form, params, signs)
        return deduplication.read_verified(read, endpoint, self._checks)

    def _listing(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: deduplication.ListingSigns,
    ) -> pagination.Listing:
        found = self._all_pages(endpoint, member, form, params, signs)
        if found.unpaged and found.total is None:
            with self._lock:
                signs.unpaged = max(signs.unpaged, len(found.pages[0]))
        return found

    def _all_pages(
        self,
        endpoint: Endpoint,
        member: int | str | None,
        form: Form,
        params: date_filters.Params,
        signs: deduplication.ListingSigns,
    ) -> pagination.Listing:
        others = len(endpoint.forms) > 1 and self._choice(endpoint).has_other(form)
        if form.page is None:
            page = self._get(
                endpoint,
                member,
                params,
                lambda body: _page(body, endpoint),
                other_forms=others,
            )
            return pagination.Listing([page.rows], page.total, unpaged=not page.guided)
        size = (("page_size", str(form.page_size)),) if form.page_size else ()
        announced = False

        def ask(parameter: str, number: int) -> pagination.Page:
            nonlocal announced
            numbered = (*params, (parameter, str(number)), *size)
            try:
                # A 204 in place of an announced page is not its end: rows would be lost.
                page: pagination.Page = self._get(
                    endpoint,
                    member,
                    numbered,
                    lambda body: _page(body, endpoint, number, announced=announced),
                    other_forms=others and number == 1,
                )
            except FatalApiError:
                raise
            except ApiError as error:
                if number == 1:
                    raise
                if not announced and _is_beyond(error):
                    signs.refused = (number, error.status)
                    return pagination.Page([])
                if not isinstance(error, (MemberMissingError, NotConfiguredError)):
                    raise
                said = "A page is refused after others of its listing were answered"
                raise ExhaustedError(
                    said, endpoint=endpoint.name, status=error.status, code=error.code
                ) from None
            announced |= page.guided
            return page

        try:
            return pagination.read_pages(
                ask,
                self._several,
                size=form.page_size or PAGE_SIZE,
                contents=partial(deduplication.contents, key=endpoint.key),
                parameter=form.page,
            )
        except pagination.EndlessError:
            said = "A listing without `paging` does not end"
            raise ExhaustedError(said, endpoint=endpoint.name) from None


def _page(
    body: Any, endpoint: Endpoint, number: int = 1, *, announced: bool = False
) -> pagination.Page | None:
    """Read a page; 204 and `{}` are an empty one only where nothing has announced it."""
    if not announced and (body is None or (body == {} and number > 1)):
        return pagination.Page([])
    return pagination.read(body, endpoint.envelope, endpoint.sibling_fields)


def _is_beyond(error: ApiError) -> bool:
    """Return whether an answer may say that a page lies beyond the last one."""
    return error.code == "page_not_found" or error.status in _BEYOND

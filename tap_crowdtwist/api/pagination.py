"""Pagination: reads a listing page by page, by page number alone.

`paging.next_page` is a URL that holds the key and may name another host, so only its page number is
used and the URL is never requested. Beyond the end CrowdTwist returns an empty page that links back
to a real one (Activities-Extended), so a link to a page that was read before is not followed.

Some lists may come without `paging` (the response of the activity history is not documented). They
are read until a page is short, empty, or the same as an earlier one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    RunConcurrently = Callable[[Sequence[Callable[[], "Page"]]], list["Page"]]

_MAX_CONCURRENT_PAGES = 32
"""Pages that are requested ahead at once. It limits what a wrong number of pages can cost."""

_MAX_PAGES = 20_000
"""Limit for one listing, in case a host points further and further."""

_MAX_PAGES_WITHOUT_NEWS = 100
"""Successive pages, each empty or a copy of the one before, after which reading stops."""

_PAGE_SIZE_FACTOR = 5
"""Every page size that is documented or usual is a multiple of this number of rows."""

_COUNT = re.compile(r"\s*([0-9]{1,11})(\.0*)?\s*", re.ASCII)
_LINK = re.compile(r"[?&](page|page_number)=0*([1-9][0-9]{0,10})(?![^&#])", re.ASCII)


class EndlessError(Exception):
    """A listing that has too many pages."""


class Page(NamedTuple):
    """One page of a listing: its rows and its paging information.

    Attributes:
        rows: the rows of the page.
        parameter: name of the page parameter in `next_page`; "" if there is no link.
        next_number: number of the page that `next_page` points to, or None.
        pages: number of pages as announced; 0 if it is not.
        total: number of rows as announced, or None.
        has_paging: whether the page states if another one follows (`next_page` or `pages`).
    """

    rows: list[Any]
    parameter: str = ""
    next_number: int | None = None
    pages: int = 0
    total: int | None = None
    has_paging: bool = False


@dataclass
class Listing:
    """All pages of one listing.

    Attributes:
        pages: the rows of each page, in the order read.
        totals: the values of `paging.total`; several if it changed from one page to another.
        oddities: what was wrong with the paging, one sentence each.
        is_unpaged: whether all rows came in one response, since the resource has no pages or
            ignores the page parameter.
    """

    pages: list[list[Any]] = field(default_factory=list)
    totals: set[int] = field(default_factory=set)
    oddities: set[str] = field(default_factory=set)
    is_unpaged: bool = False

    @property
    def total(self) -> int | None:
        """The largest total, since rows may be inserted or removed while pages are read."""
        return max(self.totals, default=None)

    def add(self, page: Page) -> None:
        """Add the next page."""
        self.pages.append(page.rows)
        if page.total is not None:
            self.totals.add(page.total)


def _parse_count(value: Any) -> int | None:
    """Parse a count from a number or its digits; return None for anything else."""
    match = _COUNT.fullmatch(str(value))
    return int(match[1]) if match else None


def _parse_link(link: Any) -> tuple[str, int | None]:
    """Return the page parameter and number of a `next_page` link; "" and None if it has none."""
    numbers = dict(_LINK.findall(str(link)))
    # A host that ignores `page_number` repeats it in the link, in front of its own `page`.
    for parameter in ("page", "page_number"):
        if parameter in numbers:
            return parameter, int(numbers[parameter])
    return "", None


def parse_page(
    payload: Any, envelope: tuple[str, ...], sibling_fields: tuple[str, ...] = ()
) -> Page | None:
    """Parse one page; return None if the payload does not look like a listing.

    Args:
        payload: the decoded body: an object with rows and `paging`, or a bare array.
        envelope: the keys that may hold the rows.
        sibling_fields: properties that may stand once, next to the rows, and are copied into each.
    """
    if isinstance(payload, list):
        return Page(payload)
    if not isinstance(payload, dict):
        return None
    rows = _find_rows(payload, envelope, sibling_fields)
    if rows is None:
        return None
    siblings = {name: payload[name] for name in sibling_fields if name in payload}
    if siblings:
        rows = [{**siblings, **row} if isinstance(row, dict) else row for row in rows]
    paging = _find_paging(payload)
    parameter, next_number = _parse_link(paging.get("next_page"))
    return Page(
        rows,
        parameter,
        next_number,
        pages=_parse_count(paging.get("pages")) or 0,
        total=_parse_count(paging.get("total")),
        has_paging=not paging.keys().isdisjoint({"next_page", "pages"}),
    )


def _find_paging(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the paging information, an object or an array of one; {} if there is none."""
    match payload.get("paging"):
        case dict(paging) | [dict(paging), *_]:
            return paging
    return {}


def _find_rows(
    payload: dict[str, Any], envelope: tuple[str, ...], sibling_fields: tuple[str, ...]
) -> list[Any] | None:
    """Return the rows of an object; None if it does not look like a listing.

    An object without the expected array is an empty listing if null or another empty value stands
    in its place; or if there is `paging` and nothing that could be rows under an unknown key.
    """
    expected = [payload[key] for key in envelope if key in payload]
    arrays = [value for value in expected if isinstance(value, list)]
    if arrays:
        return next(filter(None, arrays), [])
    known = {"paging", *sibling_fields}
    others = [value for key, value in payload.items() if key not in known]
    candidates = expected or [value for value in others if isinstance(value, (list, dict))]
    is_listing = bool(expected) or "paging" in payload
    return [] if is_listing and not any(candidates) else None


def read_pages(
    fetch: Callable[..., Page],
    run_concurrently: RunConcurrently,
    *,
    size: int,
    fingerprint: Callable[[list[Any]], Hashable],
    parameter: str,
) -> Listing:
    """Read a listing to its end. Its first page decides whether it has `paging`.

    Args:
        fetch: requests a page, given the name of the page parameter, the page number and
            `is_announced`: whether the first page has `paging`, so that this page should exist.
        run_concurrently: runs several such calls at the same time. Pages that are announced are
            requested ahead, but evaluated in order, so the result is the same.
        size: number of rows that was requested per page.
        fingerprint: returns a value that is equal for the same rows.
        parameter: name of the page parameter, until a `next_page` uses another one.

    Raises:
        EndlessError: the listing has too many pages.
    """
    first = fetch(parameter, 1, is_announced=False)
    if first.has_paging:
        return _follow_paging(first, fetch, run_concurrently, parameter)
    return _count_up(first, partial(fetch, parameter, is_announced=False), size, fingerprint)


def _follow_paging(
    page: Page,
    fetch: Callable[..., Page],
    run_concurrently: RunConcurrently,
    parameter: str,
) -> Listing:
    """Read a listing by `next_page`, and by `pages` where that points nowhere new."""
    listing = Listing()
    number = 1
    announced = without_news = 0
    seen: set[int] = set()
    prefetched: dict[int, Page] = {}
    for _ in range(_MAX_PAGES):
        has_news = page.rows and page.rows not in listing.pages[-1:]
        without_news = 0 if has_news else without_news + 1
        listing.add(page)
        seen.add(number)
        announced = page.pages or announced  # a later page may come without `paging`
        target, oddity = _next_number(page, number, announced, seen)
        if target is not None and without_news >= _MAX_PAGES_WITHOUT_NEWS:
            oddity = f"{without_news} pages in a row have nothing new; the rest is not read"
            target = None
        if oddity:
            listing.oddities.add(oddity)
        if target is None:
            return listing
        number = target
        parameter = page.parameter or parameter
        if number not in prefetched:
            # The links are followed from page to page, in order: a page that was prefetched but is
            # not linked to is discarded, and its rows are not part of the listing.
            last = min(announced, number + _MAX_CONCURRENT_PAGES - 1)
            numbers = range(number, max(number, last) + 1)
            calls = [partial(fetch, parameter, n, is_announced=True) for n in numbers]
            prefetched = dict(zip(numbers, run_concurrently(calls), strict=True))
        page = prefetched.pop(number)
    raise EndlessError


def _next_number(page: Page, number: int, announced: int, seen: set[int]) -> tuple[int | None, str]:
    """Return the number of the page to read after a page, or None, and what is wrong with its link.

    Args:
        page: the page.
        number: its number.
        announced: number of pages, as announced last.
        seen: numbers of the pages that were read, this one included.
    """
    target = page.next_number
    if target is not None and target not in seen:
        return target, ""
    if page.rows and number < announced:
        # Reading on costs a request, stopping may cost rows.
        return number + 1, "next_page points nowhere new although more pages are announced"
    # Beyond the end an empty page links back, which is documented.
    if page.rows and target is not None:
        return None, "next_page points to a page that was read before"
    return None, ""


def _count_up(
    first: Page,
    fetch: Callable[[int], Page],
    size: int,
    fingerprint: Callable[[list[Any]], Hashable],
) -> Listing:
    """Read a listing without `paging`, until a page is short, empty or was read before.

    A short page that has `paging` all the same, and points to the next one, does not end it.
    """
    listing = Listing()
    fingerprints: set[Hashable] = set()
    pages = chain([first], map(fetch, range(2, _MAX_PAGES + 1)))
    for next_number, page in enumerate(pages, start=2):
        rows_read = fingerprint(page.rows)
        if rows_read in fingerprints:
            # The host ignores the page parameter if the second page equals the first. Otherwise
            # it repeats the last page, or starts again after it.
            listing.is_unpaged = len(listing.pages) == 1
            return listing
        fingerprints.add(rows_read)
        listing.add(page)
        is_full = _is_full(len(page.rows), size, len(first.rows))
        if not is_full and page.next_number != next_number:
            return listing
    raise EndlessError


def _is_full(count: int, size: int, first: int) -> bool:
    """Return whether another page may follow a page without `paging`.

    A page is full if it has as many rows as were requested, or as the first page has: the host may
    use its own page size.

    Args:
        count: number of rows of the page.
        size: number of rows that was requested.
        first: number of rows of the first page.
    """
    has_own_size = first > 0 and first % _PAGE_SIZE_FACTOR == 0
    return count >= min(size, first) and (first >= size or has_own_size)

"""Pagination: reads a listing page by page, by page number alone.

`paging.next_page` is a URL that holds the key and may name another host, so only its page number is
used and the URL is never requested. Beyond the end CrowdTwist returns an empty page that links back
to a real one (Activities-Extended), so no page is requested twice.

Some lists may come without `paging` (the response of the activity history is not documented). They
are read until a page is short, empty, or the same as an earlier one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

PAGE_PARAMETERS = ("page", "page_number")

_MAX_CONCURRENT_PAGES = 32
"""Pages that are requested ahead at once. It limits what a wrong number of pages can cost."""

_MAX_PAGES_WITHOUT_PAGING = 5_000
"""Limit for a listing without `paging`, in case a host returns different rows for every request."""

_PAGE_SIZE_FACTOR = 5
"""Every page size that is documented or usual is a multiple of this number of rows."""

_MAX_CONSECUTIVE_EMPTY = 100
"""Successive pages, each empty or a copy of the one before, after which reading stops."""


class EndlessError(Exception):
    """A listing without `paging` that has too many pages, each with different rows."""


@dataclass(frozen=True)
class Page:
    """One page of a listing: its rows and its paging information.

    Attributes:
        rows: the rows of the page.
        parameter: name of the page parameter in `next_page`.
        next_number: number of the page that `next_page` points to, or None.
        pages: number of pages as announced, or None.
        total: number of rows as announced, or None.
        has_paging: whether the page states if another one follows (`next_page` or `pages`).
    """

    rows: list[Any]
    parameter: str = PAGE_PARAMETERS[0]
    next_number: int | None = None
    pages: int | None = None
    total: int | None = None
    has_paging: bool = False


@dataclass
class Listing:
    """All pages of one listing.

    Attributes:
        pages: the rows of each page, in the order read.
        total: the largest `paging.total` seen, or None.
        has_changed: whether `paging.total` changed from one page to another.
        oddities: what was wrong with the paging, one sentence each.
        is_unpaged: whether all rows came in one response, since the resource has no pages or
            ignores the page parameter.
    """

    pages: list[list[Any]] = field(default_factory=list)
    total: int | None = None
    has_changed: bool = False
    oddities: list[str] = field(default_factory=list)
    is_unpaged: bool = False


def _parse_count(value: Any) -> int | None:
    """Parse a count from an int, a float or a string of digits; return None for anything else."""
    if isinstance(value, bool):  # bool is a subclass of int
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value >= 0 else None
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None  # noqa: PLR2004 - no listing has more
    return value if isinstance(value, int) and value >= 0 else None


def _parse_link(link: Any) -> tuple[str, int] | None:
    """Return the page parameter and number of a `next_page` link, or None if it has none."""
    if not isinstance(link, str):
        return None
    try:
        query = parse_qs(urlsplit(link).query)
    except ValueError:
        return None
    for parameter in PAGE_PARAMETERS:
        number = _parse_count(query.get(parameter, [""])[0])
        if number:
            return parameter, number
    return None


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
    arrays = [payload[key] for key in envelope if isinstance(payload.get(key), list)]
    if not arrays and not _is_empty(payload, envelope, sibling_fields):
        return None
    rows: list[Any] = next(filter(None, arrays), [])
    for name in sibling_fields:
        if name in payload:
            rows = [{name: payload[name], **row} if isinstance(row, dict) else row for row in rows]
    paging = payload.get("paging")
    if isinstance(paging, list):
        paging = paging[0] if paging else None
    if not isinstance(paging, dict):
        return Page(rows)
    link = _parse_link(paging.get("next_page"))
    return Page(
        rows,
        parameter=link[0] if link else PAGE_PARAMETERS[0],
        next_number=link[1] if link else None,
        pages=_parse_count(paging.get("pages")),
        total=_parse_count(paging.get("total")),
        has_paging=not paging.keys().isdisjoint({"next_page", "pages"}),
    )


def _is_empty(
    payload: dict[str, Any], envelope: tuple[str, ...], sibling_fields: tuple[str, ...]
) -> bool:
    """Return whether an object without the expected array is an empty listing.

    It is one if null or another empty value stands in place of the array; or if there is `paging`
    and nothing that could be rows under an unknown key.
    """
    present = [payload[key] for key in envelope if key in payload]
    if present:
        return not any(present)
    others = [value for key, value in payload.items() if key not in {"paging", *sibling_fields}]
    return "paging" in payload and not any(v for v in others if isinstance(v, (list, dict)))


def next_page(page: Page, number: int, seen: Iterable[int]) -> tuple[int | None, str]:
    """Decide which page to request after this one.

    The listing ends when `next_page` and `pages` agree that it does, or at an empty page without a
    link to a page that was not read yet.

    Args:
        page: the page just read.
        number: its number.
        seen: all page numbers read so far, this one included.

    Returns:
        The number of the next page, or None at the end; and a sentence if something is odd, or "".
    """
    if page.next_number is not None and page.next_number not in seen:
        return page.next_number, ""
    is_last = page.pages is None or number >= page.pages
    # A wrong `pages` must not cost a request for each page that does not exist.
    if not page.rows:
        return None, "" if is_last else "an empty page ends a listing that announces more pages"
    if is_last:
        if page.next_number is None:
            return None, ""
        return None, "next_page points to a page that was read before"
    # `pages` announces more than the link does: reading on costs a request, stopping may cost rows.
    next_unread = next((n for n in range(number + 1, (page.pages or 0) + 1) if n not in seen), None)
    if next_unread is None:
        return None, "next_page points to a page that was read before"
    where = "nowhere" if page.next_number is None else "to a page that was read before"
    return next_unread, f"next_page points {where} although more pages are announced"


def is_full(page: Page, size: int, first: Page | None) -> bool:
    """Return whether another page may follow one without `paging`.

    A page is full if it has as many rows as were requested, or as the first page has. The first
    page is also considered full at any multiple of 5, since the host may use its own page size.

    Args:
        page: the page just read.
        size: number of rows that was requested.
        first: the first page of the listing; None if it is this one.
    """
    count = len(page.rows)
    if first is None:
        return count >= size or (count > 0 and count % _PAGE_SIZE_FACTOR == 0)
    return count >= min(size, len(first.rows))


def _is_repeated(
    page: Page, fingerprint: Callable[[list[Any]], Hashable], earlier: set[Hashable]
) -> bool:
    """Return whether the same rows were read before; if not, add them to `earlier`.

    Rows are repeated if the host ignores the page parameter, or starts again after the last page.

    Raises:
        EndlessError: the number of different pages has reached its limit.
    """
    rows_read = fingerprint(page.rows) if page.rows else None
    if rows_read is not None and rows_read in earlier:
        return True
    if len(earlier) >= _MAX_PAGES_WITHOUT_PAGING:
        raise EndlessError
    earlier.add(rows_read)
    return False


def read_pages(
    fetch: Callable[[str, int], Page],
    run_concurrently: Callable[[list[Callable[[], Page]]], list[Page]] | None = None,
    *,
    size: int = 10,
    fingerprint: Callable[[list[Any]], Hashable] = repr,
    parameter: str = PAGE_PARAMETERS[0],
) -> Listing:
    """Read a listing to its end.

    Args:
        fetch: requests a page, given the name of the page parameter and the page number. After
            each page with new rows it is called at most `_MAX_CONSECUTIVE_EMPTY` times for pages
            without.
        run_concurrently: runs several such calls at the same time. Pages that are announced are
            then requested ahead, but evaluated in order, so the result is the same.
        size: number of rows that was requested per page.
        fingerprint: returns a value that is equal for the same rows.
        parameter: name of the page parameter, until a `next_page` uses another one.

    Raises:
        EndlessError: a listing without `paging` has too many pages.
    """
    listing = Listing()
    seen: set[int] = set()
    prefetched: dict[int, Page] = {}
    announced_pages = 0
    number: int | None = 1
    consecutive_empty = 0
    first: Page | None = None
    has_paging = False
    earlier: set[Hashable] = set()
    while number is not None:
        if run_concurrently is not None and number > 1 and number not in prefetched:
            # The links are followed from page to page below, in order: a page that was prefetched
            # but is not linked to is discarded, and its rows are not part of the listing.
            batch = range(number, min(number + _MAX_CONCURRENT_PAGES, announced_pages + 1))
            numbers = list(batch) or [number]
            fetched = run_concurrently([partial(fetch, parameter, n) for n in numbers])
            prefetched = dict(zip(numbers, fetched, strict=True))
        page = prefetched.pop(number) if number in prefetched else fetch(parameter, number)
        announced_pages = page.pages or 0
        seen.add(number)
        is_copy = bool(listing.pages) and page.rows == listing.pages[-1]
        # One page with paging information is enough: a later one without it does not end the list.
        has_paging |= page.has_paging
        if not has_paging and _is_repeated(page, fingerprint, earlier):
            # The second page equals the first: the host ignores the page parameter.
            listing.is_unpaged = len(listing.pages) == 1
            break
        consecutive_empty = consecutive_empty + 1 if is_copy or not page.rows else 0
        listing.pages.append(page.rows)
        if page.total is not None:
            # The largest total counts: rows may be inserted or removed while pages are read.
            listing.has_changed |= listing.total not in {None, page.total}
            listing.total = max(page.total, listing.total or 0)
        if page.next_number is not None:
            parameter = page.parameter
        if has_paging:
            number, oddity = next_page(page, number, seen)
        else:
            number, oddity = (number + 1 if is_full(page, size, first) else None), ""
        first = first or page
        if number is not None and consecutive_empty >= _MAX_CONSECUTIVE_EMPTY:
            number, oddity = (
                None,
                f"{_MAX_CONSECUTIVE_EMPTY} pages in a row have nothing new; the rest is not read",
            )
        if oddity and oddity not in listing.oddities:
            listing.oddities.append(oddity)
    return listing

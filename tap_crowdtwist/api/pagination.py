"""Follows a listing from page to page, by page number alone.

`paging.next_page` is a URL that carries the key and may name another host, so it is read for its
page number and never requested. Beyond the end CrowdTwist answers with an empty page that links
back to a real one (Activities-Extended), so a page that was seen before is never asked again.

Some lists may come without `paging` (what the activity history answers is not published). They go
on until a page is short, empty, or the same as the one before.
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

_AT_ONCE = 32
"""Pages that are fetched side by side at the most, so that a lie about their number is bounded."""

_MOST_UNGUIDED = 5_000
"""Pages of a listing without `paging`, should a host answer other rows at each call."""

_ROUND = 5
"""Rows. Every page size that is documented or usual is a multiple of it."""

_MAX_CONSECUTIVE_EMPTY = 100
"""Pages in a row, each empty or a copy of the one before, after which a listing is given up."""


class EndlessError(Exception):
    """A host answers other rows for each page that is asked for."""


@dataclass(frozen=True)
class Page:
    """One page, as far as it tells where the listing stands.

    Attributes:
        rows: the rows on it.
        parameter: name of the page parameter that `next_page` uses.
        next_number: the page that `next_page` points to, or None.
        pages: how many pages there are, or None where it does not say.
        total: how many rows there are, or None where it does not say.
        guided: whether it tells at all if there is another page.
    """

    rows: list[Any]
    parameter: str = PAGE_PARAMETERS[0]
    next_number: int | None = None
    pages: int | None = None
    total: int | None = None
    guided: bool = False


@dataclass
class Listing:
    """All pages of one listing.

    Attributes:
        pages: the rows of each page, in the order read.
        total: the largest `paging.total` seen, or None.
        moved: whether `paging.total` changed from one page to another.
        oddities: what was wrong with the paging, one sentence each.
        unpaged: whether all rows came at once, from a resource that takes no page or ignores it.
    """

    pages: list[list[Any]] = field(default_factory=list)
    total: int | None = None
    moved: bool = False
    oddities: list[str] = field(default_factory=list)
    unpaged: bool = False


def _count(value: Any) -> int | None:
    """Read a count that may be an int, a float or digits; anything else is not a count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value >= 0 else None
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None  # noqa: PLR2004 - no listing has more
    return value if isinstance(value, int) and value >= 0 else None


def _target(link: Any) -> tuple[str, int] | None:
    """Read the page parameter and number out of a `next_page` link."""
    if not isinstance(link, str):
        return None
    try:
        query = parse_qs(urlsplit(link).query)
    except ValueError:
        return None
    for parameter in PAGE_PARAMETERS:
        number = _count(query.get(parameter, [""])[0])
        if number:
            return parameter, number
    return None


def read(payload: Any, envelope: tuple[str, ...], beside: tuple[str, ...] = ()) -> Page | None:
    """Read one page, or None where the payload does not look like a listing.

    Args:
        payload: the decoded body: an object with rows and `paging`, or a bare array.
        envelope: the keys under which the rows may stand.
        beside: properties that may stand once beside the rows and are copied into each.
    """
    if isinstance(payload, list):
        return Page(payload)
    if not isinstance(payload, dict):
        return None
    arrays = [payload[key] for key in envelope if isinstance(payload.get(key), list)]
    if not arrays and not _is_empty(payload, envelope, beside):
        return None
    rows: list[Any] = next(filter(None, arrays), [])
    for name in beside:
        if name in payload:
            rows = [{name: payload[name], **row} if isinstance(row, dict) else row for row in rows]
    paging = payload.get("paging")
    if isinstance(paging, list):
        paging = paging[0] if paging else None
    if not isinstance(paging, dict):
        return Page(rows)
    target = _target(paging.get("next_page"))
    return Page(
        rows,
        parameter=target[0] if target else PAGE_PARAMETERS[0],
        next_number=target[1] if target else None,
        pages=_count(paging.get("pages")),
        total=_count(paging.get("total")),
        guided=not paging.keys().isdisjoint({"next_page", "pages"}),
    )


def _is_empty(payload: dict[str, Any], envelope: tuple[str, ...], beside: tuple[str, ...]) -> bool:
    """Tell whether an object without the expected array is a listing of nothing.

    It is where the array is null or the like; or where only `paging` is there, but nothing that
    may be rows under a name that is not known.
    """
    present = [payload[key] for key in envelope if key in payload]
    if present:
        return not any(present)
    others = [value for key, value in payload.items() if key not in {"paging", *beside}]
    return "paging" in payload and not any(v for v in others if isinstance(v, (list, dict)))


def next_page(page: Page, number: int, seen: Iterable[int]) -> tuple[int | None, str]:
    """Decide which page to ask for after this one.

    The listing ends when `next_page` and `pages` agree that it does, or at an empty page that
    points nowhere further.

    Args:
        page: the page just read.
        number: its number.
        seen: all page numbers read so far, this one included.

    Returns:
        The next page's number, or None at the end; and a sentence where something is odd, or "".
    """
    fresh = page.next_number is not None and page.next_number not in seen
    if fresh:
        return page.next_number, ""
    ended = page.pages is None or number >= page.pages
    if not page.rows:
        return None, "" if ended else "an empty page ends a listing that announces more pages"
    if ended:
        if page.next_number is None:
            return None, ""
        return None, "next_page points to a page that was read before"
    onward = next((n for n in range(number + 1, (page.pages or 0) + 1) if n not in seen), None)
    if onward is None:
        return None, "next_page points to a page that was read before"
    told = "nowhere" if page.next_number is None else "to a page that was read before"
    return onward, f"next_page points {told} although more pages are announced"


def is_full(page: Page, size: int, first: Page | None) -> bool:
    """Return whether another page may follow one that does not say.

    A page is full if it has as many rows as were asked for, or as the first page. The first one is
    also taken for full at any multiple of 5, since the host may have a page size of its own.

    Args:
        page: the page just read.
        size: rows that a page should have.
        first: the first page of the listing; None if it is this one.
    """
    count = len(page.rows)
    if first is None:
        return count >= size or (count > 0 and count % _ROUND == 0)
    return count >= min(size, len(first.rows))


def _is_repeated(
    page: Page, contents: Callable[[list[Any]], Hashable], earlier: set[Hashable]
) -> bool:
    """Return whether a page was read before: the host knows no pages, or begins anew.

    Raises:
        EndlessError: so many others were read that there seems to be no end.
    """
    held = contents(page.rows) if page.rows else None
    if held is not None and held in earlier:
        return True
    if len(earlier) >= _MOST_UNGUIDED:
        raise EndlessError
    earlier.add(held)
    return False


def read_pages(
    ask: Callable[[str, int], Page],
    several: Callable[[list[Callable[[], Page]]], list[Page]] | None = None,
    *,
    size: int = 10,
    contents: Callable[[list[Any]], Hashable] = repr,
    parameter: str = PAGE_PARAMETERS[0],
) -> Listing:
    """Read a listing to its end.

    Args:
        ask: fetches a page by the name of the page parameter and its number. It is called once
            for each page that has rows of its own, and up to `_MAX_CONSECUTIVE_EMPTY` times after
            each.
        several: does such calls side by side. Pages that are announced are then fetched at once,
            and still judged one after the other, as if they had been asked for in turn.
        size: rows that a page should have.
        contents: returns what a page holds, equal for the same rows.
        parameter: name of the page parameter, unless a `next_page` uses another one.

    Raises:
        EndlessError: a listing without `paging` does not end.
    """
    listing = Listing()
    seen: set[int] = set()
    ahead: dict[int, Page] = {}
    announced = 0
    number: int | None = 1
    consecutive_empty = 0
    first: Page | None = None
    guided = False
    earlier: set[Hashable] = set()
    while number is not None:
        if several is not None and number > 1 and number not in ahead:
            wanted = [n for n in range(number, number + _AT_ONCE) if n <= announced]
            fetched = several([partial(ask, parameter, n) for n in wanted or [number]])
            ahead = dict(zip(wanted or [number], fetched, strict=True))
        page = ahead.pop(number) if number in ahead else ask(parameter, number)
        announced = page.pages or 0
        seen.add(number)
        copied = bool(listing.pages) and page.rows == listing.pages[-1]
        guided |= page.guided
        if not guided and _is_repeated(page, contents, earlier):
            listing.unpaged = len(listing.pages) == 1
            break
        consecutive_empty = consecutive_empty + 1 if copied or not page.rows else 0
        listing.pages.append(page.rows)
        if page.total is not None:
            listing.moved |= listing.total not in {None, page.total}
            listing.total = max(page.total, listing.total or 0)
        if page.next_number is not None:
            parameter = page.parameter
        if guided:
            number, oddity = next_page(page, number, seen)
        else:
            number, oddity = (number + 1 if is_full(page, size, first) else None), ""
        first = first or page
        if number is not None and consecutive_empty >= _MAX_CONSECUTIVE_EMPTY:
            number, oddity = (
                None,
                f"{_MAX_CONSECUTIVE_EMPTY} pages in a row bring nothing new; the rest is left",
            )
        if oddity and oddity not in listing.oddities:
            listing.oddities.append(oddity)
    return listing

"""Paging by page number, with the documented oddities and, on request, some more.

The page "Activities-Extended (v2.1)" has the rules: without a page, or with one that is not a
number, the first page is sent; page 0 or below is empty and points to page 1; a page beyond the end
is empty and points to the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOREIGN = "https://other-host.invalid"


class Quirks(NamedTuple):
    """Oddities of one listing beyond the documented ones."""

    foreign_host: bool = False
    last_points_to: str = ""  # "itself" or "first"
    empty_middle: bool = False
    no_total: bool = False
    overlap: bool = False
    total_as_text: bool = False

    @classmethod
    def of(cls, seed: int) -> Quirks:
        """Choose a listing's oddities from its seed; few listings have none."""
        return cls(
            foreign_host=bool(seed >> 8 & 1),
            last_points_to=("", "itself", "first", "")[seed >> 16 & 3],
            empty_middle=seed >> 24 & 3 == 0,
            no_total=seed >> 32 & 3 == 0,
            overlap=bool(seed >> 40 & 1),
            total_as_text=seed >> 48 & 3 == 0,
        )


NONE = Quirks()


class Page(NamedTuple):
    """The items of a page, and its paging object."""

    items: Sequence[Any]
    paging: dict[str, Any]


class Pager(NamedTuple):
    """Splits a listing into pages and builds the links between them.

    `url` is the listing's URL without query, `params` the query to repeat in links, without page
    and key. Every link contains the key, as on the live service.
    """

    url: str
    params: Mapping[str, str]
    api_key: str
    previous_name: str = "prev_page"
    quirks: Quirks = NONE
    page_name: str = "page"

    def page(self, items: Sequence[Any], asked: str | None, size: int) -> Page:
        """Return one page of the items."""
        quirks = self.quirks
        # With overlap, a page begins with the last item of the page before.
        step = size - 1 if quirks.overlap and size > 1 else size
        total = len(items)
        # One full page, and a page for each further `step` items or part of it.
        pages = 1 + max(0, -(-(total - size) // step)) if total else 0
        # The number of an additional, empty page; the pages after it shift by one.
        gap = 2 if quirks.empty_middle and pages > 2 else 0  # noqa: PLR2004 - room for a middle
        pages += bool(gap)
        number = page_number(asked)
        before = after = None
        shown: Sequence[Any] = ()
        if number < 1:
            after = 1
        elif number > max(pages, 1):
            before = after = max(pages, 1)
        else:
            before = number - 1 or None
            after = number + 1 if number < pages else None
            if number != gap:
                start = (number - 1 - (1 if gap and number > gap else 0)) * step
                shown = items[start : start + size]
        # A client that follows links alone would never end here.
        if number == pages and quirks.last_points_to:
            after = number if quirks.last_points_to == "itself" else 1
        paging: dict[str, Any] = {
            "total": str(total) if quirks.total_as_text else total,
            "pages": pages,
            "next_page": self.link(after, FOREIGN if quirks.foreign_host else ""),
            self.previous_name: self.link(before),
        }
        if quirks.no_total:
            del paging["total"]
        return Page(shown, paging)

    @property
    def listing(self) -> str:
        """The listing's identity: its path and parameters, whatever the page."""
        return f"{self.url.split('/', 3)[3]}?{urlencode(sorted(self.params.items()))}"

    def link(self, number: int | None, foreign: str = "") -> str | None:
        """Return the URL of a page on this host or a foreign one; None without a number."""
        if number is None:
            return None
        url = self.url
        if foreign:
            # Everything after scheme and host.
            url = foreign + "/" + url.split("/", 3)[3]
        return (
            f"{url}?{urlencode({**self.params, self.page_name: number, 'api_key': self.api_key})}"
        )


def page_number(asked: str | None) -> int:
    """Return the requested page's number; 1 if it is missing or not a number."""
    try:
        return int(asked) if asked else 1
    except ValueError:
        return 1

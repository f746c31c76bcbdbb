"""Listings with wrong paging information, and listings whose rows move between two pages.

Each function returns one page of a listing. None of them invents a row or hides one for good. Its
docstring, which is the fault's description, says how a careful client still gets every row, or
notices that some are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crowdtwist_sandbox.wire.paging import NONE, Quirks, page_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from crowdtwist_sandbox.wire.paging import Page, Pager

    PagingFault: TypeAlias = Callable[["PageRequest"], Page]


class PageRequest(NamedTuple):
    """A listing and the requested page.

    `is_turned`: whether a page beyond the first has been requested, now or before. Rows move when
    that happens for the first time.
    """

    pager: Pager
    items: Sequence[Any]
    page: str | None
    size: int
    is_turned: bool

    def true_page(self, items: Sequence[Any] | None = None, quirks: Quirks = NONE) -> Page:
        """Return the correct page of the listing's items, or of others."""
        pager = self.pager._replace(quirks=quirks)
        return pager.page(self.items if items is None else items, self.page, self.size)

    def with_total(self, change: Callable[[int], int]) -> Page:
        """Return the page with a changed `total`."""
        page = self.true_page()
        page.paging["total"] = change(page.paging["total"])
        return page

    def before_move(self, before: Callable[[list[Any]], list[Any]]) -> Page:
        """Return the page as it was before rows moved; as it is if there is one page only.

        Args:
            before: computes the items before the move from those after it.
        """
        # A fault must not lose rows for good, so the true listing is the one after the move.
        if self.is_turned or len(self.items) - 1 <= self.size:
            return self.true_page()
        return self.true_page(before(list(self.items)))


def total_up(request: PageRequest) -> Page:
    """`total` is one too many; all rows are there, and the client reports that one is missing."""
    return request.with_total(lambda total: total + 1)


def total_down(request: PageRequest) -> Page:
    """`total` is one too few; a client that reads all pages gets all rows."""
    return request.with_total(lambda total: max(total - 1, 0))


def next_missing(request: PageRequest) -> Page:
    """`next_page` is null though pages follow; counting up to `pages` gives all rows."""
    page = request.true_page()
    # Links of pages out of range are documented and stay as they are.
    if 1 <= page_number(request.page) <= page.paging["pages"]:
        page.paging["next_page"] = None
    return page


def empty_page(request: PageRequest) -> Page:
    """The second of three pages or more is empty; a client that goes on gets all rows."""
    return request.true_page(quirks=Quirks(empty_middle=True))


def rows_repeated(request: PageRequest) -> Page:
    """Each page begins with the last row of the one before; all rows are there, some twice."""
    return request.true_page(quirks=Quirks(overlap=True))


def rows_inserted(request: PageRequest) -> Page:
    """A row comes in at the top after page 1 was read; a second reading is whole and stable.

    Page 2 repeats a row, and `total`, now one more, shows that one was missed.
    """
    # `rows` are those after the insertion; the new one is on top.
    return request.before_move(lambda rows: rows[1:])


def rows_removed(request: PageRequest) -> Page:
    """A double of the top row goes after page 1 was read; a second reading is whole and stable.

    One row moves from page 2 to page 1 unseen, which `total` shows if rows are counted by key.
    """
    return request.before_move(lambda rows: [rows[0], *rows])


def rows_moved(request: PageRequest) -> Page:
    """The last row goes to the top after page 1 was read; a second reading is whole and stable.

    Page 2 repeats a row and one is missed, which `total` shows if rows are counted by key or, where
    they have none, if rows equal in all properties are counted once.
    """
    return request.before_move(lambda rows: [*rows[1:], rows[0]])


PAGING_FAULTS: tuple[PagingFault, ...] = (
    total_up,
    total_down,
    next_missing,
    empty_page,
    rows_repeated,
    rows_inserted,
    rows_removed,
    rows_moved,
)
"""The faults of this module."""

"""Listings that lie about where they go on or end, and rows that move while they are paged through.

Each function cuts one page of a listing. Truth stays the truth: none of them makes up or hides a
row for good, and each docstring says how a careful client still gets every row, or learns that it
does not have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crowdtwist_sandbox.wire.paging import NONE, Quirks, page_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from crowdtwist_sandbox.wire.paging import Page, Pager

    PagingFault: TypeAlias = Callable[["Asked"], Page]


class Asked(NamedTuple):
    """A listing and the page of it that is asked for.

    `turned` tells that a page beyond the first has been asked for before or is now, which is when
    rows move.
    """

    pager: Pager
    items: Sequence[Any]
    page: str | None
    size: int
    turned: bool

    def cut(self, items: Sequence[Any] | None = None, quirks: Quirks = NONE) -> Page:
        """The page, without lies, of these items or others."""
        pager = self.pager._replace(quirks=quirks)
        return pager.page(self.items if items is None else items, self.page, self.size)

    def told(self, **counts: Callable[[int], int]) -> Page:
        """The page, with counts (`total`, `pages`) changed."""
        page = self.cut()
        for name, change in counts.items():
            page.paging[name] = change(page.paging[name])
        return page

    def pointing(self, target: Callable[[int, int], int | None]) -> Page:
        """The page, its link changed if it is in range: from number and pages to a number."""
        page = self.cut()
        number, pages = page_number(self.page), page.paging["pages"]
        if 1 <= number <= pages:
            page.paging["next_page"] = self.pager.link(target(number, pages))
        return page

    def shifted(self, before: Callable[[list[Any]], list[Any]]) -> Page:
        """The page as it was before rows moved, if there is more than one; else as it is."""
        if self.turned or len(self.items) - 1 <= self.size:
            return self.cut()
        return self.cut(before(list(self.items)))


def total_up(asked: Asked) -> Page:
    """`total` is one too many; all rows are there, and the client reports that one is missing."""
    return asked.told(total=lambda total: total + 1)


def total_down(asked: Asked) -> Page:
    """`total` is one too few; all rows are there for who goes on to the end of the pages."""
    return asked.told(total=lambda total: max(total - 1, 0))


def pages_up(asked: Asked) -> Page:
    """`pages` is two too many; what is beyond the end is empty and points back, as documented."""
    return asked.told(pages=lambda pages: pages + 2)


def pages_down(asked: Asked) -> Page:
    """`pages` is one too few; all rows are there for who follows `next_page` or heeds `total`."""
    return asked.told(pages=lambda pages: min(pages, max(pages - 1, 1)))


def next_self(asked: Asked) -> Page:
    """`next_page` is the page itself; all rows are there for who counts up to `pages`."""
    return asked.pointing(lambda number, _pages: number)


def next_back(asked: Asked) -> Page:
    """`next_page` is the page before, from the second on; counting up to `pages` gives all rows."""
    return asked.pointing(lambda number, pages: number - 1 if number > 1 else _on(number, pages))


def next_circle(asked: Asked) -> Page:
    """`next_page` leads in circles: 1-2-3-2, 4-5-4; counting up to `pages` gives all rows."""
    return asked.pointing(
        lambda number, pages: (
            number - 1 if number > 1 and (number % 2 or number == pages) else _on(number, pages)
        )
    )


def next_missing(asked: Asked) -> Page:
    """`next_page` is null though pages follow; counting up to `pages` gives all rows."""
    return asked.pointing(lambda _number, _pages: None)


def empty_page(asked: Asked) -> Page:
    """The second of three pages or more is empty; all rows are there for who goes on."""
    return asked.cut(quirks=Quirks(empty_middle=True))


def rows_repeated(asked: Asked) -> Page:
    """Each page begins with the last row of the one before; all rows are there, told by key."""
    return asked.cut(quirks=Quirks(overlap=True))


def rows_inserted(asked: Asked) -> Page:
    """A row comes in at the top after page 1 was read; a second reading is whole and stable.

    Page 2 repeats a row, and `total`, from then on one more, tells that one was missed.
    """
    return asked.shifted(lambda rows: rows[1:])


def rows_removed(asked: Asked) -> Page:
    """A double of the top row goes after page 1 was read; a second reading is whole and stable.

    One row slips from page 2 to page 1 unseen, which `total` tells if rows are counted by key.
    """
    return asked.shifted(lambda rows: [rows[0], *rows])


def rows_moved(asked: Asked) -> Page:
    """The last row goes to the top after page 1 was read; a second reading is whole and stable.

    Page 2 repeats a row and one is missed, which `total` tells if rows are counted by key or, where
    they have none, by being equal in all properties.
    """
    return asked.shifted(lambda rows: [*rows[1:], rows[0]])


def _on(number: int, pages: int) -> int | None:
    return number + 1 if number < pages else None


LIES: tuple[PagingFault, ...] = (
    total_up,
    total_down,
    pages_up,
    pages_down,
    next_self,
    next_back,
    next_circle,
    next_missing,
    empty_page,
    rows_repeated,
    rows_inserted,
    rows_removed,
    rows_moved,
)
"""All lies."""

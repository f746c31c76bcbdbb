"""Puts the pages and date windows of one listing together: every row, each once.

No list endpoint documents its order, so rows can move between pages while they are read, and
windows that meet on a day may both answer that day's rows.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.api.pagination import Listing

logger = logging.getLogger(__name__)

Row = dict[str, Any]

_BELIEVED = 3
"""How many listings may stay off their announced total before the total is not believed."""


_CAPS = frozenset({10, 25, 50})
"""Rows at which a host may cut a list, beside multiples of 100."""

_ROUND = 5
"""Rows. Any limit of a host is a multiple of it."""


@dataclass
class ListingSigns:
    """What the readings of a listing showed beside its rows.

    Attributes:
        unpaged: rows of the longest list that came whole and without a total.
        is_whole: whether that list was read in parts, too, which brought nothing else.
        refused: the page behind a full one that was refused, and the HTTP status; None if none was.
    """

    unpaged: int = 0
    is_whole: bool = False
    refused: tuple[int, int | None] | None = None


@dataclass
class ListingChecks:
    """What has been said and learnt about the listings of a run; shared between threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    warned: set[tuple[str, str]] = field(default_factory=set)
    disagreements: Counter[str] = field(default_factory=Counter)
    unproven: set[str] = field(default_factory=set)
    longest: Counter[str] = field(default_factory=Counter)
    """Rows of the longest list of each endpoint that came whole and without a total."""
    uncertain: Counter[str] = field(default_factory=Counter)
    """Rows of the longest of these lists that is not known to be whole."""
    divisible: set[str] = field(default_factory=set)
    """Endpoints of which a part of a list has come by its dates."""

    def warn_once(
        self, endpoint: str, sentence: str, *facts: object, level: int = logging.WARNING
    ) -> None:
        """Log a sentence the first time that it is true of an endpoint, whatever the facts."""
        with self.lock:
            if (endpoint, sentence) in self.warned:
                return
            self.warned.add((endpoint, sentence))
        logger.log(level, "%s: %s", endpoint, sentence % facts if facts else sentence)

    def take(self, endpoint: str, signs: ListingSigns) -> None:
        """Remember what the readings of a listing showed, and doubt the end of one aloud."""
        with self.lock:
            self.longest[endpoint] = max(self.longest[endpoint], signs.unpaged)
            if not signs.is_whole:
                self.uncertain[endpoint] = max(self.uncertain[endpoint], signs.unpaged)
            if signs.refused:
                self.unproven.add(endpoint)
        if signs.refused:
            self.warn_once(
                endpoint,
                "page %d of a list without `paging` was refused (HTTP %s) and taken for the end, "
                "although the page before it was full; if it is not the end, rows are missing",
                *signs.refused,
            )

    def may_be_cut(self, endpoint: str, count: int) -> bool:
        """Return whether a list without a total may stop at a limit of the host.

        Such limits are round, and no list is longer than they are. One of just that length may
        still be whole, which says nothing about the others.
        """
        with self.lock:
            return count >= self.longest[endpoint] and count % _ROUND == 0

    def divides(self, endpoint: str) -> None:
        """Remember that lists can be read in parts, by their dates."""
        with self.lock:
            self.divisible.add(endpoint)

    def is_divisible(self, endpoint: str) -> bool:
        """Return whether lists can be read in parts, so that a part that is refused is missing."""
        with self.lock:
            return endpoint in self.divisible

    def cut_at(self, endpoint: str, count: int) -> None:
        """Say that the host cuts lists, and that longer ones are read by their dates."""
        self.warn_once(
            endpoint,
            "lists are cut at %d rows; those of this length are read in parts, by their dates",
            count,
            level=logging.INFO,
        )

    def seems_cut(self, endpoint: str) -> bool:
        """Return whether no list of an endpoint is longer than a round number of rows."""
        count = self.longest[endpoint]
        if self.uncertain[endpoint] < count:
            return False
        return count in _CAPS or (count > 0 and count % 100 == 0)

    def warn_of_truncation(self) -> None:
        """Warn of endpoints whose lists seem to be cut."""
        for endpoint, count in self.longest.items():
            if self.seems_cut(endpoint):
                self.warn_once(
                    endpoint,
                    "the longest list has exactly %d rows and no pages; if CrowdTwist cuts lists "
                    "there, rows are missing",
                    count,
                )

    def believes_total(self, endpoint: str) -> bool:
        """Tell whether `paging.total` of an endpoint has been worth a second reading so far."""
        with self.lock:
            return self.disagreements[endpoint] < _BELIEVED

    def disagreed(self, endpoint: str) -> None:
        """Remember that two readings agreed with each other, but not with `paging.total`."""
        with self.lock:
            self.disagreements[endpoint] += 1


@dataclass(frozen=True)
class _Reading:
    """What one reading of a listing brought."""

    rows: list[Row]
    total: int | None
    moved: bool

    @property
    def fits(self) -> bool:
        """Whether the rows are as many as announced, and nothing seems to have moved under way."""
        return self.total is None or (len(self.rows) == self.total and not self.moved)


def read_verified(
    read: Callable[[], Listing], endpoint: Endpoint, checks: ListingChecks
) -> list[Row]:
    """Read a listing, and once more if its number of rows is not the announced one, or changes.

    Args:
        read: reads the listing from its first page to its last.
        endpoint: the resource, for its key and for what is logged.
        checks: what is known of the listings of this run.
    """
    first = _attempt(read, endpoint, checks)
    if first.fits or not checks.believes_total(endpoint.name):
        return first.rows
    second = _attempt(read, endpoint, checks)
    if second.fits:
        return second.rows
    rows = merge_rows([first.rows, second.rows], endpoint.key)
    if len(rows) != second.total:
        with checks.lock:
            checks.unproven.add(endpoint.name)
        if len(first.rows) == len(second.rows) == len(rows):
            checks.disagreed(endpoint.name)
        checks.warn_once(
            endpoint.name, "a listing has %d rows but announces %s", len(rows), second.total
        )
    return rows


def _attempt(read: Callable[[], Listing], endpoint: Endpoint, checks: ListingChecks) -> _Reading:
    listing = read()
    for oddity in listing.oddities:
        checks.warn_once(endpoint.name, oddity)
    pages = [[row for row in page if isinstance(row, dict)] for page in listing.pages]
    lacks_rows = sum(map(len, pages)) != sum(map(len, listing.pages))
    if lacks_rows:
        with checks.lock:
            checks.unproven.add(endpoint.name)
        checks.warn_once(
            endpoint.name, "a listing has rows that are not objects; they are left out"
        )
    if listing.total is None:  # else the total tells whether a row is missing
        _doubt_repeats(pages, endpoint, checks)
    rows = _flatten(pages if listing.total is not None else _abutting(pages), endpoint.key)
    moved = listing.moved
    if listing.total is not None and len(rows) > listing.total:
        distinct = merge_rows(pages, endpoint.key)
        if len(distinct) == listing.total:
            rows = distinct
    elif len(rows) == listing.total:
        moved |= _repeats(pages, endpoint.key)
    return _Reading(rows, listing.total, moved)


def _doubt_repeats(pages: list[list[Row]], endpoint: Endpoint, checks: ListingChecks) -> None:
    """Warn of rows of one page with the same key, of which only the last is kept.

    On two pages that may be a row which moved while they were read. One page is one moment, so
    there these are two rows, and the key does not tell them apart as it should.
    """
    for page in pages:
        names = [name for row in page if (name := identify(row, endpoint.key))]
        if len(names) != len(set(names)):
            with checks.lock:
                checks.unproven.add(endpoint.name)
            checks.warn_once(
                endpoint.name,
                "a page has several rows with the same key (%s), of which only the last is kept; "
                "if they are no mere repeats, rows are missing (further ones not logged)",
                ", ".join(endpoint.key),
            )


def contents(rows: list[Any], key: tuple[str, ...]) -> int:
    """Return a number that is the same for the same rows, in whatever order and state these are."""
    names = Counter((isinstance(row, dict) and identify(row, key)) or _text(row) for row in rows)
    return hash(frozenset(names.items()))


def _repeats(pages: list[list[Row]], key: tuple[str, ...]) -> bool:
    """Tell whether a row without a key stands on two pages, so that another one may be missing.

    A row that moved to an earlier page while pages were turned pushes one onto the next page, to be
    answered again, and leaves the number of rows as announced.
    """
    seen: set[bytes] = set()
    for page in pages if len(pages) > 1 else ():
        texts = {_text(row) for row in page if identify(row, key) is None}
        if not texts.isdisjoint(seen):
            return True
        seen |= texts
    return False


def _abutting(pages: list[list[Row]]) -> list[list[Row]]:
    """Leave out of each page the rows at its start with which the page before it has ended.

    Without a total, that is all that tells a row without a key that was answered twice, since rows
    moved on by one place, from two rows that are alike.
    """
    return [
        page[_overlap(before, page) :] for before, page in zip([[], *pages], pages, strict=False)
    ]


def _overlap(before: list[Row], page: list[Row]) -> int:
    return next((n for n in range(len(page), 0, -1) if before[-n:] == page[:n]), 0)


def _flatten(pages: list[list[Row]], key: tuple[str, ...]) -> list[Row]:
    """Join pages. A row whose key was seen replaces the earlier one, at the earlier one's place."""
    rows: dict[tuple[Any, ...], Row] = {}
    for number, page in enumerate(pages):
        for place, row in enumerate(page):
            rows[identify(row, key) or (number, place)] = row
    return list(rows.values())


def merge_rows(spans: list[list[Row]], key: tuple[str, ...]) -> list[Row]:
    """Join the rows of readings that may overlap.

    Rows with a key are taken once, as last read. Of rows without one, as many equal ones are kept
    as the reading with the most of them holds.
    """
    if len(spans) == 1:
        return spans[0]
    rows: dict[Any, Row] = {}
    for span in spans:
        equals: Counter[bytes] = Counter()
        for row in span:
            identity = identify(row, key)
            if identity is not None:
                rows[identity] = row
            else:
                text = _text(row)
                equals[text] += 1
                rows[text, equals[text]] = row
    return list(rows.values())


def identify(row: Row, key: tuple[str, ...]) -> tuple[str, ...] | None:
    """Give the values that tell a row apart, as text, or None where one is missing."""
    values = tuple("" if (value := row.get(name)) is None else str(value).strip() for name in key)
    return values if all(values) else None


def _text(row: Any) -> bytes:
    return msgspec.json.encode(row, order="deterministic")

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
    from tap_crowdtwist.api.paging import Listing

logger = logging.getLogger(__name__)

Row = dict[str, Any]

_BELIEVED = 3
"""How many listings may stay off their announced total before the total is not believed."""


@dataclass
class Ledger:
    """What has been said and learnt about the listings of a run; shared between threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    warned: set[tuple[str, str]] = field(default_factory=set)
    disagreements: Counter[str] = field(default_factory=Counter)

    def warn_once(self, endpoint: str, sentence: str) -> None:
        """Log a warning the first time that it is true of an endpoint."""
        with self.lock:
            if (endpoint, sentence) in self.warned:
                return
            self.warned.add((endpoint, sentence))
        logger.warning("%s: %s", endpoint, sentence)

    def believes_total(self, endpoint: str) -> bool:
        """Tell whether `paging.total` of an endpoint has been worth a second reading so far."""
        with self.lock:
            return self.disagreements[endpoint] < _BELIEVED

    def disagreed(self, endpoint: str) -> None:
        """Remember that two readings agreed with each other, but not with `paging.total`."""
        with self.lock:
            self.disagreements[endpoint] += 1


def complete(read: Callable[[], Listing], endpoint: Endpoint, ledger: Ledger) -> list[Row]:
    """Read a listing, and once more if the number of rows is not the announced one.

    Args:
        read: reads the listing from its first page to its last.
        endpoint: the resource, for its key and for what is logged.
        ledger: what is known of the listings of this run.
    """
    first, total = _attempt(read, endpoint, ledger)
    if total is None or len(first) == total or not ledger.believes_total(endpoint.name):
        return first
    second, total = _attempt(read, endpoint, ledger)
    rows = union([first, second], endpoint.key)
    if total is not None and len(rows) != total:
        if len(first) == len(second) == len(rows):
            ledger.disagreed(endpoint.name)
        ledger.warn_once(endpoint.name, f"a listing has {len(rows)} rows but announces {total}")
    return rows


def _attempt(
    read: Callable[[], Listing], endpoint: Endpoint, ledger: Ledger
) -> tuple[list[Row], int | None]:
    listing = read()
    for oddity in listing.oddities:
        ledger.warn_once(endpoint.name, oddity)
    pages = [[row for row in page if isinstance(row, dict)] for page in listing.pages]
    if sum(map(len, pages)) != sum(map(len, listing.pages)):
        ledger.warn_once(
            endpoint.name, "a listing has rows that are not objects; they are left out"
        )
    rows = _flatten(pages, endpoint.key, keyless_once=False)
    if listing.total is not None and len(rows) > listing.total:
        rows = _flatten(pages, endpoint.key, keyless_once=True)
    return rows, listing.total


def _flatten(pages: list[list[Row]], key: tuple[str, ...], *, keyless_once: bool) -> list[Row]:
    """Join pages. A row whose key was seen replaces the earlier one, at the earlier one's place.

    Args:
        pages: the rows of each page.
        key: the properties that tell rows apart.
        keyless_once: whether a row without a key that equals one of another page is that one.
    """
    rows: dict[tuple[Any, ...], Row] = {}
    for number, page in enumerate(pages):
        for place, row in enumerate(page):
            keyless = (_text(row),) if keyless_once else (number, place)
            rows[identify(row, key) or keyless] = row
    return list(rows.values())


def union(spans: list[list[Row]], key: tuple[str, ...]) -> list[Row]:
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
    values = tuple(row.get(name) for name in key)
    if any(value is None or value == "" for value in values):
        return None
    return tuple(map(str, values))


def _text(row: Row) -> bytes:
    return msgspec.json.encode(row, order="deterministic")

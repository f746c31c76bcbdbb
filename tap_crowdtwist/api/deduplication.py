"""Deduplication: combines the pages and date windows of a listing, with each row once.

No list endpoint documents its order, so rows can move between pages while these are read. Date
windows that share a day may both return the rows of that day.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.api.listing_checks import ListingChecks
    from tap_crowdtwist.api.pagination import Listing


Row = dict[str, Any]


class _Reading(NamedTuple):
    """One complete reading of a listing.

    Attributes:
        rows: the rows, each once.
        total: number of rows as announced, or None.
        is_consistent: whether there are as many and no row seems to have moved meanwhile.
    """

    rows: list[Row]
    total: int | None
    is_consistent: bool


def read_verified(
    read: Callable[[], Listing], endpoint: Endpoint, checks: ListingChecks
) -> list[Row]:
    """Read a listing, and again if its number of rows changes or differs from its total.

    If the second reading is not consistent either, the rows of both are merged. If these are not
    as many as announced, a warning is logged and the endpoint counts as unproven.

    Args:
        read: reads the listing from its first page to its last.
        endpoint: the resource, for its key and its name in messages.
        checks: findings about the listings of this run.

    Returns:
        The rows, each once.
    """
    first = _read_once(read, endpoint, checks)
    if first.is_consistent or not checks.trusts_total(endpoint.name):
        return first.rows
    second = _read_once(read, endpoint, checks)
    if second.is_consistent:
        return second.rows
    rows = merge_rows([first.rows, second.rows], endpoint.key)
    if len(rows) != second.total:
        # Twice the same rows: the total is wrong, rather than the readings.
        if len(first.rows) == len(second.rows) == len(rows):
            checks.record_disagreement(endpoint.name)
        checks.doubt(
            endpoint.name, "a listing has %d rows but announces %s", len(rows), second.total
        )
    return rows


def _read_once(read: Callable[[], Listing], endpoint: Endpoint, checks: ListingChecks) -> _Reading:
    listing = read()
    for oddity in sorted(listing.oddities):
        checks.warn_once(endpoint.name, oddity)
    pages = [[row for row in page if isinstance(row, dict)] for page in listing.pages]
    if sum(map(len, pages)) != sum(map(len, listing.pages)):
        checks.doubt(
            endpoint.name, "a listing has rows that are not JSON objects; they are skipped"
        )
    total = listing.total
    if total is None:  # otherwise the total shows whether a row is missing
        _doubt_equal_keys(pages, endpoint, checks)
        return _Reading(_flatten(_without_overlaps(pages), endpoint.key), None, is_consistent=True)
    rows = _flatten(pages, endpoint.key)
    has_changed = len(listing.totals) > 1
    if len(rows) == total:
        has_changed |= len(pages) > 1 and _has_repeats(pages, endpoint.key)
    elif len(rows) > total:
        # Equal rows without a key are repeats if the total agrees without them.
        distinct = merge_rows(pages, endpoint.key)
        if len(distinct) == total:
            rows = distinct
    return _Reading(rows, total, is_consistent=len(rows) == total and not has_changed)


def _doubt_equal_keys(pages: list[list[Row]], endpoint: Endpoint, checks: ListingChecks) -> None:
    """Warn of rows with the same key on one page, of which only the last is kept.

    The same key on two pages may be one row that moved while they were read. A single page is a
    snapshot, so there they are different rows, and the key is not unique as it should be.
    """
    if any(len(_flatten([page], endpoint.key)) < len(page) for page in pages):
        checks.doubt(
            endpoint.name,
            "a page has several rows with the same key (%s), of which only the last is kept; "
            "if they are different rows, rows are missing (further ones not logged)",
            ", ".join(endpoint.key),
        )


def fingerprint(rows: list[Any], key: tuple[str, ...]) -> int:
    """Return a number that is equal for the same rows, whatever their order.

    Rows with a key are the same if their keys are equal, even if other properties have changed.
    """
    identities = Counter(
        (isinstance(row, dict) and identify(row, key)) or _serialize(row) for row in rows
    )
    return hash(frozenset(identities.items()))


def _has_repeats(pages: list[list[Row]], key: tuple[str, ...]) -> bool:
    """Return whether a row without a key is on two pages, so that another one may be missing.

    If a row moves to an earlier page between two requests, it is missed, and it pushes another row
    onto the next page, where that one is returned again. The number of rows is as announced.
    """
    seen: set[bytes] = set()
    for page in pages:
        texts = {_serialize(row) for row in page if identify(row, key) is None}
        if not texts.isdisjoint(seen):
            return True
        seen |= texts
    return False


def _without_overlaps(pages: list[list[Row]]) -> list[list[Row]]:
    """Drop the rows at the start of each page that repeat the end of the page before it.

    Rows that moved on between two requests are returned twice. Without a total and without a key,
    only their position distinguishes them from different rows that are equal.
    """
    kept = pages[:1]
    for before, page in pairwise(pages):
        lengths = range(min(len(before), len(page)), 0, -1)
        overlap = next((n for n in lengths if before[-n:] == page[:n]), 0)
        kept.append(page[overlap:])
    return kept


def _flatten(pages: list[list[Row]], key: tuple[str, ...]) -> list[Row]:
    """Join pages. A row whose key was seen before replaces the earlier row, in its position."""
    rows: dict[tuple[Any, ...], Row] = {}
    for page_index, page in enumerate(pages):
        for row_index, row in enumerate(page):
            rows[identify(row, key) or (page_index, row_index)] = row
    return list(rows.values())


def merge_rows(readings: list[list[Row]], key: tuple[str, ...]) -> list[Row]:
    """Merge the rows of readings that may overlap.

    A row with a key is kept once, as last read. Of equal rows without a key, as many are kept as
    are in the reading that has the most of them. A single reading is returned as it is.
    """
    if len(readings) == 1:
        return readings[0]
    rows: dict[Any, Row] = {}
    for reading in readings:
        copies: Counter[bytes] = Counter()
        for row in reading:
            identity = identify(row, key)
            if identity is not None:
                rows[identity] = row
            else:
                # The n-th copy within one reading is the same row as the n-th within another.
                text = _serialize(row)
                copies[text] += 1
                rows[text, copies[text]] = row
    return list(rows.values())


def identify(row: Row, key: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the values of a row's key as text, or None if one is missing or blank."""
    values = tuple("" if (value := row.get(name)) is None else str(value).strip() for name in key)
    return values if all(values) else None


def _serialize(row: Any) -> bytes:
    return msgspec.json.encode(row, order="deterministic")

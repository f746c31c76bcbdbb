"""Checks of envelopes and paging."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    StreamCheck,
    adapts,
    confirmed,
    differs,
    unknown,
)
from tap_crowdtwist.conformance.form_checks import form_checks, unpaged_list
from tap_crowdtwist.conformance.observations import BARE_ARRAY
from tap_crowdtwist.conformance.properties import is_name, min_occurrences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.findings import CheckResult, StreamCheckFunction
    from tap_crowdtwist.conformance.observations import Observation
    from tap_crowdtwist.streams.base import CrowdTwistStream

_IN_WORDS = {BARE_ARRAY: BARE_ARRAY}
"""Envelopes that are not shown as code."""


def paging_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about the envelope, the forms and the pages of a stream."""
    endpoint = stream.endpoint
    size = _page_size(endpoint)
    if endpoint.envelope:
        documented = f"Rows are in {_in_words(_usual_envelope(endpoint))}."
        yield StreamCheck("envelope", documented, _check_envelope)
    yield from form_checks(stream)
    if endpoint.is_paged:
        yield _paged("page_size", f"A full page has {size} rows.", _check_page_size)
        documented = "`paging` has `total`, `pages`, `next_page`, `prev_page`."
        yield _paged("paging", documented, _check_paging)
        documented = "A page beyond the last one is empty and has status 200."
        yield _paged("beyond", documented, _check_beyond)
    if endpoint.page_size:
        documented = f"{size} is the largest `page_size`; the effect of a larger one is not stated."
        if not _is_size_documented(endpoint):
            documented = f"The largest `page_size` is not stated; the tap requests {size}."
        yield _paged("larger", documented, _check_larger)


def _paged(topic: str, documented: str, check: StreamCheckFunction) -> StreamCheck:
    return StreamCheck(topic, documented, partial(_check_if_paged, check))


def _check_if_paged(check: StreamCheckFunction, seen: StreamEvidence) -> CheckResult | None:
    if unpaged_list(seen):
        return unknown("lists have no pages", "nothing, unless lists have pages")
    return check(seen)


def _page_size(endpoint: Endpoint) -> int:
    return endpoint.page_size or PAGE_SIZE


def _is_size_documented(endpoint: Endpoint) -> bool:
    return len(endpoint.forms) == 1


def _usual_envelope(endpoint: Endpoint) -> str:
    return endpoint.envelope[0] if endpoint.is_paged else BARE_ARRAY


def _in_words(envelope: str) -> str:
    return _IN_WORDS.get(envelope, f"`{envelope}`")


def _check_envelope(seen: StreamEvidence) -> CheckResult | None:
    endpoint = seen.endpoint
    counts = Counter(page.envelope for page in seen.first if page.is_data)
    counts.pop("", None)
    if not counts:
        return None
    foreign = counts.keys() - {*endpoint.envelope, BARE_ARRAY}
    if foreign:
        # As with properties, a name that was sent only once may be a value.
        least = min_occurrences(endpoint)
        shown = [name for name in sorted(foreign) if is_name(name) and counts[name] >= least]
        keys = ", ".join(map(_in_words, shown)) or f"{len(foreign)} other key"
        observed = f"rows in {keys}: the resource cannot be read"
        return differs(observed, f"deselect `{seen.name}`, and {REPORT_IT}")
    observed = ", ".join(map(_in_words, sorted(counts)))
    is_usual = counts.keys() == {_usual_envelope(endpoint)}
    return confirmed(observed) if is_usual else adapts(observed)


def _check_page_size(seen: StreamEvidence) -> CheckResult | None:
    size = _page_size(seen.endpoint)
    longest = max((len(page.rows) for page in seen.first), default=0)
    if not longest:
        return None
    if longest > size:
        return adapts(f"up to {longest} rows on a page", "the tap follows the links between pages")
    # Short pages count only if more rows follow; a short last page is normal.
    not_last = [len(page.rows) for page in seen.with_rows if _has_next(page)]
    short = [count for count in not_last if count < size]
    if short:
        return adapts(f"{max(short)} rows on a page that is not the last")
    if longest == size:
        return confirmed(f"{size} rows on a full page")
    return unknown(f"at most {longest} rows", f"a list of more than {size} rows")


def _has_next(page: Observation) -> bool:
    return page.pages > 1 or page.total > len(page.rows)


def _check_paging(seen: StreamEvidence) -> CheckResult | None:
    pages = [page for page in seen.first if page.is_listing]
    if not pages:
        return None
    defects = {defect for page in pages for defect in _paging_defects(page)}
    if defects:
        return adapts("; ".join(sorted(defects)), "the tap pages without it")
    return confirmed(f"in {len(pages)} responses")


def _paging_defects(page: Observation) -> Iterator[str]:
    """Yield what is wrong with the `paging` of a page."""
    paging: Any = page.fields.get("paging")
    if isinstance(paging, list):
        yield "`paging` is a list"
        paging = next(iter(paging), None)
    if not isinstance(paging, dict):
        yield "no `paging`"
        return
    for name in ("total", "pages", "next_page"):
        if name not in paging:
            yield f"no `{name}`"
    for name in ("total", "pages"):
        if type(paging.get(name, 0)) is not int:
            yield f"`{name}` is not an integer"
    if page.pages > 1 and page.page.next_number is None:
        yield "no link to the next page"


def _check_beyond(seen: StreamEvidence) -> CheckResult | None:
    page = seen.beyond
    if not page.is_conclusive:
        return None
    if not page.is_data:
        return adapts(page.status_text, "the tap requests no page beyond the last")
    if page.rows:
        return adapts(f"it has {len(page.rows)} rows", "a repeated page ends a list")
    preposition = "without" if page.page.next_number is None else "with"
    return confirmed(f"empty, {preposition} a link to a next page")


def _check_larger(seen: StreamEvidence) -> CheckResult | None:
    page = seen.larger
    size = _page_size(seen.endpoint)
    if not page.is_conclusive:
        return None
    if not page.is_data:
        return confirmed(f"a larger one is rejected ({page.status_text})")
    count = len(page.rows)
    if count > size:
        observed = f"a larger one returns {count} rows"
        return adapts(observed) if _is_size_documented(seen.endpoint) else confirmed(observed)
    if page.total > count:
        return confirmed(f"a larger one is reduced to {count} rows")
    return unknown(f"the list has only {count} rows", f"a list of more than {size} rows")

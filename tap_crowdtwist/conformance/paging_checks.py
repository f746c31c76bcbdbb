"""Checks of envelopes and paging."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    first_pages,
    no_evidence,
    unknown,
)
from tap_crowdtwist.conformance.observations import BARE_ARRAY
from tap_crowdtwist.conformance.properties import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult, StreamCheck
    from tap_crowdtwist.conformance.observations import Observation
    from tap_crowdtwist.streams.base import CrowdTwistStream


def paging_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about the envelope and the pages of a stream."""
    endpoint = stream.endpoint
    has_forms, size = len(endpoint.forms) > 1, endpoint.page_size or PAGE_SIZE
    if endpoint.envelope:
        where = f"`{endpoint.envelope[0]}`" if endpoint.is_paged else BARE_ARRAY
        yield "envelope", f"Rows are in {where}.", _envelope
    if has_forms:
        forms = "; else ".join(form.name for form in endpoint.forms)
        yield "form", f"Not stated. The tap requests lists {forms}.", _form
        yield "truncation", "A list without pages is not truncated.", _truncation
    if endpoint.is_paged:
        yield "page_size", f"A full page has {size} rows.", _page_size
        yield "paging", "`paging` has `total`, `pages`, `next_page`, `prev_page`.", _paging
        yield "beyond", "A page beyond the last one is empty and has status 200.", _beyond
    if endpoint.page_size:
        stated = f"{size} is the largest `page_size`; the effect of a larger one is not stated."
        not_stated = f"The largest `page_size` is not stated; the tap requests {size}."
        yield "larger", not_stated if has_forms else stated, _larger


def _envelope(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    endpoint = stream.endpoint
    pages = [response for response in first_pages(stream, evidence) if response.is_data]
    where = Counter(response.envelope for response in pages if response.envelope is not None)
    if not where:
        return no_evidence(stream, evidence)
    usual = endpoint.envelope[0] if endpoint.is_paged else BARE_ARRAY
    foreign = [name for name in where if name not in {*endpoint.envelope, BARE_ARRAY}]
    if foreign:
        # As with properties, a name that was sent only once may be a value.
        repeated = {name for name in foreign if where[name] > 1 or not endpoint.is_per_member}
        named = [f"`{name}`" for name in sorted(repeated) if is_name(name)]
        keys = ", ".join(named) or f"{len(foreign)} other key"
        observed = f"rows in {keys}: the resource cannot be read"
        return differs(observed, f"deselect `{stream.name}`, and {REPORT_IT}")
    observed = ", ".join(name if name == BARE_ARRAY else f"`{name}`" for name in sorted(where))
    return confirmed(observed) if set(where) == {usual} else adapts(observed)


def _form(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    tried = evidence.forms.get(stream.name)
    if not tried:
        return no_evidence(stream, evidence)
    states = {
        form.name: _state(tried.get(form.name, []), form.page) for form in stream.endpoint.forms
    }
    observed = "; ".join(f"{name}: {state}" for name, state in states.items())
    first, *others = states.values()
    if first == "works":
        return confirmed(observed)
    if first in {"one page", "unknown"}:
        return unknown(observed, "a member with more rows than a page has")
    if any(state in {"works", "one page"} for state in others) or first == "ignored":
        return adapts(observed)
    return differs(observed)


def _state(pages: Sequence[Observation], page: str | None) -> str:
    """Return whether a form of the request works, judging by its first two pages."""
    failed = next((response for response in pages if not response.is_data), None)
    if not pages or (failed and not failed.is_conclusive):
        return "unknown"
    if failed:
        return f"{'page 2 ' if failed is not pages[0] else ''}rejected ({failed.status_text})"
    if page is None:
        return "works"
    if len(pages) == 1 or not pages[1].rows:
        return "one page"
    # The same rows again: the API did not look at the page number.
    return "ignored" if pages[1].rows == pages[0].rows else "works"


def _unpaged(stream: type[CrowdTwistStream], evidence: Evidence) -> list[Observation]:
    """Return the list in the form that the tap settles on, if that form has no pages.

    Empty if the form has pages, or if no form works.
    """
    tried = evidence.forms.get(stream.name, {})
    for form in stream.endpoint.forms:
        pages = tried.get(form.name, [])
        state = _state(pages, form.page)
        if state in {"works", "one page", "ignored"}:
            # If page numbers are ignored, every page is the whole list.
            return pages[:1] if form.page is None or state == "ignored" else []
    return []


_NO_PAGES = ("lists have no pages", "nothing, unless lists have pages")


def _truncation(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    tried = evidence.forms.get(stream.name, {})
    if not any(response.is_data for pages in tried.values() for response in pages):
        return no_evidence(stream, evidence)
    longest = max((len(response.rows) for response in _unpaged(stream, evidence)), default=None)
    if longest is None:
        return confirmed("lists have pages")
    # Exactly this many rows suggests a default page size or a limit.
    if longest and (longest in {10, 25, 50} or longest % 100 == 0):
        return adapts(
            f"the longest has {longest} rows, which may be a limit",
            "the tap reads it by date ranges",
        )
    if longest <= PAGE_SIZE:
        return unknown(f"the longest has {longest} rows", "a member with hundreds of rows")
    return confirmed(f"the longest has {longest} rows")


def _page_size(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    if _unpaged(stream, evidence):
        return unknown(*_NO_PAGES)
    size = stream.endpoint.page_size or PAGE_SIZE
    pages = [response for response in first_pages(stream, evidence) if response.rows]
    if not pages:
        return no_evidence(stream, evidence)
    longest = max(len(response.rows) for response in pages)
    # Short pages count only if more rows follow; a short last page is normal.
    if longest > size:
        return adapts(f"up to {longest} rows on a page", "the tap follows the links between pages")
    short = [response for response in pages if _has_next(response) and len(response.rows) < size]
    if short:
        most = max(len(response.rows) for response in short)
        return adapts(f"{most} rows on a page that is not the last")
    if longest == size:
        return confirmed(f"{size} rows on a full page")
    return unknown(f"at most {longest} rows", f"a list of more than {size} rows")


def _has_next(response: Observation) -> bool:
    page = response.page
    return page is not None and ((page.pages or 0) > 1 or (page.total or 0) > len(page.rows))


def _paging(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    if _unpaged(stream, evidence):
        return unknown(*_NO_PAGES)
    pages = [response for response in first_pages(stream, evidence) if response.page is not None]
    if not pages:
        return no_evidence(stream, evidence)
    defects: set[str] = set()
    for response in pages:
        paging = response.paging
        if isinstance(paging, list):
            defects.add("`paging` is a list")
            paging = paging[0] if paging else None
        if not isinstance(paging, dict):
            defects.add("no `paging`")
            continue
        defects |= {
            f"no `{name}`" for name in ("total", "pages", "next_page") if name not in paging
        }
        defects |= {
            f"`{name}` is not an integer"
            for name in ("total", "pages")
            if name in paging and type(paging[name]) is not int
        }
        page = response.page
        if page and page.pages and page.pages > 1 and page.next_number is None:
            defects.add("no link to the next page")
    if defects:
        return adapts("; ".join(sorted(defects)), "the tap pages without it")
    return confirmed(f"in {len(pages)} responses")


def _beyond(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    if _unpaged(stream, evidence):
        return unknown(*_NO_PAGES)
    response = evidence.beyond.get(stream.name)
    if response is None or not response.is_conclusive:
        return no_evidence(stream, evidence)
    if not response.is_data:
        return adapts(response.status_text, "the tap requests no page beyond the last")
    if response.rows:
        return adapts(f"it has {len(response.rows)} rows", "a repeated page ends a list")
    links = response.page is not None and response.page.next_number is not None
    return confirmed(f"empty, {'with' if links else 'without'} a link to a next page")


def _larger(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    if _unpaged(stream, evidence):
        return unknown(*_NO_PAGES)
    response = evidence.larger.get(stream.name)
    size = stream.endpoint.page_size or PAGE_SIZE
    if response is None or not response.is_conclusive:
        return no_evidence(stream, evidence)
    if not response.is_data:
        return confirmed(f"a larger one is rejected ({response.status_text})")
    count, page = len(response.rows), response.page
    if count > size:
        observed = f"a larger one returns {count} rows"
        return confirmed(observed) if len(stream.endpoint.forms) > 1 else adapts(observed)
    if page is not None and (page.total or 0) > count:
        return confirmed(f"a larger one is reduced to {count} rows")
    return unknown(f"the list has only {count} rows", f"a list of more than {size} rows")

"""Checks of the forms of a request, for resources whose form the public pages leave open."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.conformance.findings import StreamCheck, adapts, confirmed, differs, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_crowdtwist.api.endpoints import Form
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.findings import CheckResult
    from tap_crowdtwist.conformance.observations import Observation
    from tap_crowdtwist.streams.base import CrowdTwistStream

_WORKS, _ONE_PAGE, _IGNORED, _UNKNOWN = "works", "one page", "ignored", "unknown"
_READABLE = frozenset({_WORKS, _ONE_PAGE, _IGNORED})
_USUAL_LIMITS = frozenset({10, 25, 50, *range(100, 100_001, 100)})
"""Default page sizes and limits: a list of exactly as many rows may be truncated."""


def form_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about the forms in which the lists of a stream can be requested."""
    names = [form.name for form in stream.endpoint.forms]
    if len(names) > 1:
        documented = f"Not stated. The tap requests lists {'; else '.join(names)}."
        yield StreamCheck("form", documented, _form)
        yield StreamCheck("truncation", "A list without pages is not truncated.", _truncation)


def unpaged_list(seen: StreamEvidence) -> Observation | None:
    """Return the list in the form that the tap settles on, if that form has no pages.

    None if the form has pages, or if no form works.
    """
    for form in seen.endpoint.forms:
        pages = seen.forms[form.name]
        state = _state(form, pages)
        if state == _IGNORED:
            return pages[0]  # page numbers are ignored, so every page is the whole list
        if state in _READABLE:
            return None if form.page else pages[0]
    return None


def _form(seen: StreamEvidence) -> CheckResult | None:
    if not any(seen.forms.values()):
        return None
    states = [_state(form, seen.forms[form.name]) for form in seen.endpoint.forms]
    observed = "; ".join(f"{name}: {state}" for name, state in zip(seen.forms, states, strict=True))
    first = states[0]
    if first == _WORKS:
        return confirmed(observed)
    if first in {_ONE_PAGE, _UNKNOWN}:
        return unknown(observed, "a member with more rows than a page has")
    if first == _IGNORED:
        return adapts(observed)
    is_any_readable = not _READABLE.isdisjoint(states)
    return adapts(observed) if is_any_readable else differs(observed)


def _state(form: Form, pages: Sequence[Observation]) -> str:
    """Return whether a form of the request works, judging by its first two pages."""
    if not pages:
        return _UNKNOWN
    for place, page in zip(("", "page 2 "), pages, strict=False):
        if not page.is_conclusive:
            return _UNKNOWN
        if not page.is_data:
            return f"{place}rejected ({page.status_text})"
    if form.page is None:
        return _WORKS
    first, *others = [page.rows for page in pages]
    if not any(others):
        return _ONE_PAGE
    # The same rows again: the API did not look at the page number.
    return _IGNORED if first in others else _WORKS


def _truncation(seen: StreamEvidence) -> CheckResult | None:
    pages = chain.from_iterable(seen.forms.values())
    if not any(page.is_data for page in pages):
        return None
    whole = unpaged_list(seen)
    if whole is None:
        return confirmed("lists have pages")
    observed = f"the longest has {len(whole.rows)} rows"
    if len(whole.rows) in _USUAL_LIMITS:
        return adapts(f"{observed}, which may be a limit", "the tap reads it by date ranges")
    if len(whole.rows) <= PAGE_SIZE:
        return unknown(observed, "a member with hundreds of rows")
    return confirmed(observed)

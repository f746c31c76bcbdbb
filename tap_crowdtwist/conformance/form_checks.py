"""Checks of the forms of a request, for resources whose form the public pages leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.conformance.findings import StreamCheck, adapts, confirmed, differs, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_crowdtwist.api.endpoints import Form
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.findings import CheckResult
    from tap_crowdtwist.conformance.observations import Observation
    from tap_crowdtwist.streams.base import CrowdTwistStream


class _State(NamedTuple):
    """Whether a form of the request works.

    Attributes:
        text: the same in words.
        is_readable: whether lists can be read in this form.
        is_unpaged: whether the first response is the whole list.
    """

    text: str
    is_readable: bool = False
    is_unpaged: bool = False


_UNKNOWN = _State("unknown")
_ONE_PAGE = _State("one page", is_readable=True)
_PAGED = _State("works", is_readable=True)
_UNPAGED = _State("works", is_readable=True, is_unpaged=True)
_IGNORED = _State("ignored", is_readable=True, is_unpaged=True)

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
    for name, state in _states(seen).items():
        if state.is_readable:
            return seen.forms[name][0] if state.is_unpaged else None
    return None


def _form(seen: StreamEvidence) -> CheckResult | None:
    if not any(seen.forms.values()):
        return None
    states = _states(seen)
    observed = "; ".join(f"{name}: {state.text}" for name, state in states.items())
    first = states[seen.endpoint.forms[0].name]
    if first is _PAGED:
        return confirmed(observed)
    if first in {_ONE_PAGE, _UNKNOWN}:
        return unknown(observed, "a member with more rows than a page has")
    is_any_readable = any(state.is_readable for state in states.values())
    return adapts(observed) if is_any_readable else differs(observed)


def _states(seen: StreamEvidence) -> dict[str, _State]:
    return {form.name: _state(form, seen.forms[form.name]) for form in seen.endpoint.forms}


def _state(form: Form, pages: Sequence[Observation]) -> _State:
    """Return whether a form of the request works, judging by its first two pages."""
    if not pages:
        return _UNKNOWN
    *earlier, last = pages
    # Only the last page can be an error: none is requested after one without rows.
    if not last.is_conclusive:
        return _UNKNOWN
    if not last.is_data:
        place = "page 2 " if earlier else ""
        return _State(f"{place}rejected ({last.status_text})")
    if form.page is None:
        return _UNPAGED
    if not earlier or not last.rows:
        return _ONE_PAGE
    # The same rows again: the API did not look at the page number.
    return _IGNORED if last.rows == earlier[0].rows else _PAGED


def _truncation(seen: StreamEvidence) -> CheckResult | None:
    if not any(state.is_readable for state in _states(seen).values()):
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

"""How the listings of a resource stand and are paged."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import PAGE_SIZE
from tap_crowdtwist.conformance.columns import is_name
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    firsts,
    nothing,
    untold,
)
from tap_crowdtwist.conformance.looks import BARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Judgement, Topic
    from tap_crowdtwist.conformance.looks import Look
    from tap_crowdtwist.streams.base import CrowdTwistStream


def of_pages(stream: type[CrowdTwistStream]) -> Iterator[Topic]:
    """Yield what is assumed of envelopes and pages."""
    endpoint = stream.endpoint
    several, size = len(endpoint.forms) > 1, endpoint.page_size or PAGE_SIZE
    if endpoint.envelope:
        where = f"`{endpoint.envelope[0]}`" if endpoint.is_paged else BARE
        yield "envelope", f"Rows stand in {where}.", _envelope
    if several:
        said = "; else ".join(form.name for form in endpoint.forms)
        yield "form", f"Not stated. The tap asks {said}.", _form
        yield "cut", "A list that comes whole is not cut at a limit.", _cut
    if endpoint.is_paged:
        yield "page_size", f"A page has {size} rows.", _page_size
        yield "paging", "`paging` has `total`, `pages`, `next_page`, `prev_page`.", _paging
        yield "beyond", "A page beyond the end is empty and has status 200.", _beyond
    if endpoint.page_size:
        said = f"{size} is the largest `page_size`; what a larger one does is not stated."
        unknown = f"The largest `page_size` is not stated; the tap asks for {size}."
        yield "larger", unknown if several else said, _larger


def _envelope(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    endpoint = stream.endpoint
    looks = [look for look in firsts(stream, evidence) if look.is_data]
    where = Counter(look.envelope for look in looks if look.envelope is not None)
    if not where:
        return nothing(stream, evidence)
    usual = endpoint.envelope[0] if endpoint.is_paged else BARE
    foreign = [name for name in where if name not in {*endpoint.envelope, BARE}]
    if foreign:
        # As with properties, a name that came once may be a value.
        often = {name for name in foreign if where[name] > 1 or not endpoint.is_per_member}
        named = [f"`{name}`" for name in sorted(often) if is_name(name)]
        what = ", ".join(named) or f"{len(foreign)} other key"
        seen = f"rows in {what}: the resource cannot be read"
        return differs(seen, f"deselect `{stream.name}`, and {REPORT_IT}")
    seen = ", ".join(name if name == BARE else f"`{name}`" for name in sorted(where))
    return confirmed(seen) if set(where) == {usual} else adapts(seen)


def _form(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    tried = evidence.forms.get(stream.name)
    if not tried:
        return nothing(stream, evidence)
    states = {
        form.name: _state(tried.get(form.name, []), form.page) for form in stream.endpoint.forms
    }
    seen = "; ".join(f"{name}: {state}" for name, state in states.items())
    first, *others = states.values()
    if first == "works":
        return confirmed(seen)
    if first in {"one page", "not told"}:
        return untold(seen, "a member with more rows than a page has")
    if any(state in {"works", "one page"} for state in others) or first == "ignored":
        return adapts(seen)
    return differs(seen)


def _state(looks: Sequence[Look], page: str | None) -> str:
    """Return how a form has fared, by its first two pages."""
    failed = next((look for look in looks if not look.is_data), None)
    if not looks or (failed and not failed.is_answered):
        return "not told"
    if failed:
        return f"{'page 2 ' if failed is not looks[0] else ''}refused ({failed.told})"
    if page is None:
        return "works"
    if len(looks) == 1 or not looks[1].rows:
        return "one page"
    return "ignored" if looks[1].rows == looks[0].rows else "works"


def _whole(stream: type[CrowdTwistStream], evidence: Evidence) -> list[Look]:
    """Return what came in the form that the tap ends with, if lists come whole in that form."""
    tried = evidence.forms.get(stream.name, {})
    for form in stream.endpoint.forms:
        looks = tried.get(form.name, [])
        state = _state(looks, form.page)
        if state in {"works", "one page", "ignored"}:
            return looks[:1] if form.page is None or state == "ignored" else []
    return []


_NO_PAGES = ("lists come whole", "nothing, as long as lists have no pages")


def _cut(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    tried = evidence.forms.get(stream.name, {})
    if not any(look.is_data for looks in tried.values() for look in looks):
        return nothing(stream, evidence)
    longest = max((len(look.rows) for look in _whole(stream, evidence)), default=None)
    if longest is None:
        return confirmed("lists have pages")
    if longest and (longest in {10, 25, 50} or longest % 100 == 0):
        return adapts(f"the longest has {longest} rows, which may be a limit", "read by its dates")
    if longest <= PAGE_SIZE:
        return untold(f"the longest has {longest} rows", "a member with hundreds of rows")
    return confirmed(f"the longest has {longest} rows")


def _page_size(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    size = stream.endpoint.page_size or PAGE_SIZE
    looks = [look for look in firsts(stream, evidence) if look.rows]
    if not looks:
        return nothing(stream, evidence)
    longest = max(len(look.rows) for look in looks)
    if longest > size:
        return adapts(f"up to {longest} rows on a page", "pages are followed by their links")
    short = [look for look in looks if _goes_on(look) and len(look.rows) < size]
    if short:
        most = max(len(look.rows) for look in short)
        return adapts(f"{most} rows on a page that another follows")
    if longest == size:
        return confirmed(f"{size} rows on a full page")
    return untold(f"{longest} rows at the most", f"a list of more than {size} rows")


def _goes_on(look: Look) -> bool:
    page = look.page
    return page is not None and ((page.pages or 0) > 1 or (page.total or 0) > len(page.rows))


def _paging(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    looks = [look for look in firsts(stream, evidence) if look.page is not None]
    if not looks:
        return nothing(stream, evidence)
    lacks: set[str] = set()
    for look in looks:
        paging = look.paging
        if isinstance(paging, list):
            lacks.add("`paging` is a list")
            paging = paging[0] if paging else None
        if not isinstance(paging, dict):
            lacks.add("no `paging`")
            continue
        lacks |= {f"no `{name}`" for name in ("total", "pages", "next_page") if name not in paging}
        lacks |= {
            f"`{name}` is no integer"
            for name in ("total", "pages")
            if name in paging and type(paging[name]) is not int
        }
        page = look.page
        if page and page.pages and page.pages > 1 and page.next_number is None:
            lacks.add("no link to the next page")
    if lacks:
        return adapts("; ".join(sorted(lacks)), "the tap goes by what there is")
    return confirmed(f"in {len(looks)} answers")


def _beyond(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    look = evidence.beyond.get(stream.name)
    if look is None or not look.is_answered:
        return nothing(stream, evidence)
    if not look.is_data:
        return adapts(look.told, "the tap asks for no page beyond the last")
    if look.rows:
        return adapts(f"{len(look.rows)} rows come", "a page that was read before ends a list")
    links = look.page is not None and look.page.next_number is not None
    return confirmed(f"an empty page {'with' if links else 'without'} a link")


def _larger(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if _whole(stream, evidence):
        return untold(*_NO_PAGES)
    look = evidence.larger.get(stream.name)
    size = stream.endpoint.page_size or PAGE_SIZE
    if look is None or not look.is_answered:
        return nothing(stream, evidence)
    if not look.is_data:
        return confirmed(f"a larger one is refused ({look.told})")
    came, page = len(look.rows), look.page
    if came > size:
        seen = f"a larger one brings {came} rows"
        return confirmed(seen) if len(stream.endpoint.forms) > 1 else adapts(seen)
    if page is not None and (page.total or 0) > came:
        return confirmed(f"a larger one is cut to {came} rows")
    return untold(f"{came} rows are all there are", f"a list of more than {size} rows")

"""Checks of date ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import DateFilter
from tap_crowdtwist.conformance.evidence import UP_TO_PRESENT
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    no_evidence,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult, StreamCheck
    from tap_crowdtwist.streams.base import CrowdTwistStream


def date_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about the date ranges of a stream."""
    dates = stream.endpoint.dates
    if dates is None:
        return
    end, present = {
        DateFilter.UNIX: ("includes its second", _TOMORROW),
        DateFilter.DAYS: ("includes its day", "`date_start` alone means up to today."),
        DateFilter.WINDOWS: ("excludes its day", _TOMORROW),
    }[dates]
    yield "dates", f"Filtered by `{_date_column(stream)}`.", _dates
    yield "ends", f"`date_start` is inclusive; `date_end` {end}; days are UTC.", _ends
    yield "present", present, _present


_TOMORROW = "`date_end` may be tomorrow, in case clocks differ."


def _date_column(stream: type[CrowdTwistStream]) -> str:
    return next(iter(stream.endpoint.dated), "last_date_purchased")


def _dates(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    results = {
        topic: is_returned
        for (name, topic), is_returned in evidence.dated.items()
        if name == stream.name
    }
    # "elsewhere" is a range far from the row's date.
    if not results or results.get("elsewhere"):
        ignored = adapts("dates are ignored", "every run reads all rows; none is lost")
        return ignored if results else no_evidence(stream, evidence)
    columns = stream.endpoint.dated
    usual = _date_column(stream)
    other = next((column for column in columns if results.get(column) and column != usual), None)
    if results.get(usual):
        return confirmed("shown by a row with different dates")
    if other is not None:
        advice = "rows backdated further than `lookback_days` are missed: raise it"
        return adapts(f"filtered by `{other}`", advice)
    if results.get("start") or results.get("end"):
        # With one column there is no other that the filter could use.
        if len(columns) > 1:
            return unknown("the dates of each row are the same", "a backdated row")
        return confirmed("a row is returned for its date, and not for others")
    is_rejected = any(is_returned is None for is_returned in results.values())
    return differs("date ranges are rejected" if is_rejected else "no date of a row returns it")


def _ends(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    start = evidence.dated.get((stream.name, "start"))
    end = evidence.dated.get((stream.name, "end"))
    if (stream.name, "start") not in evidence.dated:
        return no_evidence(stream, evidence)
    if evidence.dated.get((stream.name, "elsewhere")) or start is None or end is None:
        return unknown("dates are ignored or rejected", "a program that applies them")
    if not start and not end:
        return unknown("no range returned the row", "a row with a date")
    observed = (
        f"`date_start` is {'inclusive' if start else 'exclusive'}, "
        f"`date_end` is {'inclusive' if end else 'exclusive'}"
    )
    is_end_inclusive = stream.endpoint.dates is not DateFilter.WINDOWS
    if start and end is is_end_inclusive:
        return confirmed(observed)
    return adapts(observed, "ranges overlap by a day")


def _present(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    if (stream.name, UP_TO_PRESENT) not in evidence.dated:
        return no_evidence(stream, evidence)
    is_returned = evidence.dated[stream.name, UP_TO_PRESENT]
    if is_returned:
        return confirmed("the newest row is returned")
    observed = "rejected" if is_returned is None else "the newest row is not returned"
    return differs(observed, f"deselect `{stream.name}`, and {REPORT_IT}")

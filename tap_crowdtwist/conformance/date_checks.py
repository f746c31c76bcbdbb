"""Checks of date ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.api.endpoints import DateFilter
from tap_crowdtwist.conformance.evidence import UP_TO_PRESENT
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    StreamCheck,
    adapts,
    confirmed,
    differs,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.findings import CheckResult
    from tap_crowdtwist.streams.base import CrowdTwistStream

_TOMORROW = "`date_end` may be tomorrow, in case clocks differ."


class _Documented(NamedTuple):
    """The statements of the public pages about the dates of a filter.

    Attributes:
        end: what `date_end` does with its own second or day.
        present: how to request rows up to the present.
    """

    end: str
    present: str


_DOCUMENTED = {
    DateFilter.UNIX: _Documented("includes its second", _TOMORROW),
    DateFilter.DAYS: _Documented("includes its day", "`date_start` alone means up to today."),
    DateFilter.WINDOWS: _Documented("excludes its day", _TOMORROW),
}


def date_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about the date ranges of a stream."""
    endpoint = stream.endpoint
    if endpoint.dates is None:
        return
    documented = _DOCUMENTED[endpoint.dates]
    yield StreamCheck("dates", f"Filtered by `{date_column(endpoint)}`.", _dates)
    ends = f"`date_start` is inclusive; `date_end` {documented.end}; days are UTC."
    yield StreamCheck("ends", ends, _ends)
    yield StreamCheck("present", documented.present, _present)


def date_column(endpoint: Endpoint) -> str:
    """Return the column that a date filter usually applies to."""
    return next(iter(endpoint.dated), "last_date_purchased")


def _dates(seen: StreamEvidence) -> CheckResult | None:
    results = seen.dated
    if not results:
        return None
    if results.get("elsewhere"):  # a range far from the row's date
        return adapts("dates are ignored", "every run reads all rows; none is lost")
    columns = seen.endpoint.dated
    if results.get(date_column(seen.endpoint)):
        return confirmed("shown by a row with different dates")
    others = [column for column in columns if results.get(column)]
    if others:
        advice = "rows backdated further than `lookback_days` are missed: raise it"
        return adapts(f"filtered by `{others[0]}`", advice)
    if results.get("start") or results.get("end"):
        return _of_one_date(columns)
    is_rejected = None in results.values()
    return differs("date ranges are rejected" if is_rejected else "no date of a row returns it")


def _of_one_date(columns: tuple[str, ...]) -> CheckResult:
    """Return the result of a row that is returned for its date, if it has no other date."""
    if len(columns) > 1:
        return unknown("the dates of each row are the same", "a backdated row")
    # With one column there is no other that the filter could use.
    return confirmed("a row is returned for its date, and not for others")


def _ends(seen: StreamEvidence) -> CheckResult | None:
    if "start" not in seen.dated:
        return None
    ends = (seen.dated["start"], seen.dated.get("end"))
    if seen.dated.get("elsewhere") or None in ends:
        return unknown("dates are ignored or rejected", "a program that applies them")
    if not any(ends):
        return unknown("no range returned the row", "a row with a date")
    start, end = ("inclusive" if is_returned else "exclusive" for is_returned in ends)
    observed = f"`date_start` is {start}, `date_end` is {end}"
    is_end_inclusive = seen.endpoint.dates is not DateFilter.WINDOWS
    if ends == (True, is_end_inclusive):
        return confirmed(observed)
    return adapts(observed, "ranges overlap by a day")


def _present(seen: StreamEvidence) -> CheckResult | None:
    if UP_TO_PRESENT not in seen.dated:
        return None
    is_returned = seen.dated[UP_TO_PRESENT]
    if is_returned:
        return confirmed("the newest row is returned")
    observed = "rejected" if is_returned is None else "the newest row is not returned"
    return differs(observed, f"deselect `{seen.name}`, and {REPORT_IT}")

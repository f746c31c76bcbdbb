"""How a resource takes ranges of dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import DateFilter
from tap_crowdtwist.conformance.evidence import LIKE_THE_TAP
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    nothing,
    untold,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Judgement, Topic
    from tap_crowdtwist.streams.base import CrowdTwistStream


def of_dates(stream: type[CrowdTwistStream]) -> Iterator[Topic]:
    """Yield what is assumed of ranges of dates."""
    dates = stream.endpoint.dates
    if dates is None:
        return
    end, present = {
        DateFilter.UNIX: ("includes its second", _TOMORROW),
        DateFilter.DAYS: ("includes its day", "`date_start` alone is up to today."),
        DateFilter.WINDOWS: ("excludes its day", _TOMORROW),
    }[dates]
    yield "dates", f"Filtered by `{_date_column(stream)}`.", _dates
    yield "ends", f"`date_start` includes its own; `date_end` {end}; days are UTC.", _ends
    yield "present", present, _present


_TOMORROW = "`date_end` may be tomorrow, so that clocks may differ."


def _date_column(stream: type[CrowdTwistStream]) -> str:
    return next(iter(stream.endpoint.dated), "last_date_purchased")


def _dates(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    told = {topic: came for (name, topic), came in evidence.dated.items() if name == stream.name}
    if not told or told.get("elsewhere"):
        ignored = adapts("the dates are ignored", "every run reads all rows; none is lost")
        return ignored if told else nothing(stream, evidence)
    columns = stream.endpoint.dated
    usual = _date_column(stream)
    other = next((column for column in columns if told.get(column) and column != usual), None)
    if told.get(usual):
        return confirmed("told by a row whose dates lie apart")
    if other is not None:
        advice = "credits that are dated back further than `lookback_days` are missed: raise it"
        return adapts(f"filtered by `{other}`", advice)
    if told.get("start") or told.get("end"):
        # One column that dates may be about, or rows whose dates are all the same.
        if len(columns) > 1:
            return untold("the dates of each row are the same", "a row that was dated back")
        return confirmed("a row comes by its date, and not by others")
    refused = any(came is None for came in told.values())
    return differs("a range of dates is refused" if refused else "no date of a row brings it")


def _ends(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    start = evidence.dated.get((stream.name, "start"))
    end = evidence.dated.get((stream.name, "end"))
    if (stream.name, "start") not in evidence.dated:
        return nothing(stream, evidence)
    if evidence.dated.get((stream.name, "elsewhere")) or start is None or end is None:
        return untold("the dates are ignored or refused", "a program that heeds them")
    if not start and not end:
        return untold("no range brought the row", "a row with a date")
    seen = (
        f"`date_start` {'includes' if start else 'excludes'} its own, "
        f"`date_end` {'includes' if end else 'excludes'} its own"
    )
    usual = stream.endpoint.dates is not DateFilter.WINDOWS
    return confirmed(seen) if start and end is usual else adapts(seen, "ranges have a day to spare")


def _present(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    if (stream.name, LIKE_THE_TAP) not in evidence.dated:
        return nothing(stream, evidence)
    came = evidence.dated[stream.name, LIKE_THE_TAP]
    if came:
        return confirmed("the newest row comes")
    seen = "refused" if came is None else "the newest row does not come"
    return differs(seen, f"deselect `{stream.name}`, and {REPORT_IT}")

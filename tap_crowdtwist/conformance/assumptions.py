"""What the tap assumes of CrowdTwist, and how what a program did bears it out.

Each assumption has a name, what the public pages say, and a pure function from evidence to a
verdict. Sentences hold names, counts and statuses, never a value.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_crowdtwist.conformance.findings import Assumption, Finding
from tap_crowdtwist.conformance.pages import of_pages
from tap_crowdtwist.conformance.program import FEEDS, GENERAL
from tap_crowdtwist.conformance.ranges import of_dates
from tap_crowdtwist.conformance.rows import of_rows
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.streams.base import CrowdTwistStream


def judge(evidence: Evidence) -> list[Finding]:
    """Judge every assumption."""
    findings = []
    for name, says, check in assumptions():
        outcome, seen, advice = check(evidence)
        findings.append(Finding(name, says, outcome, seen, advice))
    return findings


def assumptions() -> Iterator[Assumption]:
    """Yield every assumption, the general ones first."""
    yield from GENERAL
    for stream in API_STREAMS:
        yield from _of_stream(stream)
    yield from FEEDS


def _of_stream(stream: type[CrowdTwistStream]) -> Iterator[Assumption]:
    """Yield what is assumed of one resource."""
    for topic, says, check in (*of_pages(stream), *of_rows(stream), *of_dates(stream)):
        yield Assumption(f"{stream.name}.{topic}", says, partial(check, stream))

"""All assumptions of the tap about CrowdTwist, and their evaluation.

An assumption has a name, the statement of the public pages, and a pure function from evidence to a
result. Texts hold names, counts and statuses, never a value.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tap_crowdtwist.conformance.date_checks import date_checks
from tap_crowdtwist.conformance.findings import Assumption, Finding
from tap_crowdtwist.conformance.paging_checks import paging_checks
from tap_crowdtwist.conformance.program_checks import FEED_ASSUMPTIONS, PROGRAM_ASSUMPTIONS
from tap_crowdtwist.conformance.row_checks import row_checks
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.streams.base import CrowdTwistStream


def evaluate(evidence: Evidence) -> list[Finding]:
    """Return a finding for each assumption."""
    findings = []
    for name, documented, check in assumptions():
        outcome, observed, advice = check(evidence)
        findings.append(Finding(name, documented, outcome, observed, advice))
    return findings


def assumptions() -> Iterator[Assumption]:
    """Yield all assumptions: about the program, about each stream, about feeds."""
    yield from PROGRAM_ASSUMPTIONS
    for stream in API_STREAMS:
        yield from _stream_assumptions(stream)
    yield from FEED_ASSUMPTIONS


def _stream_assumptions(stream: type[CrowdTwistStream]) -> Iterator[Assumption]:
    for topic, documented, check in (
        *paging_checks(stream),
        *row_checks(stream),
        *date_checks(stream),
    ):
        yield Assumption(f"{stream.name}.{topic}", documented, partial(check, stream))

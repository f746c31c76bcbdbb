"""All assumptions of the tap about CrowdTwist, and their evaluation.

An assumption has a name, the statement of the public pages, and a pure function from evidence to a
result. Texts hold names, counts and statuses, never a value.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tap_crowdtwist.conformance.date_checks import date_checks
from tap_crowdtwist.conformance.findings import Assumption, Finding, no_evidence
from tap_crowdtwist.conformance.paging_checks import paging_checks
from tap_crowdtwist.conformance.program_checks import FEED_ASSUMPTIONS, PROGRAM_ASSUMPTIONS
from tap_crowdtwist.conformance.row_checks import row_checks
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult, StreamCheckFunction
    from tap_crowdtwist.streams.base import CrowdTwistStream


def evaluate(evidence: Evidence) -> list[Finding]:
    """Return a finding for each assumption."""
    return [
        Finding(name, documented, *check(evidence)) for name, documented, check in assumptions()
    ]


def assumptions() -> Iterator[Assumption]:
    """Yield all assumptions: about the program, about each stream, about feeds."""
    yield from PROGRAM_ASSUMPTIONS
    for stream in API_STREAMS:
        yield from _stream_assumptions(stream)
    yield from FEED_ASSUMPTIONS


def _stream_assumptions(stream: type[CrowdTwistStream]) -> Iterator[Assumption]:
    checks = chain(paging_checks(stream), row_checks(stream), date_checks(stream))
    for topic, documented, check in checks:
        name = f"{stream.name}.{topic}"
        yield Assumption(name, documented, partial(_check_stream, stream.name, check))


def _check_stream(name: str, check: StreamCheckFunction, evidence: Evidence) -> CheckResult:
    seen = evidence.streams[name]
    return check(seen) or no_evidence(seen, is_budget_spent=evidence.is_budget_spent)

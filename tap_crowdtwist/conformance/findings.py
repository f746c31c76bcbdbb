"""Findings: the outcome of an assumption, what was observed, and advice."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence, StreamEvidence

REPORT_IT = "attach the report to an issue (form: Seen on the live service)"


class Outcome(enum.Enum):
    """Outcome of an assumption."""

    CONFIRMED = "confirmed"
    ADAPTS = "differs, the tap adapts"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


class CheckResult(NamedTuple):
    """An outcome, what was observed, and advice: what to do, or how to find out."""

    outcome: Outcome
    observed: str
    advice: str = ""


StreamCheckFunction = Callable[["StreamEvidence"], "CheckResult | None"]
"""Returns the result for the evidence about a stream, or None if there is nothing to check."""


class StreamCheck(NamedTuple):
    """Something that the tap assumes of one stream.

    Attributes:
        topic: what it is about.
        documented: statement of the public pages, or the tap's reading of them.
        check: checks it.
    """

    topic: str
    documented: str
    check: StreamCheckFunction


class Assumption(NamedTuple):
    """Something that the tap assumes.

    Attributes:
        name: stream and topic.
        documented: statement of the public pages, or the tap's reading of them.
        check: returns the result for evidence.
    """

    name: str
    documented: str
    check: Callable[[Evidence], CheckResult]


class Finding(NamedTuple):
    """An assumption with its result."""

    name: str
    documented: str
    outcome: Outcome
    observed: str
    advice: str

    @property
    def needs_action(self) -> bool:
        """Whether the tap cannot adapt by itself."""
        return self.outcome is Outcome.DIFFERS


def confirmed(observed: str, advice: str = "") -> CheckResult:
    """Build the result that an assumption holds."""
    return CheckResult(Outcome.CONFIRMED, observed, advice)


def adapts(observed: str, advice: str = "nothing to do") -> CheckResult:
    """Build the result that an assumption does not hold, but the tap adapts."""
    return CheckResult(Outcome.ADAPTS, observed, advice)


def differs(observed: str, advice: str = REPORT_IT) -> CheckResult:
    """Build the result that an assumption does not hold and the tap cannot adapt."""
    return CheckResult(Outcome.DIFFERS, observed, advice)


def unknown(observed: str, needed: str) -> CheckResult:
    """Build the result that the evidence does not decide; `needed` is what would."""
    return CheckResult(Outcome.UNKNOWN, observed, f"needs: {needed}")


def no_evidence(seen: StreamEvidence, *, is_budget_spent: bool) -> CheckResult:
    """Build the result that there is nothing to check about a stream, with the reason."""
    if not seen.first:
        return unknown("not requested", "a larger budget" if is_budget_spent else "a member")
    counts = Counter(page.status_text for page in seen.first)
    statuses = ", ".join(f"{count} x {status}" for status, count in counts.items())
    needed = "a member with a row" if seen.endpoint.is_per_member else "a row in the program"
    return unknown(f"no rows ({statuses})", needed)

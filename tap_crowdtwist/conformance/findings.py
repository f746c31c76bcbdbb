"""Verdicts: how an assumption came out, what was seen, and what to do or what would tell."""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.looks import Look
    from tap_crowdtwist.streams.base import CrowdTwistStream


REPORT_IT = "attach the report to an issue (form: Seen on the live service)"


Topic = tuple[str, str, "Callable[..., Judgement]"]


class Outcome(enum.Enum):
    """How an assumption has come out."""

    CONFIRMED = "confirmed"
    ADAPTS = "differs, the tap adapts"
    DIFFERS = "differs"
    UNTOLD = "could not be told"


class Judgement(NamedTuple):
    """A verdict, what was seen, and what to do or what would tell."""

    outcome: Outcome
    seen: str
    advice: str = ""


class Assumption(NamedTuple):
    """Something that the tap takes for granted.

    Attributes:
        name: stream and topic.
        says: what the public pages say, or what the tap reads into them.
        check: judges evidence.
    """

    name: str
    says: str
    check: Callable[[Evidence], Judgement]


class Finding(NamedTuple):
    """An assumption and its verdict."""

    name: str
    says: str
    outcome: Outcome
    seen: str
    advice: str

    @property
    def needs_action(self) -> bool:
        """Whether the tap cannot adapt by itself."""
        return self.outcome is Outcome.DIFFERS


def confirmed(seen: str, advice: str = "") -> Judgement:
    """Build the verdict that an assumption holds."""
    return Judgement(Outcome.CONFIRMED, seen, advice)


def adapts(seen: str, advice: str = "nothing to do") -> Judgement:
    """Build the verdict that the tap finds its way although an assumption does not hold."""
    return Judgement(Outcome.ADAPTS, seen, advice)


def differs(seen: str, advice: str = REPORT_IT) -> Judgement:
    """Build the verdict that the tap cannot adapt."""
    return Judgement(Outcome.DIFFERS, seen, advice)


def untold(seen: str, would_tell: str) -> Judgement:
    """Build the verdict that nothing was seen that tells."""
    return Judgement(Outcome.UNTOLD, seen, f"would tell: {would_tell}")


def firsts(stream: type[CrowdTwistStream], evidence: Evidence) -> list[Look]:
    """Return the first page of each member, or of the catalog."""
    return evidence.first.get(stream.name, [])


def nothing(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    """Return why nothing can be told of a resource."""
    looks = firsts(stream, evidence)
    if not looks:
        return untold("not asked", "a larger budget" if evidence.is_spent else "a member")
    told = ", ".join(f"{count} x {said}" for said, count in Counter(x.told for x in looks).items())
    who = "an entry in the catalog" if not stream.endpoint.is_per_member else "a member with a row"
    return untold(f"no rows ({told})", who)

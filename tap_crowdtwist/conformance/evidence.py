"""Evidence: all observations about a program, arranged for the checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.observations import Observation

UP_TO_PRESENT = "up to the present"
"""Topic of the date query that the tap itself sends: without an end, or up to tomorrow."""


@dataclass
class Evidence:
    """Observations about a program.

    Attributes:
        auth_method: authentication method used for the main host.
        requests: number of requests sent.
        members: number of members requested.
        observations: all observations.
        first: first page of each member, or of a program stream, by stream.
        beyond: a page beyond that member's last one, by stream.
        larger: a page with more rows than the documented maximum, by stream.
        forms: the first two pages in each form of the request, for one member, by stream and form.
        dated: whether a date query returned the row it was built for, by stream and topic; None
            if the query was rejected.
        undated: number of members by the result of comparing their redemptions with and without
            dates: "whole" if old ones were returned without dates, "same" if both returned the
            same, "more" if dates returned more.
        missing: response for a member that does not exist, by stream.
        deletions: User Deletion Status, "there" for an existing member, "gone" for missing ones.
        signature: settings with which a rejected signature is accepted; "" if there are none.
        is_budget_spent: whether the request budget was too small.
    """

    auth_method: str
    requests: int = 0
    members: int = 0
    observations: list[Observation] = field(default_factory=list)
    first: dict[str, list[Observation]] = field(default_factory=dict)
    beyond: dict[str, Observation] = field(default_factory=dict)
    larger: dict[str, Observation] = field(default_factory=dict)
    forms: dict[str, dict[str, list[Observation]]] = field(default_factory=dict)
    dated: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    undated: Counter[str] = field(default_factory=Counter)
    missing: dict[str, Observation] = field(default_factory=dict)
    deletions: dict[str, list[Observation]] = field(default_factory=dict)
    signature: str = ""
    is_budget_spent: bool = False

"""Evidence: all observations about a program, arranged for the checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_crowdtwist.api.endpoints import DELETION
from tap_crowdtwist.conformance.observations import Observation
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.observations import Row
    from tap_crowdtwist.streams.base import CrowdTwistStream

UP_TO_PRESENT = "up to the present"
"""Topic of the date query that the tap itself sends: without an end, or up to tomorrow."""


class StreamEvidence:
    """Observations about one stream.

    Attributes:
        stream: the stream.
        name: its name.
        endpoint: its resource.
        first: first page of each member, or of a program stream.
        forms: the first two pages in each form of the request, for one member, by form.
        beyond: a page beyond that member's last one.
        larger: a page with more rows than the documented maximum.
        missing: response for a member that does not exist.
        dated: whether a date query returned the row it was built for, by topic; None if the query
            was rejected.
    """

    def __init__(self, stream: type[CrowdTwistStream]) -> None:
        self.stream = stream
        self.name: str = stream.name
        self.endpoint: Endpoint = stream.endpoint
        self.first: list[Observation] = []
        self.forms: dict[str, list[Observation]] = {form.name: [] for form in self.endpoint.forms}
        unsent = Observation(self.endpoint)
        self.beyond = self.larger = self.missing = unsent
        self.dated: dict[str, bool | None] = {}

    @property
    def with_rows(self) -> list[Observation]:
        """The first pages that have rows."""
        return [page for page in self.first if page.rows]

    @property
    def rows(self) -> list[tuple[Observation, Row]]:
        """All rows of the first pages, each with its page."""
        return [(page, row) for page in self.first for row in page.rows]


@dataclass
class Evidence:
    """Observations about a program.

    Attributes:
        auth_method: authentication method used for the main host.
        started_at: when the first request was sent, or shortly before, in Unix seconds.
        requests: number of requests sent.
        members: number of members requested.
        observations: all observations.
        streams: the observations about each stream, by its name.
        undated: number of members by the result of comparing their redemptions with and without
            dates: "whole" if old ones were returned without dates, "same" if both returned the
            same, "more" if dates returned more.
        existing: User Deletion Status of a member that exists.
        deletions: User Deletion Status of members that are missing.
        signature: settings with which a rejected signature is accepted; "" if there are none.
        is_budget_spent: whether the request budget was too small.
    """

    auth_method: str
    started_at: int = 0
    requests: int = 0
    members: int = 0
    observations: list[Observation] = field(default_factory=list)
    streams: dict[str, StreamEvidence] = field(
        default_factory=lambda: {stream.name: StreamEvidence(stream) for stream in API_STREAMS}
    )
    undated: Counter[str] = field(default_factory=Counter)
    existing: Observation = field(default_factory=lambda: Observation(DELETION))
    deletions: list[Observation] = field(default_factory=list)
    signature: str = ""
    is_budget_spent: bool = False

"""Counts of what happened to one stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

MAX_SHOWN = 10
"""Failed or missing members whose place in the roster is logged."""

FORGOTTEN = "forgotten"
"""Value of `vanished_rows` if the target was told to forget rows that no longer exist."""


class SweepBounds(NamedTuple):
    """The time span of a sweep.

    Attributes:
        started_at: when it began, maybe in an earlier run.
        since: its lower bound; None for everything, or if that is not known.
        is_resumed: whether an earlier run read a part of it, or all.
    """

    started_at: datetime | None
    since: datetime | None
    is_resumed: bool


@dataclass
class StreamStats:
    """Counts of what happened to one stream.

    Attributes:
        records: records written.
        asked: members requested.
        missing: members that CrowdTwist does not know.
        deleted: members that CrowdTwist reports as deleted.
        failed: members that could not be read, retries included.
        failed_in_row: failed members since the last success; those that an earlier run failed to
            read do not count.
        failed_positions: positions in the roster of the first failed members.
        not_configured: members for which the program lacks the resource.
        unavailable: members that failed because the key may not read the resource, or similar.
        rejected_rows: rows left out because they have no key.
        checked: members whose newest row was compared with their profile.
        contradicted: those of them with a row that is dated later than the profile.
        texts: by property, values that should be objects but are text, and were kept as they are.
        skip_reason: why the stream was not read at all, or "".
        last_error: the error of the last failed member, or "".
        wrong_roster: whether so many members are missing that the roster must be wrong.
        vanished_rows: if that setting is forget: "forgotten", or why rows that no longer exist
            stay.
        ended_at: when the stream had been read to its end; None if it has not been.
        gap: why rows are missing although the stream may have been read to its end, or ""; one of
            a few fixed texts, without any value.
        sweep: the sweep of a member stream; None if it has not begun.
    """

    records: int = 0
    asked: int = 0
    missing: int = 0
    deleted: int = 0
    failed: int = 0
    failed_in_row: int = 0
    failed_positions: list[int] = field(default_factory=list)
    not_configured: int = 0
    unavailable: int = 0
    rejected_rows: int = 0
    checked: int = 0
    contradicted: int = 0
    texts: dict[str, int] = field(default_factory=dict)
    skip_reason: str = ""
    last_error: str = ""
    wrong_roster: bool = False
    vanished_rows: str = ""
    ended_at: datetime | None = None
    gap: str = ""
    sweep: SweepBounds | None = None

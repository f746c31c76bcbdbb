"""What became of one stream, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_SHOWN = 10
"""Members that failed whose place in the roster is told."""

FORGOTTEN = "forgotten"
"""What a tally says of vanished rows that the target was told to forget."""


@dataclass
class StreamStats:
    """What became of one stream.

    Attributes:
        records: records written.
        asked: members asked about.
        missing: members that CrowdTwist does not know.
        deleted: members that CrowdTwist has deleted, and says so.
        failed: members that kept failing.
        failed_in_row: the last of them, without a success between; owed members do not count.
        failed_positions: places in the roster of the first of them.
        not_configured: members for whom the program lacks the resource.
        unavailable: members that failed because the key may not read the resource, or the like.
        rejected_rows: rows left out for want of a key.
        texts: by property, texts that stood where an object should, and were kept as they came.
        skip_reason: why the stream was not read at all, or "".
        last_error: why the last member that failed did, or "".
        wrong_roster: whether so many members are missing that the roster must be wrong.
        vanished_rows: if that setting is forget, "forgotten" or why rows that no longer exist stay.
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
    texts: dict[str, int] = field(default_factory=dict)
    skip_reason: str = ""
    last_error: str = ""
    wrong_roster: bool = False
    vanished_rows: str = ""

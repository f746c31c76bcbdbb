"""What became of one stream, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What became of one stream.

    Attributes:
        records: records written.
        asked: members asked about.
        missing: members that CrowdTwist does not know.
        deleted: members that CrowdTwist has deleted, and says so.
        failed: members that kept failing.
        unconfigured: members for whom the program lacks the resource.
        refused: rows left out for want of a key.
        skipped: why the stream was not read at all, or "".
        reason: why the last member that failed did, or "".
        wrong_roster: whether so many members are missing that the roster must be wrong.
    """

    records: int = 0
    asked: int = 0
    missing: int = 0
    deleted: int = 0
    failed: int = 0
    unconfigured: int = 0
    refused: int = 0
    skipped: str = ""
    reason: str = ""
    wrong_roster: bool = False

"""The stream of Batch Activity Credit: files in which the brand asks CrowdTwist for credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_crowdtwist.files.batch_activity import read_credits
from tap_crowdtwist.files.history import HistorySize
from tap_crowdtwist.files.naming import BATCH_ACTIVITY
from tap_crowdtwist.records.timestamps import format_timestamp
from tap_crowdtwist.streams.file_stream import FileStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.records.normalizer import Row


class BatchActivityCredits(FileStream):
    """Credits that the brand has requested, to compare with what was credited."""

    name = "batch_activity_credits"
    naming = BATCH_ACTIVITY
    feed = "activities"
    history_size = HistorySize(200, 200)
    primary_keys = ("file_name", "file_line")
    replication_key = "file_name"
    page_note = "If CrowdTwist would reject a line, `fault` says why."

    @override
    def read(self, file: File) -> Iterator[Row]:
        sent_at = format_timestamp(file.timestamp)
        for line, row in read_credits(file, self.source.open):
            yield {**row, "file_name": file.name, "file_line": line, "sent_at": sent_at}


STREAMS = (BatchActivityCredits,)

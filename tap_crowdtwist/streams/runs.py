"""The stream of runs: what each run read and wrote, and whether that is everything."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.privacy.policy import is_withheld_name
from tap_crowdtwist.records.normalizer import UNFIT_VALUE, UNKNOWN
from tap_crowdtwist.records.timestamps import format_timestamp
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.resumable_stream import COMPLETED
from tap_crowdtwist.streams.vanished_rows import REJECTED
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.sync.stats import StreamStats, SweepBounds

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from datetime import datetime

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.sync.run import SyncRun

_STOPPED = "the run was stopped"
_ENDED = "the run ended with an error"
_LACKING = "the program lacks the resource"
_OTHER_SHARD = "the first shard reads it"
_WITHHELD = "(withheld)"
_PLAIN_NAME = re.compile(r"[A-Za-z_.\[\]]+[0-9]{0,4}")
"""A program may use ids or addresses of members as names of properties; those have other forms."""


class SyncRuns(CrowdTwistStream):
    """Runs of the tap, one row per run, shard and stream.

    Counts alone, so that nobody is recognized. Written after all other streams, so that a row never
    comes before the rows that it counts.
    """

    name = "sync_runs"
    primary_keys = ("run_id", "shard", "stream")
    selected_by_default = False
    is_read_from_api = False
    has_begun = False
    """Whether the rows of this run have been written, or begun to be."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        self.has_begun = True
        now = self.run.now()
        rows = [self._row(stream, now) for stream in self._others()]
        if not rows:
            self.logger.warning(
                "%s has no rows, since they are about the other streams, and none is selected",
                self.name,
            )
        with self.get_record_counter() as records, self.get_sync_timer():
            for record in self._write(rows, now, write=write_messages):
                records.increment()
                yield record
        self.mark_read()

    def _others(self) -> Iterator[CrowdTwistStream]:
        for stream in self._tap.streams.values():
            if stream.selected and isinstance(stream, CrowdTwistStream) and stream is not self:
                yield stream

    def _row(self, stream: CrowdTwistStream, now: datetime) -> Row:
        run, name = self.run, stream.name
        stats = run.all_stats.get(name, StreamStats())
        requests = run.client.stats
        incomplete_reason = _incomplete_reason(stats, run)
        is_kept = self._policy.mode == "keep"  # else no record has an unknown property either
        return {
            "run_id": run.run_id,
            "shard": str(run.settings.shard),
            "stream": name,
            "begun_at": format_timestamp(run.begun_at),
            "ended_at": format_timestamp(stats.ended_at or now),
            **_sweep_columns(stream, stats, run),
            "asked": stats.asked,
            "missing": stats.missing,
            "deleted": stats.deleted,
            "failed": stats.failed,
            "records": stats.records,
            "rejected_rows": stats.rejected_rows,
            "requests": requests.requests[name],
            "retried": requests.retried[name],
            "rate_limited": requests.rate_limited[name],
            "is_complete": incomplete_reason is None,
            "incomplete_reason": incomplete_reason,
            "skip_reason": _skip_reason(stream, stats, run),
            "unknown_properties": listed(_counted(stream, UNKNOWN), withhold=not is_kept),
            "misfits": listed(_counted(stream, UNFIT_VALUE) + Counter(stats.texts)),
        }


def _incomplete_reason(stats: StreamStats, run: SyncRun) -> str | None:
    """Return why not everything of a stream has been written; None if it has."""
    if stats.gap:
        return stats.gap
    if stats.ended_at is None:
        return _STOPPED if isinstance(run.error, StoppedError) else _ENDED
    return REJECTED if stats.rejected_rows else None


def _skip_reason(stream: CrowdTwistStream, stats: StreamStats, run: SyncRun) -> str | None:
    """Return why a stream was not read although nothing is missing, without a text of the API."""
    if not stats.skip_reason or stats.skip_reason == run.skip_reason:
        return None
    if stats.skip_reason == COMPLETED:
        return COMPLETED
    is_swept = isinstance(stream, MemberStream)
    return _LACKING if is_swept or run.settings.shard.number == 1 else _OTHER_SHARD


def _sweep_columns(stream: CrowdTwistStream, stats: StreamStats, run: SyncRun) -> Row:
    """Return the columns about the sweep; null for a stream that is not read by member."""
    sweep = stats.sweep or SweepBounds(None, None, is_resumed=False)
    columns: Row = {
        "sweep_started_at": _timestamp(sweep.started_at),
        "is_resumed": sweep.is_resumed,
        "sweep_members": None,
        "bound": None,
        "roster_members": None,
    }
    if isinstance(stream, MemberStream):
        columns["sweep_members"] = run.settings.sweep_members
        # A full table without dates is read whole, whatever `start_date` says.
        if stream.is_incremental or stream.endpoint.dates is not None:
            columns["bound"] = _timestamp(sweep.since)
        # Not `run.roster`: a run that failed early has none, and must not read it now.
        roster = vars(run).get("roster")
        columns["roster_members"] = None if roster is None else len(roster)
    return columns


def _timestamp(value: datetime | None) -> str | None:
    return None if value is None else format_timestamp(value)


def _counted(stream: CrowdTwistStream, problem: str) -> Counter[str]:
    # Built by the first row; a stream without rows has none.
    normalizer = vars(stream).get("normalizer")
    return Counter(normalizer.counts_of(problem) if normalizer else {})


def listed(counts: Mapping[str, int], *, withhold: bool = False) -> list[Row] | None:
    """Return counts by name as a list of objects, sorted; None if there are none.

    Args:
        counts: the counts.
        withhold: whether to withhold all names, and not only those that may be an id or a secret.
    """
    by_name: Counter[str] = Counter()
    for name, count in counts.items():
        is_hidden = withhold or is_withheld_name(name) or not _PLAIN_NAME.fullmatch(name)
        by_name[_WITHHELD if is_hidden else name] += count
    return [{"name": name, "count": by_name[name]} for name in sorted(by_name)] or None


def write_rows(tap: Tap, run: SyncRun, error: Exception) -> None:
    """Write the rows of a run that ends with an error.

    After an error of the output they go to the null device, where the writer has sent it.
    """
    stream = tap.streams[SyncRuns.name]
    assert isinstance(stream, SyncRuns)  # noqa: S101 - for mypy
    if not stream.selected or stream.has_begun:
        return
    run.error = error
    with suppress(TapError):  # the error that came first says what to do
        stream.sync()


STREAMS = (SyncRuns,)

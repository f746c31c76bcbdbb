"""The part of a member stream that reads and writes the stream's entry in the state."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist import state
from tap_crowdtwist.state import files_seen
from tap_crowdtwist.state.resume import COMPLETED_AT, DOUBT
from tap_crowdtwist.streams import stream_maps, vanished_rows
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.failure_policy import MIN_UNAVAILABLE, FailurePolicy
from tap_crowdtwist.sync.run import UNKNOWN_CHANGES
from tap_crowdtwist.sync.stats import FORGOTTEN, SweepBounds
from tap_crowdtwist.sync.updated_members import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.streams.member_reader import ActiveSweep


LACKING = "the program lacked this; the next sweep of all members looks again"
"""Reason for which a sweep of only some members does not read a stream."""


COMPLETED = "complete since the interrupted run"
"""Reason for which a resumed run does not read a stream."""

WRONG_ROSTER = "CrowdTwist does not know too many members of the roster"
FAILED = "members failed"
"""Reasons for which a stream is not complete."""


class ResumableStream(CrowdTwistStream):
    """A stream whose sweep is saved in the state, so that a later run can resume it."""

    @cached_property
    def _state_of_sample(self) -> dict[str, Any]:
        """State of a sweep of a sample, which is never written."""
        return {}

    @property
    @override
    def stream_state(self) -> dict[str, Any]:
        """The stream's entry in the state; with `sample_members`, one that nobody else sees.

        So a sample changes no bookmark and no sweep of all members that is under way.
        """
        return self._state_of_sample if self.config.get("sample_members") else super().stream_state

    @property
    def skip_reason(self) -> str:
        """Reason not to read the stream in this run, or ""."""
        if self.run.skip_reason:
            return self.run.skip_reason
        is_partial = self.run.settings.sweep_members != "all"
        if is_partial and files_seen.is_not_configured(self.stream_state):
            return LACKING
        updated = self.run.updated
        if updated is not None and self.name != PROFILES and not updated.is_complete:
            return UNKNOWN_CHANGES
        return COMPLETED if self.is_complete else ""

    @property
    def is_complete(self) -> bool:
        """Whether the interrupted run that this one resumes had completed the stream."""
        run, own = self.run, self.stream_state
        if not run.is_resumed or not own.get(COMPLETED_AT):
            return False
        if run.settings.only_changed:
            is_outdated = run.feeds is not None and run.feeds.has_new_files(own.get("files"))
        else:
            # The interrupted run read only members that changed, or from too late a date on.
            is_outdated = files_seen.is_of_changed(own) or self.starts_later
        if is_outdated:
            return False
        state.check_compatible(own, run.roster)
        return True

    @property
    def is_incremental(self) -> bool:
        """Whether the stream is replicated from a bookmark."""
        return bool(self.replication_method == REPLICATION_INCREMENTAL)

    @property
    def starts_later(self) -> bool:
        """Whether the bookmark is void: earlier runs read from a later `start_date` than wanted.

        A date that cannot be parsed is reported when the sweep begins.
        """
        if not self.is_incremental:
            return False
        try:
            return state.misses_earlier_rows(self.stored_state, self.run.settings.start_date)
        except (AttributeError, TypeError, ValueError):
            return False

    @property
    def stored_state(self) -> Mapping[str, Any]:
        """The state of the stream; empty if it has none.

        Unlike `stream_state`, this adds no entry to the state of the tap before the stream's turn.
        """
        stored: Mapping[str, Any] = self.tap_state.get("bookmarks", {}).get(self.name, {})
        return stored

    @property
    def shares_table(self) -> bool:
        """Whether a stream map writes another selected stream into the same table."""
        own_names = stream_maps.table_names(self)
        others = [s for s in self._tap.streams.values() if s.selected and s is not self]
        return any(stream_maps.table_names(stream) & own_names for stream in others)

    @property
    def forgets_rows(self) -> bool:
        """Whether to let the target delete rows that no longer exist.

        Never those of a history: it is read by date, so a row that was not read may still exist.
        """
        is_full = self.replication_method == REPLICATION_FULL_TABLE
        return self.run.settings.forgets and is_full and self.endpoint.dates is None

    @cached_property
    def failure_policy(self) -> FailurePolicy:
        """The policy for members that cannot be read."""
        run = self.run
        return FailurePolicy(
            self.name,
            self.stats,
            run.settings,
            run.roster,
            run.missing,
            run.user_ids,
            self.characters_left,
            self.logger,
        )

    def _finish(self, active: ActiveSweep, *, write: bool) -> None:
        """Record in the state that the sweep is complete, or skip a stream that the program lacks.

        Raises:
            SettingError: too many members are missing.
        """
        run, sweep = self.run, active.sweep
        self.failure_policy.check_missing(sweep)
        if sweep.is_lacked_by_all:
            self._skip(sweep)
            return
        # All of them were requested again; those that failed again have been added anew.
        sweep.failed.earlier.clear()
        sweep.doubt = self._doubt(sweep)
        if write and self.forgets_rows:
            self._forget_vanished(sweep)
        state.finish(self.stream_state, sweep, active.plan, run.roster, run.now())
        self._mark_swept(FAILED if sweep.failed.overflowed else sweep.doubt)
        if sweep.failed.overflowed:
            run.fail(
                f"{self.name}: more members failed than the state can list "
                f"({state.MAX_FAILED_MEMBERS:,} a stream at most), so its bookmark stays and "
                "the next run reads everybody from there"
            )

    def _mark_swept(self, doubt: str | None) -> None:
        """Record that the sweep is over, and why rows are missing nevertheless, if any are.

        Args:
            doubt: why the sweep may have missed a row, if it may.
        """
        has_failed_members = bool(self.stream_state.get("sweep", {}).get("failed"))
        self.stats.gap = FAILED if has_failed_members else doubt or ""
        if self.stats.gap == vanished_rows.PARTLY_LACKING:
            self.stats.gap = ""  # the program has no rows for these members
        self.mark_read()

    def _mark_skipped(self) -> None:
        """Record why the stream is not read, and what the interrupted run knew about its sweep."""
        run, stats, own = self.run, self.stats, self.stream_state
        is_whole = run.settings.sweep_members == "all"
        has_new_roster = is_whole and state.void_if_roster_changed(own, run.roster)
        if stats.skip_reason in {run.skip_reason, UNKNOWN_CHANGES}:
            stats.gap = stats.skip_reason
            return
        if stats.skip_reason == COMPLETED:
            stats.sweep = SweepBounds(state.swept_at(own), None, is_resumed=True)
            self._mark_swept(state.ROSTER_CHANGED if has_new_roster else own.get(DOUBT))
            return
        self.mark_read()

    def _skip(self, sweep: state.SweepState) -> None:
        """Skip the stream: no member was read, and the program lacks the resource for some.

        The state must not claim that anything was read, since the program may get the resource
        later. A few members that changed prove too little: they are read again by the next run.
        """
        stats, failed = self.stats, sweep.failed
        stats.skip_reason = stats.skip_reason or "no member has this resource"
        self.logger.warning("%s has no rows: %s", self.name, stats.skip_reason)
        if self.forgets_rows:
            stats.vanished_rows = "the stream was skipped"
        self.mark_read()
        if sweep.is_partial and sweep.not_configured < MIN_UNAVAILABLE:
            state.end(self.stream_state, sweep, self.run.roster)
            stats.gap = FAILED if failed.dump() else self.run.roster_gap
            return
        if failed.new:
            stats.gap = FAILED
            self.run.fail(
                f"{self.name}: members that failed: {len(failed.new)} "
                f"(last error: {stats.last_error})"
            )
        # The next sweep of all members reads those too that failed. Until then nobody retries them,
        # so listing them would make every run fail.
        failed.earlier.clear()
        failed.new.clear()
        state.end(self.stream_state, sweep, self.run.roster)
        files_seen.record_not_configured(self.stream_state)

    def _forget_vanished(self, sweep: state.SweepState) -> None:
        """Let the target delete rows that the sweep did not bring, or note why it must not.

        This comes before the state says that the sweep is complete: if the target dies between the
        two, the next run sends the message again.
        """
        reason = vanished_rows.why_kept(
            sweep,
            self.stream_state,
            state.found_members(sweep, self.run.roster),
            is_shard=self.run.settings.shard.count != 1,
            shares_table=self.shares_table,
        )
        self.stats.vanished_rows = reason or FORGOTTEN
        if not reason and sweep.version is not None:
            self._write_activate_version_message(sweep.version)

    def _doubt(self, sweep: state.SweepState) -> str:
        found = vanished_rows.doubt(
            sweep,
            lacks_rows=self.stats.rejected_rows > 0,
            is_proven=self.run.client.is_proven(self.endpoint),
        )
        return self.run.roster_gap or found

    def characters_left(self) -> int:
        """Return how many characters of the state are left for this stream's failed members."""
        selected = [name for name, stream in self._tap.streams.items() if stream.selected]
        return state.characters_left(self.tap_state.get("bookmarks", {}), self.name, selected)

    def _checkpoint(self, active: ActiveSweep, *, forget: bool = False) -> None:
        """Write a STATE with the cursor of the sweep, or without the sweep to `forget` it.

        A sweep that has found no member yet keeps the cursor of before: the roster may be wrong.
        """
        own, sweep, run = self.stream_state, active.sweep, self.run
        if forget:
            state.forget(own, sweep)
        elif not sweep.are_all_missing:
            doubted = replace(sweep, doubt=self._doubt(sweep))
            state.save(own, doubted, run.roster, run.now())
            if len(msgspec.json.encode(self.tap_state)) > state.MAX_STATE_BYTES:
                state.shorten(own)
        self._tap.state_writer.write_state(self.tap_state)

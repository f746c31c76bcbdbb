"""Member streams: a resumable sweep over the roster that reads one resource of every member."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_crowdtwist import state
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError
from tap_crowdtwist.state.timestamps import dump_timestamp
from tap_crowdtwist.streams import member_request
from tap_crowdtwist.streams.member_reader import ActiveSweep, MemberReader
from tap_crowdtwist.streams.member_request import MemberRequest, RequestKind
from tap_crowdtwist.streams.resumable_stream import LACKING, WRONG_ROSTER, ResumableStream
from tap_crowdtwist.sync.updated_members import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.streams.member_request import MemberResult
    from tap_crowdtwist.sync.updated_members import UpdatedMembers


class MemberStream(ResumableStream):
    """One resource of every member.

    It is a top-level stream of the SDK, not a child of `users`: the SDK reads child streams one
    parent at a time, writes a SCHEMA and a STATE message for each, and searches a growing list of
    partitions each time.
    """

    valid_replication_keys: ClassVar[tuple[str, ...]] = ()
    """Properties by which a catalog may replicate the stream incrementally.

    The SDK has no such attribute of streams: its catalogs name only `replication_key`.
    """

    is_dated_by_program: ClassVar[bool] = False
    """Whether CrowdTwist dates the rows, and not the brand, whose clocks may be wrong."""

    _active: ActiveSweep | None = None

    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        """Read the rows of one member, in a worker thread.

        Args:
            position: the member's position in the roster.
            since: rows with earlier dates may be left out; None for all.
            until: rows with later dates may be left out.

        Raises:
            ApiError: they cannot be read.
        """
        user_id = self.run.user_ids.user_id(position)
        rows = self.run.client.rows(self.endpoint, user_id, since=since, until=until)
        for row in rows:
            row["user_id"] = user_id
        return rows

    def wanted(self, row: Row, since: datetime | None) -> bool:  # noqa: ARG002 - for streams that filter on our side
        """Return whether to write a row, in a sweep with this lower bound."""
        return True

    def begin_early(self) -> bool:
        """Begin the sweep before it is the stream's turn.

        Returns:
            False if the stream is not read; the caller then begins that of the next stream.
        """
        try:
            if self.skip_reason:
                return False
            self.begin()
        except TapError:
            pass  # `begin` raises it again when it is the stream's turn
        return True

    def begin(self) -> ActiveSweep:
        """Begin or resume the sweep, and let the workers start on it.

        Does nothing if it has begun.

        Raises:
            TapError: the catalog, the settings or the state do not allow it.
        """
        if self._active is None:
            plan = self._plan()
            sweep = state.begin(self.stream_state, plan, self.run.roster)
            first = self.run.roster.after(sweep.after)
            reader = MemberReader(
                self.name, self.run, sweep, self._read, self.logger, self._updated_members()
            )
            # A dry run of the SDK stops after a few records: reading ahead would waste requests.
            job = reader.start() if self.ABORT_AT_RECORD_COUNT is None else None
            self._active = ActiveSweep(sweep, plan, reader, job, first)
        return self._active

    def read_some(
        self, positions: Iterable[int], bookmark: datetime | None = None
    ) -> Iterator[tuple[int, MemberResult]]:
        """Read some members as a new sweep would, and write their records; leave the state alone.

        Args:
            positions: the members, by their positions in the roster.
            bookmark: the bookmark of the sweep; None for a first sweep.

        Yields:
            Each member with its raw rows, after its records have been written.

        Raises:
            TapError: as in a sweep: too many members are missing, for example.
        """
        plan = replace(self._plan(), members="all")
        dated = {"replication_key": plan.replication_key}
        own = {**dated, "replication_key_value": dump_timestamp(bookmark)} if bookmark else {}
        sweep = state.begin(own, plan, self.run.roster)
        reader = MemberReader(self.name, self.run, sweep, self._read, self.logger, None)
        requests = [MemberRequest(position, sweep.since) for position in positions]
        for request, result in self.run.pool.results(reader.start(requests)):
            self.failure_policy.record_result(request, result, sweep)
            if self.stats.skip_reason:
                return
            rows = [row for row in result.rows if self.wanted(row, result.since)]
            for _ in self._write(rows, result.extracted, write=True, version=sweep.version):
                pass
            yield request.position, result
            self.run.on_wait()
        self.failure_policy.check_missing(sweep)

    def _plan(self) -> state.SweepPlan:
        """Return what decides the bounds of the sweep.

        Raises:
            TapError: the catalog wants it incremental by a property that does not allow that, or
                `start_date` is in the future.
        """
        run, settings = self.run, self.run.settings
        now = run.now()
        if run.updated is not None:
            # A member that is updated after its profile was read has to be read by the next run.
            now = run.updated.started_at
        feeds = None if settings.only_updated else run.feeds
        key = self.replication_key if self.is_incremental else None
        if self.is_incremental and key not in self.valid_replication_keys:
            possible = " or ".join(self.valid_replication_keys)
            only = f", only by {possible}" if possible else ""
            raise TapError(
                f"Catalog: `{self.name}` cannot be replicated incrementally by {key!r}{only}; "
                "set its replication-method to FULL_TABLE"
            )
        if settings.start_date is not None and settings.start_date > now:
            raise SettingError("start_date", "lies in the future, so there is nothing to read yet")
        return state.SweepPlan(
            self.name,
            now,
            key,
            settings.start_date,
            settings.lookback,
            files=feeds.marks if feeds is not None else None,
            members=settings.sweep_members,
            versioned=self.forgets_rows and settings.shard.count == 1,
            identifies=self.name == PROFILES,
        )

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return None: the bookmark is when the sweep started, not the largest value read."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        run, stats = self.run, self.stats
        stats.skip_reason = self.skip_reason
        if stats.skip_reason == LACKING:
            self.logger.warning("%s is skipped: %s", self.name, LACKING)
        if stats.skip_reason:
            self._mark_skipped()
            return
        active = self.begin()
        stats.sweep = active.bounds
        members = self._updated_members()
        total = len(run.roster) if members is None else members.count
        with self.measured() as count, run.progress(self.name, stats, total):
            try:
                yield from self._records(active, count, write=write_messages)
                self._finish(active, write=write_messages)
            except IncompleteError as error:
                self._checkpoint(active)
                self.give_up(error)
            except Exception:
                stats.gap = WRONG_ROSTER if stats.wrong_roster else stats.gap
                self._checkpoint(active, forget=stats.wrong_roster)
                raise
            finally:
                self._active = None

    def _records(
        self, active: ActiveSweep, count: Callable[..., None], *, write: bool
    ) -> Generator[Row, Any, None]:
        """Write the records member by member, and a STATE every `checkpoint_interval`."""
        run, stats = self.run, self.stats
        due = run.clock() + run.settings.checkpoint_interval
        for request, result in active.results():
            self.failure_policy.record_result(request, result, active.sweep)
            if stats.skip_reason:
                return
            self._record_dates(request, result, active.sweep)
            rows = [row for row in result.rows if self.wanted(row, result.since)]
            before = stats.records
            version = active.sweep.version
            # The cursor moves only after this: a STATE must never claim rows that are not written.
            yield from self._write(rows, result.extracted, write=write, version=version)
            count(stats.records - before)
            if result.was_read and request.kind is not RequestKind.REREAD:
                user_id = run.user_ids.user_id(request.position)
                failed_before = request.kind is RequestKind.FAILED_BEFORE
                active.sweep.record_read(user_id, failed_before=failed_before)
            if request.kind is RequestKind.IN_ORDER:
                active.sweep.after = run.roster.name(request.position)
            if run.clock() >= due:
                self._checkpoint(active)
                due = run.clock() + run.settings.checkpoint_interval

    def _updated_members(self) -> UpdatedMembers | None:
        """Return the members whose rows to read; None for all."""
        return self.run.updated

    def _record_dates(
        self,
        request: MemberRequest,
        result: MemberResult,
        sweep: state.SweepState,  # noqa: ARG002 - for the profiles
    ) -> None:
        """Record the newest date of a member's rows, to be compared with the profile."""
        if self.run.newest_rows is not None and self.is_dated_by_program:
            name = self.valid_replication_keys[0]
            self.run.newest_rows.record(request.position, result.rows, name)

    def _read(self, request: MemberRequest, sweep: state.SweepState) -> list[Row]:
        """Read the rows of one member, in a worker thread."""
        # Look the number up first: the lower bound depends on it.
        self.run.user_ids.user_id(request.position)
        run = self.run
        since = member_request.since_of(request, sweep, run.user_ids, run.settings.start_date)
        return self.fetch(request.position, since, sweep.started_at)

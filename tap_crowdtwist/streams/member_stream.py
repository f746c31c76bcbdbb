"""Member streams: one resource of every member of the roster, swept in order, resumable."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import ApiError, FatalApiError, NotConfiguredError
from tap_crowdtwist.errors import IncompleteError, SettingError, TapError
from tap_crowdtwist.state import files_seen
from tap_crowdtwist.state.resume import COMPLETED_AT
from tap_crowdtwist.streams import member_request as member_requests
from tap_crowdtwist.streams import stream_maps, vanished_rows
from tap_crowdtwist.streams.base import CrowdTwistStream
from tap_crowdtwist.streams.failure_policy import MIN_UNAVAILABLE, FailurePolicy, NothingReadError
from tap_crowdtwist.streams.member_request import MemberRequest, MemberResult, RequestKind
from tap_crowdtwist.sync.stats import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from datetime import datetime

    from singer_sdk.helpers.types import Context

    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.sync.workers import SweepJob


class ActiveSweep(NamedTuple):
    """A sweep that has begun: its state, what decided its bounds, and its results to come.

    Attributes:
        found: the stream's state from before, to go back to where nothing can be read at all.
        first: the position in the roster at which this run began.
    """

    state: state.SweepState
    plan: state.SweepPlan
    under_way: SweepJob[MemberRequest, MemberResult] | None
    found: dict[str, Any]
    first: int


class MemberStream(CrowdTwistStream):
    """One resource of every member.

    A top-level stream of the SDK, not a child of users: child streams write a SCHEMA and a STATE
    message per member and search a list of partitions for each.
    """

    valid_replication_keys: ClassVar[tuple[str, ...]] = ()
    """Properties by which the stream can be replicated incrementally."""

    _active: ActiveSweep | None = None

    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        """Read the rows of one member, in a worker thread.

        Args:
            position: the member's place in the roster.
            since: rows dated earlier may be left out.
            until: rows dated later may be left out.
        """
        user_id = self.run.user_ids.user_id(position)
        rows = self.run.client.rows(self.endpoint, user_id, since=since, until=until)
        for row in rows:
            row["user_id"] = user_id
        return rows

    def wanted(self, row: Row, since: datetime | None) -> bool:  # noqa: ARG002 - for streams that filter on our side
        """Tell whether a row belongs into the output of a sweep with this bound."""
        return True

    @property
    def is_complete(self) -> bool:
        """Whether the run that this one continues has completed the stream."""
        own, changed = self.stream_state, self.run.settings.only_changed
        if (
            not self.run.is_resumed
            or not own.get(COMPLETED_AT)
            or files_seen.is_of_changed(own) > changed
        ):
            return False
        if not changed and self.is_incremental and self.starts_later:
            return False
        if changed and self.run.feeds is not None and self.run.feeds.has_news(own.get("files")):
            return False
        state.check_compatible(own, self.run.roster)
        return True

    @property
    def is_incremental(self) -> bool:
        """Whether the stream goes on from a bookmark."""
        return bool(self.replication_method == REPLICATION_INCREMENTAL)

    @property
    def starts_later(self) -> bool:
        """Whether its members were read from a later date on than is wanted now.

        A date that nobody can read is told when the sweep begins. `stream_state` would put an entry
        into the state before it is the turn of the stream.
        """
        own = self.tap_state.get("bookmarks", {}).get(self.name, {})
        try:
            return state.misses_earlier_rows(own, self.run.settings.start_date)
        except (AttributeError, TypeError, ValueError):
            return False

    @property
    def shares_table(self) -> bool:
        """Whether a stream map sends another selected stream under the same name."""
        streams = [s for s in self._tap.streams.values() if s.selected and s is not self]
        return any(
            stream_maps.table_names(stream) & stream_maps.table_names(self) for stream in streams
        )

    @property
    def forgets_rows(self) -> bool:
        """Whether rows of the stream are to be forgotten when they are no more.

        Those of a history are read by date, so what is not in the answer may still be there.
        """
        is_full = self.replication_method == REPLICATION_FULL_TABLE
        return self.run.settings.forgets and is_full and self.endpoint.dates is None

    @cached_property
    def failure_policy(self) -> FailurePolicy:
        """What becomes of the sweep when members cannot be read."""
        run = self.run
        return FailurePolicy(
            self.name,
            run.stream_stats(self.name),
            run.settings,
            run.roster,
            run.missing,
            run.user_ids,
            self.room,
            self.logger,
        )

    def begin_early(self) -> bool:
        """Begin the sweep before it is the stream's turn; return whether there is one to begin."""
        try:
            if self.is_complete:
                return False
            self.begin()
        except TapError:
            pass  # raised again when it is the stream's turn
        return True

    def begin(self) -> ActiveSweep:
        """Begin the sweep, or resume it, and let the workers start on it."""
        if self._active is None:
            plan, found = self._plan(), copy.deepcopy(self.stream_state)
            begun = state.begin(self.stream_state, plan, self.run.roster)
            first = self.run.roster.after(begun.after)
            under_way = None
            if self.ABORT_AT_RECORD_COUNT is None:
                under_way = self.run.pool.add(self._requests(begun), self._fetcher(begun))
            self._active = ActiveSweep(begun, plan, under_way, found, first)
        return self._active

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Give none: the bookmark is the start of the sweep."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        run, stats = self.run, self.run.stream_stats(self.name)
        if run.skip_reason:
            stats.skip_reason = run.skip_reason
            return
        if self.is_complete:
            stats.skip_reason = "complete since the run that was cut short"
            return
        active = self.begin()
        with self.measured() as count, run.progress(self):
            try:
                yield from self._records(active, count, write=write_messages)
                self._finish(active, write=write_messages)
            except NothingReadError as error:
                self.stream_state.clear()
                self.stream_state.update(active.found)
                self._give_up(error)
            except IncompleteError as error:
                self._checkpoint(active)
                self._give_up(error)
            except Exception:
                self._checkpoint(active, forget=stats.wrong_roster)
                raise
            finally:
                self._active = None

    def _give_up(self, error: IncompleteError) -> None:
        """Go on with the other streams, unless nothing at all answers."""
        if not self.run.client.stats.has_succeeded:
            raise error
        self.run.failures.append(str(error))

    def _records(
        self, active: ActiveSweep, count: Callable[..., None], *, write: bool
    ) -> Generator[Row, Any, None]:
        """Write the records of a sweep, member by member, with a STATE from time to time."""
        run, stats = self.run, self.run.stream_stats(self.name)
        due = run.clock() + run.settings.checkpoint_interval
        for request, result in self._results(active):
            self.failure_policy.record_result(request, result, active.state)
            self._learn(result, active.state)
            if stats.skip_reason:
                return
            rows = [row for row in result.rows if self.wanted(row, result.since)]
            before = stats.records
            version = active.state.version
            yield from self._write(rows, result.extracted, write=write, version=version)
            count(stats.records - before)
            if result.was_read and request.kind is not RequestKind.REREAD:
                user_id = run.user_ids.user_id(request.position)
                active.state.was_read(user_id, owed=request.kind is RequestKind.FAILED_BEFORE)
            if request.kind is RequestKind.IN_ORDER:
                active.state.after = run.roster.name(request.position)
            if run.clock() >= due:
                self._checkpoint(active)
                due = run.clock() + run.settings.checkpoint_interval

    def _learn(self, result: MemberResult, sweep: state.SweepState) -> None:
        """Learn from an answer whether the program has the resource.

        Where it did not when all members were asked, those who are asked now are too few.
        """
        if isinstance(result.error, NotConfiguredError):
            sweep.lacks_resource = sweep.lacks_resource is not False
        elif result.error is None:
            sweep.lacks_resource = False
            if sweep.changed and files_seen.lacks_resource(self.stream_state):
                del self.stream_state["files"]
                sweep.files = None
                self.run.fail(
                    SettingError(
                        "sweep_members",
                        f"the program has `{self.name}` now, and lacked it when all members were "
                        "swept; run once with `sweep_members` all",
                    )
                )

    def _finish(self, active: ActiveSweep, *, write: bool) -> None:
        """Write into the state that every member was asked, or why that counts for nothing.

        Members who changed may be too few to tell that the program lacks the resource by now. They
        stay due then, together with those who change next.
        """
        run, own, sweep = self.run, self.stream_state, active.state
        has_rows = self.failure_policy.is_whole(sweep)
        if not has_rows:
            state.forget(own, sweep)
        if write and self.forgets_rows:
            self._forget_vanished(sweep)
        doubted = sweep.changed and sweep.lacks_resource and not files_seen.lacks_resource(own)
        if doubted and sweep.asked < MIN_UNAVAILABLE:
            state.forget(own, sweep)
        elif has_rows:
            state.finish(own, sweep, active.plan, run.roster, run.now())
            if sweep.failed.overflowed:
                run.failures.append(
                    f"{self.name}: more members failed than the state can list "
                    f"({state.MAX_FAILED_MEMBERS:,} a stream at most), so its bookmark stays and "
                    "the next run reads everybody from there"
                )
        else:
            state.record_files(own, sweep)

    def _forget_vanished(self, sweep: state.SweepState) -> None:
        """Let the target forget what the sweep has not brought, or say why not.

        Before the state says that the sweep is complete: a target that dies between the two gets
        the message again.
        """
        stats = self.run.stream_stats(self.name)
        reason = "the stream was skipped" if stats.skip_reason else self._why_kept(sweep)
        stats.vanished_rows = reason or FORGOTTEN
        if not reason and sweep.version is not None:
            self._write_activate_version_message(sweep.version)

    def _why_kept(self, sweep: state.SweepState) -> str:
        run = self.run
        return vanished_rows.why_kept(
            sweep,
            self.stream_state,
            state.found_members(sweep, run.roster),
            doubt=self._doubt(sweep),
            is_shard=run.settings.shard.count != 1,
            shares_table=self.shares_table,
        )

    def _doubt(self, sweep: state.SweepState) -> str:
        lacks_rows = self.run.stream_stats(self.name).rejected_rows > 0
        is_proven = self.run.client.is_proven(self.endpoint)
        return vanished_rows.doubt(sweep, lacks_rows=lacks_rows, is_proven=is_proven)

    def _results(self, active: ActiveSweep) -> Iterator[tuple[MemberRequest, MemberResult]]:
        if active.under_way is None:  # a dry run, which needs few members
            fetch = self._fetcher(active.state)
            yield from ((request, fetch(request)) for request in self._requests(active.state))
            return
        is_last = active.state.previous_digest is None
        yield from self._results_of(active.under_way, last=is_last)
        # All of them were asked; whoever failed again is noted anew.
        active.state.failed.earlier.clear()
        if is_last:
            return
        # Who may be new is known only when everybody's result has been taken. The next stream's
        # sweep must not begin before: its results would fill the window, and wait for these.
        is_new = member_requests.new_member_test(active.state)
        if is_new is None:
            self.run.pool.begin_next(self.name)
            return
        self.logger.info(
            "%s: reading members from `start_date` that the last sweep may not have read", self.name
        )
        run, start = self.run, self.run.settings.start_date
        turns = member_requests.reread_requests(
            len(run.roster), run.user_ids.known_id, is_new, active.first, start
        )
        again = run.pool.add(turns, self._fetcher(active.state, is_new))
        yield from self._results_of(again, last=True)

    def _results_of(
        self, under_way: SweepJob[MemberRequest, MemberResult], *, last: bool
    ) -> Iterator[tuple[MemberRequest, MemberResult]]:
        """Yield results; let the workers go on with the next stream once `last` ones are begun."""
        followed = not last
        for result in self.run.pool.results(under_way):
            if under_way.exhausted and not followed:
                self.run.pool.begin_next(self.name)
                followed = True
            yield result
            self.run.on_wait()

    def _plan(self) -> state.SweepPlan:
        settings = self.run.settings
        key = self.replication_key if self.replication_method == REPLICATION_INCREMENTAL else None
        if (
            self.replication_method == REPLICATION_INCREMENTAL
            and key not in self.valid_replication_keys
        ):
            possible = " or ".join(self.valid_replication_keys)
            only = f", only by {possible}" if possible else ""
            raise TapError(
                f"Catalog: `{self.name}` cannot be replicated incrementally by {key!r}{only}; set "
                "its replication-method to FULL_TABLE"
            )
        now = self.run.now()
        if settings.start_date is not None and settings.start_date > now:
            raise SettingError("start_date", "lies in the future, so there is nothing to read yet")
        feeds = self.run.feeds
        return state.SweepPlan(
            self.name,
            now,
            key,
            settings.start_date,
            settings.lookback,
            files=feeds.marks if feeds is not None else None,
            changed=settings.only_changed,
            versioned=self.forgets_rows and settings.shard.count == 1,
        )

    def _requests(self, sweep: state.SweepState) -> Iterator[MemberRequest]:
        return member_requests.requests_of(self.run.roster, sweep, self.run.settings.start_date)

    def _fetcher(
        self, sweep: state.SweepState, is_new: Callable[[int], bool] | None = None
    ) -> Callable[[MemberRequest], MemberResult]:
        def fetch(request: MemberRequest) -> MemberResult:
            try:
                if is_new is not None and not is_new(self.run.user_ids.user_id(request.position)):
                    return MemberResult([], request.since, self.run.now())
                rows = self._read(request, sweep)
            except FatalApiError:
                raise
            except ApiError as error:
                return MemberResult([], self._since(request, sweep), self.run.now(), error)
            return MemberResult(rows, self._since(request, sweep), self.run.now())

        return fetch

    def _read(self, request: MemberRequest, sweep: state.SweepState) -> list[Row]:
        """Read the rows of one member, in a worker thread."""
        self.run.user_ids.user_id(request.position)  # decides from when on
        return self.fetch(request.position, self._since(request, sweep), sweep.started_at)

    def _since(self, request: MemberRequest, sweep: state.SweepState) -> datetime | None:
        """Return from when on a member is wanted.

        That is `start_date` for one whose number says that it is new, and for one that failed
        before its number was known.
        """
        if sweep.previous_digest is None or request.kind is not RequestKind.IN_ORDER:
            return request.since
        user_id = self.run.user_ids.known_id(request.position)
        is_new = user_id is None or sweep.is_new_member(user_id)
        return self.run.settings.start_date if is_new else request.since

    def room(self) -> int:
        """Return how many characters the state has left for members of this stream that failed."""
        selected = [name for name, stream in self._tap.streams.items() if stream.selected]
        return state.room(self.tap_state.get("bookmarks", {}), self.name, selected)

    def _checkpoint(self, active: ActiveSweep, *, forget: bool = False) -> None:
        own, sweep, run = self.stream_state, active.state, self.run
        if forget:
            state.forget(own, sweep)
        elif sweep.missing < sweep.asked or not sweep.asked:  # else the roster may be a wrong one
            doubted = replace(sweep, doubt=self._doubt(sweep))
            state.save(own, doubted, active.plan, run.roster, run.now())
            if len(msgspec.json.encode(self.tap_state)) > state.MAX_STATE_BYTES:
                state.shorten(own)
        self._tap.state_writer.write_state(self.tap_state)

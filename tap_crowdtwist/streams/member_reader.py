"""The reading of one sweep: requests in order, worker threads, results in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.api.errors import ApiError, FatalApiError
from tap_crowdtwist.streams import member_request
from tap_crowdtwist.streams.member_request import MemberRequest, MemberResult
from tap_crowdtwist.sync.stats import SweepBounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from logging import Logger, LoggerAdapter

    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.state import SweepPlan, SweepState
    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.sync.tasks import SweepJob
    from tap_crowdtwist.sync.updated_members import UpdatedMembers


@dataclass(frozen=True)
class MemberReader:
    """Reads the members of one sweep.

    Attributes:
        stream: the stream's name.
        run: the shared parts of the run.
        sweep: the state of the sweep.
        read: reads the rows of one member, in a worker thread.
        logger: the stream's.
        updated: the members to read, in a sweep of updated members; None for all.
    """

    stream: str
    run: SyncRun
    sweep: SweepState
    read: Callable[[MemberRequest, SweepState], list[Row]]
    logger: Logger | LoggerAdapter[Any]  # the latter from SDK 0.55 on
    updated: UpdatedMembers | None

    def start(
        self, requests: Iterable[MemberRequest] | None = None
    ) -> SweepJob[MemberRequest, MemberResult]:
        """Let the workers start on some requests; on those of the sweep if none are given."""
        requests = self._requests() if requests is None else requests
        return self.run.pool.add(requests, self._fetcher())

    def read_in_turn(self) -> Iterator[tuple[MemberRequest, MemberResult]]:
        """Read members in this thread, one at a time, each when its result is asked for."""
        fetch = self._fetcher()
        yield from ((request, fetch(request)) for request in self._requests())

    def results(
        self, job: SweepJob[MemberRequest, MemberResult], first: int
    ) -> Iterator[tuple[MemberRequest, MemberResult]]:
        """Yield the results of a sweep, then those of members that have to be read again.

        Args:
            job: what `start` returned.
            first: the position in the roster at which this run began.
        """
        is_last = self.sweep.previous_digest is None
        yield from self._results_of(job, is_last=is_last)
        if is_last:
            return
        # Which members may be new is known only after the last result. The next stream's sweep must
        # not begin before that: its results would fill the window and wait until these are taken.
        is_new = member_request.new_member_test(self.sweep)
        if self.run.updated is not None:
            self._complete_updated(self.run.updated, is_new)
        if is_new is None or self.run.updated is not None:
            self.run.pool.begin_next(self.stream)
            return
        self.logger.info(
            "%s: reading members from `start_date` that the last sweep may not have read",
            self.stream,
        )
        run, start_date = self.run, self.run.settings.start_date
        requests = member_request.reread_requests(
            len(run.roster), run.user_ids.known_id, is_new, first, start_date
        )
        reread = run.pool.add(requests, self._fetcher(is_new))
        yield from self._results_of(reread, is_last=True)

    def _complete_updated(
        self, updated: UpdatedMembers, may_be_new: Callable[[int], bool] | None
    ) -> None:
        """Let the other streams know who is new to the roster, now that all profiles are read."""
        sweep = self.sweep

        def is_new(user_id: int) -> bool:
            return sweep.is_new_member(user_id) or (may_be_new is not None and may_be_new(user_id))

        updated.complete(sweep.known_digest, self.run.user_ids.known_id, is_new, self.run.missing)

    def _results_of(
        self, job: SweepJob[MemberRequest, MemberResult], *, is_last: bool
    ) -> Iterator[tuple[MemberRequest, MemberResult]]:
        """Yield results; if this is the stream's last job, let the next stream begin early."""
        has_begun_next = not is_last
        for result in self.run.pool.results(job):
            # Every member of this job is under way, so workers would soon be idle.
            if job.exhausted and not has_begun_next:
                self.run.pool.begin_next(self.stream)
                has_begun_next = True
            yield result
            self.run.on_wait()

    def _requests(self) -> Iterator[MemberRequest]:
        start_date = self.run.settings.start_date
        return member_request.requests_of(self.run.roster, self.sweep, start_date, self.updated)

    def _fetcher(
        self, is_new: Callable[[int], bool] | None = None
    ) -> Callable[[MemberRequest], MemberResult]:
        """Return the function that workers call for each request.

        Args:
            is_new: with it, members that turn out not to be new are not read.
        """

        def fetch(request: MemberRequest) -> MemberResult:
            # Evaluate the bound after reading: it depends on the member's number, which reading
            # may have looked up.
            try:
                if is_new is not None and not is_new(self.run.user_ids.user_id(request.position)):
                    return MemberResult([], request.since, self.run.now())
                rows = self.read(request, self.sweep)
            except FatalApiError:
                raise
            except ApiError as error:
                return MemberResult([], self._since(request), self.run.now(), error)
            return MemberResult(rows, self._since(request), self.run.now())

        return fetch

    def _since(self, request: MemberRequest) -> datetime | None:
        user_ids, start_date = self.run.user_ids, self.run.settings.start_date
        return member_request.since_of(request, self.sweep, user_ids, start_date)


class ActiveSweep(NamedTuple):
    """A sweep that has begun.

    Attributes:
        sweep: how far it is.
        plan: what its bounds were decided by.
        reader: reads its members.
        job: its results to come; None in a dry run, which reads members without the worker pool.
        first: the position in the roster at which this run began.
    """

    sweep: SweepState
    plan: SweepPlan
    reader: MemberReader
    job: SweepJob[MemberRequest, MemberResult] | None
    first: int

    @property
    def bounds(self) -> SweepBounds:
        """The time span of the sweep."""
        return SweepBounds(self.sweep.started_at, self.sweep.since, is_resumed=self.first > 0)

    def results(self) -> Iterator[tuple[MemberRequest, MemberResult]]:
        """Return the results in the order of the requests."""
        if self.job is None:
            return self.reader.read_in_turn()
        return self.reader.results(self.job, self.first)

"""The objects that the streams of one run share."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.auth import HeaderKey, HmacSignature, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.members.missing_members import MissingMembers
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.members.roster_files import located_in_files, located_in_setting
from tap_crowdtwist.members.user_ids import UserIdLookup
from tap_crowdtwist.sync.changed_members import LACKS_MEMBERS, ChangeFiles, changed_roster
from tap_crowdtwist.sync.progress import Progress
from tap_crowdtwist.sync.shutdown import StopSignal
from tap_crowdtwist.sync.updated_members import NewestRows, UpdatedMembers, updated_members
from tap_crowdtwist.sync.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from requests.auth import AuthBase

    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.records.member_id import Member
    from tap_crowdtwist.sync.stats import StreamStats


UNKNOWN_CHANGES = "who changed is not known"
"""Reason to read no member."""

ONLY_SAMPLE = "only a sample of the members was read"
"""Reason for which streams of members are not complete, with `sample_members`."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(timezone.utc)


class SyncRun:
    """The shared objects of a run. Those that are costly are built when first needed.

    Args:
        settings: the validated settings.
        user_agent: the User-Agent of all requests.
        now: returns the current time, aware, in UTC.
        clock: monotonic clock, in seconds.
        transport: sends the requests; built from the settings if not given.
    """

    def __init__(
        self,
        settings: Settings,
        user_agent: str,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        transport: Transport | None = None,
    ) -> None:
        self.settings = settings
        self.user_agent = user_agent
        self.now = now
        self.clock = clock
        self.run_id = uuid.uuid4().hex
        self.begun_at = now()
        self.stop = StopSignal()
        # A result weighs as much as its rows, so long histories cannot fill the memory.
        self.pool = WorkerPool(
            settings.max_concurrency, self.on_wait, weight_of=lambda result: len(result.rows)
        )
        transport = transport or Transport(
            settings.max_concurrency, settings.request_timeout, user_agent
        )
        self.client = build_client(settings, transport, self.stop, self.pool)
        self.all_stats: dict[str, StreamStats] = {}
        self.failures: list[str] = []
        """Reasons why streams were given up, one sentence each; the other streams continue."""
        self.missing = MissingMembers()
        self.updated: UpdatedMembers | None = None
        """Who is read besides the profiles, if not everybody."""
        self.newest_rows: NewestRows | None = None
        """The dates to compare with the profiles, in a sweep of all members that reads them."""
        self.skip_reason = ""
        """Reason to read no member at all, or ""."""
        self.roster_gap = ONLY_SAMPLE if settings.sample_members else ""
        """Reason for which the roster lacks members that it should have, or ""."""
        self.error: Exception | None = None
        """The error that ends the run before all streams are read, if there is one."""
        self.is_resumed = False
        """Whether this run resumes an interrupted one."""
        self._progress = Progress(self.client.stats, clock, lambda: self.client.paused_until)

    @cached_property
    def roster(self) -> Roster:
        """The members to read."""
        return build_roster(self.settings)

    @cached_property
    def feeds(self) -> ChangeFiles | None:
        """The files that say who changed, as listed at the beginning of the run, if there are any.

        Raises:
            SettingError: the files cannot be listed, and `sweep_members` is changed.
        """
        if not self.settings.data_push_path:
            return None
        try:
            feeds = ChangeFiles(self.settings, self.now())
        except SettingError as error:
            if self.settings.only_changed:
                raise
            # A sweep of all members does not need the files, so only the exit code suffers.
            self.fail(error)
            return None
        for problem in feeds.problems:
            self.fail(problem)
        return feeds

    def fail(self, reason: Exception | str) -> None:
        """Record why something is given up; the same message only once."""
        message = str(reason)
        if message not in self.failures:
            self.failures.append(message)

    def find_changed_members(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the roster to the members that changed; skip member streams if it is unknown who.

        Args:
            states: the states of the member streams, by name.
        """
        try:
            assert self.feeds is not None  # noqa: S101 - ensured by the settings
            self.roster = changed_roster(self.feeds, states, self.settings, self.fail, self.now())
        except TapError as error:
            self.skip_reason = UNKNOWN_CHANGES
            self.fail(error)
            return
        # All failures so far are about the files that say who changed.
        self.roster_gap = LACKS_MEMBERS if self.failures else ""

    def find_updated_members(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Prepare to find the members that were updated; skip member streams if that is impossible.

        Args:
            states: the states of the member streams, by name.
        """
        members = len(self.roster)
        try:
            self.updated = updated_members(states, members, self.now())
        except TapError as error:
            self.skip_reason = UNKNOWN_CHANGES
            self.fail(error)

    def compare_profiles(self) -> None:
        """Prepare to compare the profiles of all members with their newest rows."""
        self.newest_rows = NewestRows(len(self.roster), self.begun_at)

    @cached_property
    def user_ids(self) -> UserIdLookup:
        """The CrowdTwist ids of the roster's members."""
        return UserIdLookup(self.roster, self.client)

    def progress(
        self, stream: str, stats: StreamStats, members: int
    ) -> AbstractContextManager[None]:
        """Report the progress of a stream's sweep while the context is open."""
        return self._progress.of(stream, stats, members)

    def on_wait(self) -> None:
        """Report progress; raise if a stop was requested.

        Raises:
            StoppedError: the run was asked to stop.
        """
        self._progress.tick()
        self.stop.raise_if_stopped()

    def close(self) -> None:
        """Stop the workers and close every connection."""
        # First the stop request: it ends the waits of workers between two attempts.
        self.stop.request_stop()
        self.pool.close()
        self.client.close()


def build_client(
    settings: Settings, transport: Transport, stop: StopSignal, pool: WorkerPool
) -> Client:
    """Build the API client from the settings."""
    key = HeaderKey(settings.api_key)
    main: AuthBase = key
    if settings.auth_method == "query":
        main = QueryKey(settings.api_key)
    elif settings.auth_method == "hmac":
        main = HmacSignature(
            *settings.hmac_keys, timestamp=settings.hmac_timestamp, digest=settings.hmac_digest
        )
    return Client(
        settings.urls,
        {Host.MAIN: main, Host.POS: key},
        transport,
        RateLimiter(settings.requests_per_minute, sleep=stop.sleep),
        max_retries=settings.max_retries,
        run_concurrently=pool.run_concurrently,
        sleep=stop.sleep,
    )


def build_roster(settings: Settings) -> Roster:
    """Read the roster that the settings name.

    Raises:
        SettingError: the settings name no roster, it is empty, or it cannot be read.
    """
    if not settings.user_ids and settings.user_ids_path is None:
        raise SettingError(
            "user_ids_path",
            "no members are given; CrowdTwist cannot list them, so set a file here or ids in "
            "`user_ids`, or select only activities, rewards and badges",
        )
    pseudonymize = settings.policy.pseudonymize if settings.policy.mode != "keep" else None
    members = (member for _, member in _located_members(settings))
    roster = Roster(members, settings.id_type, settings.shard, pseudonymize)
    return roster.sample(settings.sample_members) if settings.sample_members else roster


def _located_members(settings: Settings) -> Iterator[tuple[str, Member]]:
    """Yield the members of the roster, each with its place as text, such as a line of a file."""
    id_type = settings.id_type
    yield from located_in_setting(settings.user_ids, id_type)
    if settings.user_ids_path is not None:
        path, column = settings.user_ids_path, settings.user_ids_column
        yield from located_in_files(path, id_type, column, settings.remote_access)


def roster_lines_of(members: Collection[Member], settings: Settings) -> list[str]:
    """Return the places of some members in the roster, as text without their ids.

    The roster is read again, because line numbers are not kept in memory. If it can be read only
    once (a pipe), the list is empty.
    """
    places: dict[Member, str] = {}
    with suppress(SettingError):
        for place, member in _located_members(settings):
            if member in members:
                places.setdefault(member, place)
                if len(places) == len(members):
                    break
    return list(places.values())

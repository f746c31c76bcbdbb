"""What the streams of one run share."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from tap_crowdtwist.api.auth import HeaderKey, HmacSignature, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.members.missing_members import MissingMembers
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.members.roster_files import located_in_files, located_in_setting
from tap_crowdtwist.members.user_ids import UserIdLookup
from tap_crowdtwist.sync.changed_members import ChangeFiles
from tap_crowdtwist.sync.progress import Progress
from tap_crowdtwist.sync.shutdown import StopSignal
from tap_crowdtwist.sync.stats import StreamStats
from tap_crowdtwist.sync.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from requests.auth import AuthBase
    from singer_sdk.streams import Stream

    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.records.member_id import Member


T = TypeVar("T")


def utc_now() -> datetime:
    """Give the present, aware, in UTC."""
    return datetime.now(timezone.utc)


class SyncRun:
    """The shared parts of a run, each built once, when it is first needed.

    Args:
        settings: the checked settings.
        user_agent: how the tap introduces itself.
        now: tells the present, aware, in UTC.
        clock: a monotonic clock, in seconds.
        transport: sends the requests; made from the settings if not given.
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
        self.stop = StopSignal()
        self.pool = WorkerPool(
            settings.max_concurrency, self.on_wait, weight_of=lambda result: len(result.rows)
        )
        transport = transport or Transport(
            settings.max_concurrency, settings.request_timeout, user_agent
        )
        self.client = build_client(settings, transport, self.stop, self.pool)
        self.all_stats: dict[str, StreamStats] = {}
        self.failures: list[str] = []
        """Why streams were given up, one sentence each; the others go on."""
        self.missing = MissingMembers()
        self.skip_reason = ""
        """Why no member is swept, or ""."""
        self.is_resumed = False
        """Whether it goes on with a run that was cut short."""
        self._progress = Progress(self.client.stats, clock, lambda: self.client.paused_until)

    @cached_property
    def roster(self) -> Roster:
        """Who to ask about."""
        return build_roster(self.settings)

    @cached_property
    def feeds(self) -> ChangeFiles | None:
        """The files that tell who changed, as they are at the beginning of the run.

        Raises:
            SettingError: they cannot be listed, although they are needed.
        """
        if not self.settings.data_push_path:
            return None
        try:
            feeds = ChangeFiles(self.settings, self.now())
        except SettingError as error:
            if self.settings.only_changed:
                raise
            self.fail(error)  # a sweep of all members needs no files
            return None
        for problem in feeds.problems:
            self.fail(problem)
        return feeds

    def fail(self, error: Exception) -> None:
        """Note why a stream is given up, once."""
        if str(error) not in self.failures:
            self.failures.append(str(error))

    @cached_property
    def user_ids(self) -> UserIdLookup:
        """The CrowdTwist ids of the roster's members."""
        return UserIdLookup(self.roster, self.client)

    def stream_stats(self, stream: str) -> StreamStats:
        """Give the tally of a stream."""
        return self.all_stats.setdefault(stream, StreamStats())

    def progress(self, stream: Stream) -> AbstractContextManager[None]:
        """Tell how far the sweep of a stream is, while it runs."""
        return self._progress.of(stream.name, self.stream_stats(stream.name), len(self.roster))

    def run_concurrently(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Let the workers do several things, and wait for all."""
        return self.pool.run_in_worker(partial(self.pool.run_concurrently, calls))

    def on_wait(self) -> None:
        """Do what has to be done from time to time: say how far it is, and stop if asked to.

        Raises:
            StoppedError: the run was asked to stop.
        """
        self._progress.tick()
        self.stop.raise_if_stopped()

    def close(self) -> None:
        """Stop the workers and close every connection."""
        self.stop.request_stop()
        self.pool.close()
        self.client.close()


def build_client(
    settings: Settings, transport: Transport, stop: StopSignal, pool: WorkerPool
) -> Client:
    """Build the API client that settings describe."""
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
    """Read the roster that settings describe.

    Raises:
        SettingError: there is none, it is empty, or it cannot be read.
    """
    if not settings.user_ids and settings.user_ids_path is None:
        raise SettingError(
            "user_ids_path",
            "no members are given; CrowdTwist cannot list them, so name a file here or ids in "
            "`user_ids`, or select only activities, rewards and badges",
        )
    pseudonymize = settings.policy.pseudonymize if settings.policy.mode != "keep" else None
    members = (member for _, member in _located_members(settings))
    return Roster(members, settings.id_type, settings.shard, pseudonymize)


def _located_members(settings: Settings) -> Iterator[tuple[str, Member]]:
    """Yield the members that settings name, each with its place in words."""
    chosen = settings.id_type
    yield from located_in_setting(settings.user_ids, chosen)
    if settings.user_ids_path is not None:
        path, column = settings.user_ids_path, settings.user_ids_column
        yield from located_in_files(path, chosen, column, settings.sftp_known_hosts)


def roster_lines_of(members: Collection[Member], settings: Settings) -> list[str]:
    """Return where the roster names some members, in words that hold none of their ids.

    The roster is read anew, since it keeps no lines. One that can be read only once has none.
    """
    places: dict[Member, str] = {}
    with suppress(SettingError):
        for place, member in _located_members(settings):
            if member in members:
                places.setdefault(member, place)
                if len(places) == len(members):
                    break
    return list(places.values())

"""What the streams of one run share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from tap_crowdtwist.api.auth import HeaderKey, HmacSignature, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.throttle import Throttle
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.identity import Identities
from tap_crowdtwist.roster import Roster
from tap_crowdtwist.sources import from_files, from_setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

    from tap_crowdtwist.settings import Settings


def utc_now() -> datetime:
    """Give the present, aware, in UTC."""
    return datetime.now(timezone.utc)


@dataclass
class Tally:
    """What became of one stream.

    Attributes:
        records: records written.
        asked: members asked about.
        missing: members that CrowdTwist does not know.
        failed: members that kept failing.
        unconfigured: members for whom the program lacks the resource.
        refused: rows left out for want of a key.
        skipped: why the stream was not read at all, or "".
        wrong_roster: whether so many members are missing that the roster must be wrong.
    """

    records: int = 0
    asked: int = 0
    missing: int = 0
    failed: int = 0
    unconfigured: int = 0
    refused: int = 0
    skipped: str = ""
    wrong_roster: bool = False


class Run:
    """The shared parts of a run, each built once, when it is first needed.

    Args:
        settings: the checked settings.
        user_agent: how the tap introduces itself.
        now: tells the present, aware, in UTC.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        user_agent: str,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.now = now
        self.clock = clock
        self.client = build_client(settings, user_agent)
        self.tallies: dict[str, Tally] = {}

    @cached_property
    def roster(self) -> Roster:
        """Who to ask about."""
        return build_roster(self.settings)

    @cached_property
    def identities(self) -> Identities:
        """The CrowdTwist ids of the roster's members."""
        return Identities(self.roster, self.client)

    def tally(self, stream: str) -> Tally:
        """Give the tally of a stream."""
        return self.tallies.setdefault(stream, Tally())

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


def build_client(settings: Settings, user_agent: str) -> Client:
    """Build the API client that settings describe."""
    main: AuthBase = {
        "query": lambda: QueryKey(settings.api_key),
        "header": lambda: HeaderKey(settings.api_key),
        "hmac": lambda: HmacSignature(*settings.hmac_keys),
    }[settings.auth_method]()
    return Client(
        settings.urls,
        {Host.MAIN: main, Host.POS: HeaderKey(settings.api_key)},
        Transport(settings.max_concurrency, settings.request_timeout, user_agent),
        Throttle(settings.requests_per_minute),
        max_retries=settings.max_retries,
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

    chosen = settings.id_type
    sources = [from_setting(settings.user_ids, chosen)]
    if settings.user_ids_path is not None:
        sources.append(from_files(settings.user_ids_path, chosen, settings.user_ids_column))
    return Roster(chain.from_iterable(sources), chosen, settings.shard)

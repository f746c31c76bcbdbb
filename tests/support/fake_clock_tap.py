"""Runs the tap against a sandbox that fails, in a time of its own: no wait of the tap takes any."""

from __future__ import annotations

import threading
import time
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from support.harness import PRESENT, Result, config_of, files_in, run_cli, select
from tap_crowdtwist.api.auth import HeaderKey, HmacSignature, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.config.settings import Settings
from tap_crowdtwist.sync.run import SyncRun
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.auth import AuthBase

    from crowdtwist_sandbox import Sandbox

MAX_BODY = 1 << 20
"""Bytes that an answer may have, far fewer than in real life, so that a bomb is cheap."""


class Time:
    """Passes as it does elsewhere, except that whoever wants to wait has waited already."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._skipped += max(seconds, 0.0)


class FakeClockTap(TapCrowdTwist):
    """The tap, living in that time."""

    __doc__ = TapCrowdTwist.__doc__
    now = staticmethod(lambda: PRESENT)

    @cached_property
    def run(self) -> SyncRun:
        settings = Settings.from_config(self.config)
        workers, clock, key = settings.max_concurrency, Time(), HeaderKey(settings.api_key)
        transport = Transport(workers, settings.request_timeout, "tap-crowdtwist/test", MAX_BODY)
        run = SyncRun(settings, "", self.now, self.clock, transport)
        main_host: dict[str, AuthBase] = {
            "query": QueryKey(settings.api_key),
            "header": key,
            "hmac": HmacSignature(
                *settings.hmac_keys,
                timestamp=settings.hmac_timestamp,
                digest=settings.hmac_digest,
            ),
        }
        run.client = Client(
            settings.urls,
            {Host.MAIN: main_host[settings.auth_method], Host.POS: key},
            transport,
            RateLimiter(10**7, clock, clock.sleep),
            max_retries=settings.max_retries,
            run_concurrently=run.pool.run_concurrently,
            sleep=clock.sleep,
        )
        return run


def sync(
    running: Sandbox, *streams: str, state: Mapping[str, Any] | None = None, **settings: Any
) -> Result:
    """Sync streams of a sandbox, with as many retries as by default."""
    config = config_of(running, **{"max_retries": 5, **settings})
    return run_with(config=config, state=state, catalog=select(*streams))


def run_with(**files: Mapping[str, Any] | None) -> Result:
    """Run the command line with the files that its options name."""
    with TemporaryDirectory() as folder:
        return run_main(*files_in(folder, **files))


def run_main(*args: str) -> Result:
    """Run the command line in this process."""
    return run_cli(*args, tap=FakeClockTap)

"""One pace for all requests of a run: every attempt of every worker passes here.

The ceiling of 10,000 requests a minute belongs to the whole program (Cloud Service Descriptions),
storefront included, so `requests_per_minute` is a promise over any minute: evenly spaced, without
bursts, and slower for everybody as soon as CrowdTwist refuses one request.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tap_crowdtwist.api.adaptive_rate import AdaptiveRate

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_SECONDS = 60.0
CATCH_UP_SECONDS = 0.1
"""Seconds of delay (a busy scheduler, a slow target) that may be made up for by hurrying."""


class RateLimiter:
    """Lets requests depart one by one.

    The spacing is computed for a minute plus the catch-up allowance, less the one request that
    fits on both ends of it, so that no 60 seconds ever see more than `per_minute` departures.

    Args:
        per_minute: the most requests to let through in any minute.
        clock: a monotonic clock, in seconds.
        sleep: waits for that many seconds; what it raises is raised to whoever was waiting.
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        """The clock that departures are told by."""
        self._sleep = sleep
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._rate = AdaptiveRate(max(per_minute - 1, 1) / (MINUTE_SECONDS + CATCH_UP_SECONDS))
        self._next_departure = clock()
        self._paused_until = self._next_departure
        self._paused = 0.0
        self.waited = 0.0
        """Seconds in which requests were ready to go but held back by the pace or a pause."""

    def acquire(self) -> float:
        """Wait until the next request may depart.

        Returns:
            The moment of departure, for `rate_limited`.
        """
        with self._gate:
            while True:
                with self._lock:
                    now = self.clock()
                    wait = max(self._next_departure, self._paused_until) - now
                    if wait <= 0:
                        spacing = 1 / self._rate.departed(now)
                        self._next_departure = (
                            max(self._next_departure, now - CATCH_UP_SECONDS) + spacing
                        )
                        return now
                    self.waited += wait
                self._sleep(wait)

    def working(self) -> float:
        """Read the clock without the pauses: it stands still while CrowdTwist has asked for one."""
        with self._lock:
            now = self.clock()
            return max(now, self._paused_until) - self._paused

    def rate_limited(self, departed: float, retry_after: float | None) -> float:
        """Slow everyone down, since CrowdTwist refused a request.

        Args:
            departed: when that request had departed.
            retry_after: seconds for which CrowdTwist asks to pause, or None if it did not say.

        Returns:
            Seconds by which the present pause, if there is one, gets longer.
        """
        with self._lock:
            now = self.clock()
            if self._rate.rate_limited(now, departed):
                self._next_departure = max(self._next_departure, now + 1 / self._rate.rate)
            longer = now + (retry_after or 0.0) - max(now, self._paused_until)
            if longer <= 0:
                return 0.0
            self._paused_until = max(now, self._paused_until) + longer
            self._paused += longer
            return longer

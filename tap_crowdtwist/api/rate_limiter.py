"""Rate limiter shared by all requests of a run: every attempt of every worker passes here.

The ceiling of 10,000 requests a minute applies to the whole program (Cloud Service Descriptions),
storefront included. So `requests_per_minute` caps any 60-second window: requests are evenly spaced,
without bursts, and a 429 slows every worker down.
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
"""Seconds of delay (a busy scheduler, a slow target) that later requests may make up for."""


class RateLimiter:
    """Lets requests depart one at a time. Safe to share between threads.

    No 60-second window ever has more than `per_minute` departures: the spacing is computed for a
    minute plus the catch-up allowance, and for one request less, since a window can include a
    departure at each of its ends.

    Args:
        per_minute: maximum number of departures in any 60 seconds.
        clock: monotonic clock, in seconds.
        sleep: waits for a number of seconds; an exception that it raises reaches the waiting
            caller.
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        """The clock on which departures are timed."""
        self._sleep = sleep
        self._gate = threading.Lock()
        self._lock = threading.Lock()
        self._rate = AdaptiveRate(max(per_minute - 1, 1) / (MINUTE_SECONDS + CATCH_UP_SECONDS))
        self._next_departure = clock()
        self._paused_until = self._next_departure
        self._paused_seconds = 0.0
        self.waited = 0.0
        """Seconds for which ready requests were held back by the rate or a pause, all workers."""

    def acquire(self) -> float:
        """Wait until the next request may depart.

        Returns:
            Time of the departure on `clock`, to be passed to `rate_limited`.
        """
        # Two locks: the gate admits one waiter at a time, which keeps departures in order. The
        # state's own lock is free while that waiter sleeps, so that a 429 can be recorded.
        with self._gate:
            while True:
                with self._lock:
                    now = self.clock()
                    wait = max(self._next_departure, self._paused_until) - now
                    if wait <= 0:
                        spacing = 1 / self._rate.record_departure(now)
                        # Spacing from the planned time, not from now, makes up for small delays.
                        # Older ones are dropped: they would come back as a burst.
                        planned = max(self._next_departure, now - CATCH_UP_SECONDS)
                        self._next_departure = planned + spacing
                        return now
                    self.waited += wait
                # The rate or the pause may have changed during the sleep: check again.
                self._sleep(wait)

    def unpaused_time(self) -> float:
        """Return the time on `clock` less all pauses: it stands still during a pause."""
        with self._lock:
            now = self.clock()
            # `_paused_seconds` includes the rest of the current pause, so time is taken at its end.
            return max(now, self._paused_until) - self._paused_seconds

    def rate_limited(self, departed: float, retry_after: float | None) -> float:
        """Slow every worker down because a request was answered with 429.

        Args:
            departed: when that request departed, as `acquire` returned it.
            retry_after: seconds to pause as CrowdTwist asked, or None if it did not say.

        Returns:
            Seconds by which this extends the current pause, or starts one; 0.0 if it does not.
        """
        with self._lock:
            now = self.clock()
            if self._rate.rate_limited(now, departed):
                self._next_departure = max(self._next_departure, now + 1 / self._rate.rate)
            extension = now + (retry_after or 0.0) - max(now, self._paused_until)
            if extension <= 0:
                return 0.0
            self._paused_until = max(now, self._paused_until) + extension
            self._paused_seconds += extension
            return extension

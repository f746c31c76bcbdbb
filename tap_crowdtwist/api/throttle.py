"""One pace for all requests of a run: every attempt of every worker passes here.

The ceiling of 10,000 requests a minute belongs to the whole program (Cloud Service Descriptions),
storefront included, so the pace is a promise: even, without bursts, and slower for everybody as
soon as CrowdTwist refuses one request.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0
CATCH_UP = 0.1
"""Seconds of delay (a busy scheduler, a slow target) that may be made up for by hurrying."""


class Throttle:
    """Hands out departure times, evenly spaced.

    At most `per_minute` requests depart in any 60 seconds: the spacing is computed for the
    minute plus the catch-up allowance, so that even a hurried stretch keeps the promise.

    Args:
        per_minute: the most requests to let through in any minute.
        clock: a monotonic clock, in seconds.
        sleep: waits for that many seconds.
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._fastest = (MINUTE + CATCH_UP) / max(per_minute - 1, 1)
        self._spacing = self._fastest
        self._next = clock()
        self.waited = 0.0

    def acquire(self) -> None:
        """Wait until the next request may depart."""
        with self._lock:
            now = self._clock()
            departure = max(self._next, now - CATCH_UP)
            self._next = departure + self._spacing
        wait = departure - now
        if wait > 0:
            self._sleep(wait)
            with self._lock:
                self.waited += wait

    def refused(self, retry_after: float | None) -> None:
        """Slow everyone down, since CrowdTwist refused a request.

        Args:
            retry_after: seconds that CrowdTwist asks to pause for, or None where it did not say.
        """
        with self._lock:
            now = self._clock()
            if retry_after is not None:
                self._next = max(self._next, now + retry_after)
            else:
                self._spacing *= 2
                self._next = max(self._next, now + self._spacing)

    def answered(self) -> None:
        """Recover a little of the pace, since CrowdTwist answered."""
        if self._spacing > self._fastest:
            with self._lock:
                self._spacing = max(self._fastest, self._spacing * 0.99)

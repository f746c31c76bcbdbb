"""Adaptive request rate: the decision alone, without clocks or threads.

CrowdTwist documents a ceiling per program but not how it enforces it (no vendor page mentions 429),
and the brand's storefront draws on the same budget. So the rate adapts: a 429 halves it briefly,
to let the budget recover. It then returns to just below the limited rate and, while no further 429
arrives, probes for more in growing steps.
"""

from __future__ import annotations

from collections import deque

DRAIN_SECONDS = 0.5
"""Seconds at half the limited rate after a 429."""

ECHO_SECONDS = 0.3
"""Seconds after a 429 in which further ones are its echoes: they met the same empty budget."""

RECOVERY_STEPS = ((0.85, 1.0), (0.95, 10.0))
"""Steps after draining: fraction of the limited rate, and seconds for which it is held."""

PROBE_INCREASE = 0.02
"""Fraction added by the first probe after recovery; doubled with each probe that meets no 429."""

PROBE_SECONDS = 10.0
"""Seconds between two probes."""

_MIN_REQUESTS_PER_SECOND = 1 / 60
"""Even a host that answers every request with 429 is asked once a minute."""


class AdaptiveRate:
    """Number of requests to send per second, adapted to the 429s received.

    All times are seconds on one monotonic clock. Not thread-safe: the caller holds a lock.

    Args:
        max_rate: upper limit, in requests per second.
    """

    def __init__(self, max_rate: float) -> None:
        self.rate = max_rate
        self._max_rate = max_rate
        self._limited_rate = max_rate
        self._limited_at = float("-inf")
        self._changed_at = 0.0
        self._hold_seconds: float | None = None
        self._step = 0
        self._increase = PROBE_INCREASE
        self._departures: deque[float] = deque(maxlen=512)

    def record_departure(self, now: float) -> float:
        """Record that a request departs now, and return the rate that applies from now on.

        Args:
            now: time of the departure.
        """
        self._departures.append(now)
        # Several holds may have expired since the last departure; each is taken in its turn, so
        # that an idle period ends at the same rate as a busy one.
        while self._hold_seconds is not None and now - self._changed_at >= self._hold_seconds:
            self._changed_at += self._hold_seconds
            self._raise_rate()
        return self.rate

    def rate_limited(self, now: float, departed: float) -> bool:
        """Cut the rate because a request was answered with 429.

        Args:
            now: when the 429 was received.
            departed: when that request departed.

        Returns:
            Whether the rate was cut; False for an echo of a 429 that was already acted on.
        """
        if departed < self._limited_at + ECHO_SECONDS:
            return False
        # What was really sent in the second before counts, not the nominal rate: slow workers may
        # use less of it. A quarter is the floor, for a 429 after a nearly idle second.
        sent = sum(departed - 1.0 < departure <= departed for departure in self._departures)
        observed_rate = max(sent, self.rate / 4)
        self._limited_rate = max(min(self.rate, observed_rate), _MIN_REQUESTS_PER_SECOND)
        self.rate = max(self._limited_rate / 2, _MIN_REQUESTS_PER_SECOND)
        self._limited_at = self._changed_at = now
        self._hold_seconds, self._step, self._increase = DRAIN_SECONDS, 0, PROBE_INCREASE
        return True

    def _raise_rate(self) -> None:
        if self._step < len(RECOVERY_STEPS):
            fraction, self._hold_seconds = RECOVERY_STEPS[self._step]
            self.rate = self._limited_rate * fraction
            self._step += 1
        else:
            self.rate *= 1 + self._increase
            self._increase *= 2
            self._hold_seconds = PROBE_SECONDS
        if self.rate >= self._max_rate:
            self.rate, self._hold_seconds = self._max_rate, None

"""The request limit that both hosts share.

The service description grants 10,000 requests a minute per program instance. How the live service
enforces it is not documented; integrators see 429 and describe a leaky bucket.
"""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60


class Bucket:
    """A token bucket that is refilled evenly and holds one second's worth of requests."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_minute / _MINUTE
        # A larger bucket would let far more than the limit pass in the minute after a pause.
        self._capacity = max(1.0, self._rate)
        self._tokens = self._capacity
        self._clock = clock
        self._refilled_at = clock()

    def take(self) -> float:
        """Spend one token and return 0; without one, return the seconds until the next."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


def retry_after(policy: str, wait: float) -> str | None:
    """Return the value of Retry-After for a policy: "seconds", "none", or a fixed number."""
    if policy == "none":
        return None
    return str(ceil(wait)) if policy == "seconds" else policy

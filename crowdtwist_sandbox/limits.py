"""The request limit that both hosts share.

The service description grants 10,000 requests a minute per program instance; how the live service
refuses is not documented, but integrators see 429 and describe a leaky bucket.
"""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60


class Bucket:
    """A token bucket, refilled evenly, that holds about one second's worth of requests."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate = per_minute / _MINUTE
        self._capacity = max(1.0, self._rate)
        self._tokens = self._capacity
        self._clock = clock
        self._at = clock()

    def take(self) -> float:
        """Spend one token; tell how many seconds to wait where there is none, else 0."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


def retry_after(policy: str, wait: float) -> str | None:
    """The value of Retry-After under a policy: "seconds", "none", or a fixed number."""
    if policy == "none":
        return None
    return str(ceil(wait)) if policy == "seconds" else policy

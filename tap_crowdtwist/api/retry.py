"""Retry decisions: how often and how long to retry a request. No clocks, no threads."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import backoff

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)

MAX_BACKOFF_SECONDS = 60.0
"""Maximum backoff between two attempts, in seconds; pauses that CrowdTwist asks for come on top."""

RETRY_DEADLINE_SECONDS = 15 * 60.0
"""Seconds after the first attempt of a request within which its last attempt must begin. Pauses
that CrowdTwist asks for do not count."""

MAX_PAUSE_SECONDS = 24 * 60 * 60.0
"""Maximum total of the pauses that CrowdTwist may ask for on one request, in seconds."""

MAX_RATE_LIMITED = 100
"""Number of 429s that one request may receive; with the next one it has failed."""


class RetryBudget:
    """Attempts that one request has left, limited in number and in time.

    The backoff is exponential with full jitter (between zero and the bound), so that workers whose
    requests failed together do not retry together.

    Args:
        max_retries: attempts after the first; those answered with 429 are counted separately.
        began: when the first attempt departed, in seconds on a monotonic clock that stands still
            while CrowdTwist has asked everybody to pause (`RateLimiter.unpaused_time`).
    """

    def __init__(self, max_retries: int, began: float) -> None:
        self._max_retries = max_retries
        self._began = began
        self._pause_seconds = 0.0
        self._backoff_bounds = backoff.expo(base=2, factor=1, max_value=MAX_BACKOFF_SECONDS)
        next(self._backoff_bounds)  # the first value is a placeholder, not a bound
        self.failures = 0
        self.rate_limited_count = 0

    def may_pause(self, seconds: float) -> bool:
        """Add a pause that CrowdTwist asks for; return whether the total is still acceptable."""
        self._pause_seconds += seconds
        return self._pause_seconds <= MAX_PAUSE_SECONDS

    def record_failure(self, now: float, pause: float) -> float | None:
        """Record a failed attempt.

        Args:
            now: current time, on the clock of `began`.
            pause: seconds to wait as the response asks, or 0.

        Returns:
            Seconds to wait before the next attempt, or None if no attempt is left.
        """
        self.failures += 1
        wait = backoff.full_jitter(next(self._backoff_bounds))
        can_retry = self.failures <= self._max_retries and self._is_in_time(now + wait)
        self._began += pause  # moves the deadline on, since pauses do not count
        return pause + wait if can_retry else None

    def record_rate_limit(self, now: float) -> bool:
        """Record a 429; return whether an attempt is left.

        No wait is returned: the rate limiter makes every request wait.
        """
        self.rate_limited_count += 1
        return self.rate_limited_count <= MAX_RATE_LIMITED and self._is_in_time(now)

    def _is_in_time(self, time: float) -> bool:
        return time - self._began <= RETRY_DEADLINE_SECONDS


def retry_after(value: str | None, now: datetime) -> float | None:
    """Parse a Retry-After header: seconds or a date. Of several values the longest wait counts.

    Args:
        value: the header's value; repeated headers are joined by commas.
        now: current time, for dates.

    Returns:
        Seconds to wait, possibly infinite, or None if the header is missing or unreadable.
    """
    # A comma also follows the weekday of a date, which can be parsed without it.
    waits = [_parse_seconds(part.strip(), now) for part in (value or "").split(",")]
    return max((seconds for seconds in waits if seconds is not None), default=None)


def _parse_seconds(text: str, now: datetime) -> float | None:
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        parsed = parsedate_to_datetime(text)
    except (OverflowError, TypeError, ValueError):
        return None
    # A date without a zone, or with -0000, is parsed as naive; HTTP dates are in UTC.
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
    return max((aware - now).total_seconds(), 0.0)

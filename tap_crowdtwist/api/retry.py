"""How long to go on with a request that fails: the decision alone, without clocks or threads."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import backoff

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)

MAX_BACKOFF_SECONDS = 60.0
"""Seconds that the client waits by its own choice between two attempts, at the most."""

RETRY_DEADLINE_SECONDS = 15 * 60.0
"""Seconds after its first attempt in which another attempt of a request may begin. Pauses that
CrowdTwist asked for do not count."""

MAX_PAUSE_SECONDS = 24 * 60 * 60.0
"""Seconds that CrowdTwist may ask one request to pause, all its answers together."""

MAX_RATE_LIMITED = 100
"""How often one request may be told to slow down before it counts as failed."""


class RetryBudget:
    """The attempts of one request, bounded in number and in time.

    Waits between attempts grow exponentially, with full jitter: each is anything between nothing
    and its bound, so that workers who failed together do not come back together.

    Args:
        max_retries: attempts after the first; being told to slow down is counted apart.
        began: when the first attempt departed, in seconds on a clock that never runs backwards,
            and stands still while CrowdTwist has asked everybody to pause.
    """

    def __init__(self, max_retries: int, began: float) -> None:
        self._max_retries = max_retries
        self._began = began
        self._asked = 0.0
        self._bounds = backoff.expo(base=2, factor=1, max_value=MAX_BACKOFF_SECONDS)
        next(self._bounds)
        self.failures = 0
        self.rate_limited_count = 0

    def may_pause(self, seconds: float) -> bool:
        """Note for how long an answer asks to pause; return whether to keep to it."""
        self._asked += seconds
        return self._asked <= MAX_PAUSE_SECONDS

    def failed(self, now: float, pause: float) -> float | None:
        """Note a failure.

        Args:
            now: the present, on the clock that `began` is of.
            pause: seconds for which the answer asks to wait.

        Returns:
            Seconds to wait before the next attempt, or None where there is none left.
        """
        self.failures += 1
        wait = backoff.full_jitter(next(self._bounds))
        more = self.failures <= self._max_retries and self._in_time(now + wait)
        self._began += pause  # it does not count
        return pause + wait if more else None

    def rate_limited(self, now: float) -> bool:
        """Note that the answer was to slow down; return whether there is an attempt left.

        The waiting is the throttle's, since it is for every request.
        """
        self.rate_limited_count += 1
        return self.rate_limited_count <= MAX_RATE_LIMITED and self._in_time(now)

    def _in_time(self, moment: float) -> bool:
        return moment - self._began <= RETRY_DEADLINE_SECONDS


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date, or several of them, of which the latest counts.

    Args:
        value: the header's value; headers that came twice are joined by commas.
        now: the present, for dates.

    Returns:
        Seconds to wait, maybe infinite, or None where the header is missing or unreadable.
    """
    # A comma also stands behind the weekday of a date, which can be read without it.
    parts = [_seconds(part.strip(), now) for part in (value or "").split(",")]
    return max((seconds for seconds in parts if seconds is not None), default=None)


def _seconds(text: str, now: datetime) -> float | None:
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (OverflowError, TypeError, ValueError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max((aware - now).total_seconds(), 0.0)

"""How long to go on with a request that fails: the decision alone, without clocks or threads."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import backoff

LONGEST_WAIT = 60.0
"""Seconds that the client waits by its own choice between two attempts, at the most."""

PATIENCE = 15 * 60.0
"""Seconds after its first attempt in which another attempt of a request may begin; also the longest
Retry-After that is heeded."""

REFUSALS = 100
"""How often one request may be told to slow down before it counts as failed."""


class Retries:
    """The attempts of one request, bounded in number and in time.

    Waits between attempts grow exponentially, with full jitter: each is anything between nothing
    and its bound, so that workers who failed together do not come back together.

    Args:
        most: attempts after the first; being told to slow down is counted apart.
        began: when the first attempt departed, in seconds on a clock that never runs backwards.
    """

    def __init__(self, most: int, began: float) -> None:
        self._most = most
        self._began = began
        self._bounds = backoff.expo(base=2, factor=1, max_value=LONGEST_WAIT)
        next(self._bounds)
        self.failures = 0
        self.refusals = 0

    def failed(self, now: float, pause: float | None) -> float | None:
        """Note a failure.

        Args:
            now: the present, on the clock that `began` is of.
            pause: seconds for which the answer asks to wait, if it does.

        Returns:
            Seconds to wait before the next attempt, or None where there is none left.
        """
        self.failures += 1
        wait = (pause or 0.0) + backoff.full_jitter(next(self._bounds))
        return wait if self.failures <= self._most and self._in_time(now + wait) else None

    def refused(self, now: float, pause: float | None) -> bool:
        """Note that the answer was to slow down; tells whether there is an attempt left.

        The waiting is the throttle's, since it is for every request.
        """
        self.refusals += 1
        return self.refusals <= REFUSALS and self._in_time(now + (pause or 0.0))

    def _in_time(self, moment: float) -> bool:
        return moment - self._began <= PATIENCE


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date; clamped to `PATIENCE`.

    Args:
        value: the header's value.
        now: the present, for dates.

    Returns:
        Seconds to wait, or None where the header is missing or unreadable.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            when = parsedate_to_datetime(text)
        except (OverflowError, TypeError, ValueError):
            return None
        aware = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        seconds = (aware - now).total_seconds()
    return min(max(seconds, 0.0), PATIENCE)

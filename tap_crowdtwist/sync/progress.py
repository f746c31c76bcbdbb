"""Progress of a sweep: a log line every ten seconds, or a progress bar on a terminal."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_crowdtwist.api.request_stats import RequestStats
    from tap_crowdtwist.sync.stats import StreamStats

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
"""Interval between two log lines, in seconds."""

MINUTE_SECONDS = 60.0


class Progress:
    """Reports the progress of one sweep at a time.

    Args:
        stats: counts of all requests so far.
        clock: monotonic clock, in seconds.
        paused_until: returns until when CrowdTwist asked all workers to pause; "" if it did not.
    """

    def __init__(
        self,
        stats: RequestStats,
        clock: Callable[[], float],
        paused_until: Callable[[], str] = lambda: "",
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._paused_until = paused_until
        self._stream = ""
        self._stats_of_stream: StreamStats | None = None
        self._total = 0
        self._began = self._logged = self._ticked = 0.0
        self._sent = 0
        self._bar: tqdm[Any] | None = None

    @contextmanager
    def of(self, stream: str, stats: StreamStats, total: int) -> Iterator[None]:
        """Report the progress of a sweep while the context is open.

        Args:
            stream: name of the stream.
            stats: its counts, which grow meanwhile.
            total: members in the roster.
        """
        self._stream, self._stats_of_stream, self._total = stream, stats, total
        self._began = self._logged = self._ticked = self._clock()
        self._sent = self._stats.requests.total()
        with ExitStack() as stack:
            stack.callback(self._end)
            if sys.stderr.isatty():
                stack.enter_context(logging_redirect_tqdm())
                self._bar = stack.enter_context(tqdm(total=total, desc=stream, unit="member"))
                stack.callback(self.tick)
            yield

    def _end(self) -> None:
        self._stats_of_stream = self._bar = None

    def tick(self) -> None:
        """Update the bar, or log a line if the interval is over."""
        stats = self._stats_of_stream
        if stats is None:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(self._pause(), refresh=False)
            self._bar.update(stats.asked - self._bar.n)
            return
        now = self._clock()
        if self._pause():
            # Move the start along with a pause, so that pauses do not count in the time per member.
            self._began += now - self._ticked
        self._ticked = now
        if now - self._logged >= INTERVAL_SECONDS:
            logger.info("%s", self.line(stats, now))
            self._logged, self._sent = now, self._stats.requests.total()

    def line(self, stats: StreamStats, now: float) -> str:
        """Return the log line: progress, speed, and an estimate of the time left."""
        sent = self._stats.requests.total() - self._sent
        pace = sent * MINUTE_SECONDS / max(now - self._logged, 0.001)
        pause = self._pause()
        left = pause or "time left unknown"
        if stats.asked and not pause:
            seconds_each = (now - self._began) / stats.asked
            seconds_left = seconds_each * (self._total - stats.asked)
            left = f"about {_format_seconds(seconds_left)} left in this stream"
        return (
            f"{self._stream}: {stats.asked:,} of {self._total:,} members, "
            f"{stats.records:,} records, {pace:,.0f} requests a minute, "
            f"{self._stats.rate_limited.total():,} rate-limited and "
            f"{self._stats.retried.total():,} retried "
            f"so far, {left}"
        )

    def _pause(self) -> str:
        until = self._paused_until()
        return f"paused until {until}, as CrowdTwist asked (Retry-After)" if until else ""


def _format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

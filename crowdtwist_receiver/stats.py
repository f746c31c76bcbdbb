"""Counts of the receiver, of which those of each minute are logged, and its log lines."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_REPORT_INTERVAL_SECONDS = 60


def log(message: str) -> None:
    """Write a line to standard error; ignore that it is closed."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"crowdtwist-receiver: {message}\n")
        sys.stderr.flush()


class ReceiverStats:
    """Counts since the start.

    Attributes:
        responses: responses by status and, if the request was rejected, reason.
        events: stored events by feed, and the number of repaired bodies.
        disk: commits, failed commits, syncs and removed captures.

    Args:
        clock: monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.responses: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.disk: Counter[str] = Counter()
        self._clock = clock
        self._since = clock()
        self._reported: dict[str, Counter[str]] = {}

    def count_response(self, status: int, reason: str = "") -> None:
        """Count a response; the reason must hold nothing of the request."""
        self.responses[f"{status} {reason}".rstrip()] += 1

    def report_if_due(self) -> None:
        """Log the counts if the last report was a minute ago."""
        if self._clock() - self._since >= _REPORT_INTERVAL_SECONDS:
            self.report()

    def report(self) -> None:
        """Log the counts since the last report."""
        now = self._clock()
        totals = {
            "stored": self.events.copy(),
            "responses": self.responses.copy(),
            "disk": self.disk.copy(),
        }
        sections = [
            f"{name}: {', '.join(f'{count} x {label}' for label, count in sorted(new.items()))}"
            for name, counts in totals.items()
            if (new := counts - self._reported.get(name, Counter()))
        ]
        log(f"last {now - self._since:.0f} s: {'; '.join(sections) or 'no activity'}")
        self._reported = totals
        self._since = now

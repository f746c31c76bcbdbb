"""What the receiver says of itself: a line a minute, and what went wrong."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60


def say(sentence: str) -> None:
    """Write a line to standard error; that nobody reads it is no reason to stop."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"crowdtwist-receiver: {sentence}\n")
        sys.stderr.flush()


class ReceiverStats:
    """Counts, and says the counts every minute.

    Attributes:
        answers: by status and, if refused, reason.
        events: stored ones, by feed; and how many bodies were not quite JSON.
        disk: what was asked of the disk: commits, syncs.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.disk: Counter[str] = Counter()
        self._clock = clock
        self._since = clock()

    def answered(self, status: int, reason: str = "") -> None:
        """Count an answer; the reason is ours, and says nothing of the request."""
        self.answers[f"{status} {reason}".rstrip()] += 1

    def tick(self) -> None:
        """Say the counts, if the last time was a minute ago."""
        if self._clock() - self._since >= _MINUTE:
            self.report()

    def report(self) -> None:
        """Say the counts since the last time."""
        now = self._clock()
        said = [
            f"{what}: {', '.join(f'{number} x {name}' for name, number in sorted(counts.items()))}"
            for what, counts in (
                ("stored", self.events),
                ("answered", self.answers),
                ("disk", self.disk),
            )
            if counts
        ]
        say(f"in {now - self._since:.0f} s {'; '.join(said) or 'nothing'}")
        self.events.clear()
        self.answers.clear()
        self.disk.clear()
        self._since = now

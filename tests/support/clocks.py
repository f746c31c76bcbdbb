"""Time that passes only when somebody waits for it."""

from __future__ import annotations

import threading


class FakeClock:
    """A clock whose sleepers advance it; safe to share between threads."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += max(seconds, 0.0)

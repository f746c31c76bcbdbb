"""The sandbox's own calendar: it stands at the end of a day until someone advances it."""

from __future__ import annotations

from datetime import date, timedelta
from threading import Lock
from typing import Any

LAST_DAY = 3650


class Clock:
    """Counts days from the date of day 0."""

    def __init__(self, today: date) -> None:
        self._first = today
        self._lock = Lock()
        self.day = 0

    def advance(self, days: int) -> None:
        """Let days pass.

        Raises:
            ValueError: for less than one day, or more than ten years in all.
        """
        with self._lock:
            if days < 1 or self.day + days > LAST_DAY:
                raise ValueError(f"days: must be 1 or more, and {LAST_DAY} in all at most")
            self.day += days

    def face(self) -> dict[str, Any]:
        """The day's number, its date, and the instant at which the sandbox stands."""
        today = self._first + timedelta(days=self.day)
        return {"day": self.day, "today": str(today), "now": f"{today}T23:59:59Z"}

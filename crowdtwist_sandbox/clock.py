"""The sandbox's calendar: always the last second of a day, moved by `advance` only."""

from __future__ import annotations

from datetime import date, timedelta
from threading import Lock
from typing import Any

LAST_DAY = 3650
"""Number of the last day, counted from 0; ten years."""


class Clock:
    """A counter of days since day 0."""

    def __init__(self, today: date) -> None:
        self._first = today
        self._lock = Lock()
        self.day = 0

    def advance(self, days: int) -> None:
        """Move forward by a number of days.

        Raises:
            ValueError: less than one day, or beyond `LAST_DAY`.
        """
        with self._lock:
            if days < 1 or self.day + days > LAST_DAY:
                raise ValueError(f"days: must be 1 or more, and {LAST_DAY} in all at most")
            self.day += days

    def chosen(self, day: int | None) -> int:
        """Return the day that was asked for, or the current one for None.

        Raises:
            ValueError: the day is negative.
        """
        chosen_day = self.day if day is None else day
        if chosen_day < 0:
            raise ValueError("day: must be 0 or more")
        return chosen_day

    def reading(self) -> dict[str, Any]:
        """Return the day's number, its date and the sandbox's current time."""
        today = self._first + timedelta(days=self.day)
        return {"day": self.day, "today": str(today), "now": f"{today}T23:59:59Z"}

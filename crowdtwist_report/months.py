"""Counts in months, each known by its first day."""

from __future__ import annotations

from datetime import date


def add_months(day: date, count: int) -> date:
    """Return the first day of the month so many months after a day's, or before it."""
    index = day.year * 12 + day.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def months_between(first: date, stop: date) -> list[date]:
    """Return the months from one to the one before another."""
    count = (stop.year - first.year) * 12 + stop.month - first.month
    return [add_months(first, index) for index in range(count)]

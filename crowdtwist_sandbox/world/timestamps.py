"""Days and timestamps; the world computes with epoch days and epoch seconds only."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def epoch_day(day: date) -> int:
    """Return the number of days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of(number: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return date.fromordinal(number + _EPOCH_ORDINAL)


def clock_text(timestamp: int) -> str:
    """Format epoch seconds as UTC without zone, such as `2026-02-03T14:05:00`."""
    # fromtimestamp() fails for times before 1970 on some systems; birthdays are such times.
    return (_EPOCH + timedelta(seconds=timestamp)).isoformat()[:19]


def rfc3339(timestamp: int) -> str:
    """Format epoch seconds as RFC 3339, such as `2026-02-03T14:05:00Z`."""
    return clock_text(timestamp) + "Z"


def month_end(year: int, month: int) -> int:
    """Return 00:00 UTC on the last day of a month; month 0 is the December before, and so on."""
    month += 1
    first_of_next = date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
    return (epoch_day(first_of_next) - 1) * DAY

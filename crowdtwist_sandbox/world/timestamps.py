"""Days and instants: epoch seconds inside, text only at the edges."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def epoch_day(day: date) -> int:
    """The number of days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of(number: int) -> date:
    """The date of a number of days since 1970-01-01."""
    return date.fromordinal(number + _EPOCH_ORDINAL)


def clock_text(instant: int) -> str:
    """`2026-02-03T14:05:00`: an instant in UTC without its zone; negative instants too."""
    return (_EPOCH + timedelta(seconds=instant)).isoformat()[:19]


def rfc3339(instant: int) -> str:
    """`2026-02-03T14:05:00Z`."""
    return clock_text(instant) + "Z"


def month_end(year: int, month: int) -> int:
    """Epoch second of 00:00 UTC on a month's last day; the month may lie outside 1 to 12."""
    month += 1
    first_of_next = date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
    return (epoch_day(first_of_next) - 1) * DAY

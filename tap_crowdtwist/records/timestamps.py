"""Conversion of dates and timestamps, in any of the forms that the API uses."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from tap_crowdtwist.records.values import NUMBER_PATTERN, ConversionError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_PLAUSIBLE_SECONDS = 7_258_118_400
"""Seconds from 1970 to 2200. Larger epochs, positive or negative, may be in milliseconds."""

_DIGIT_FORMATS = {
    4: "%Y",
    6: "%Y%m",
    8: "%Y%m%d",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
}
"""Formats of dates without separators, by their number of digits."""

_DIGITS_WITHOUT_DAY = {4, 6}
_DIGIT_YEARS = frozenset(map(str, range(1900, 2101)))
"""Plausible years of dates without separators."""

_CALENDAR_START_SECONDS, _CALENDAR_END_SECONDS = -62_135_596_800, 253_402_300_800
"""Epochs of 0001-01-01 and of the end of 9999, the range of `datetime`."""

_MAX_TEXT_LENGTH = 64
"""Longest text that is parsed, surrounding blanks included; it also bounds what is cached."""

_HOUR, _SIXTY = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_CANONICAL = re.compile(rf"\d{{4}}-\d\d-\d\dT{_HOUR}:{_SIXTY}:{_SIXTY}Z", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    rf"(?:([Tt ]{_HOUR}:{_SIXTY})(?:(:{_SIXTY})(?:[.,](\d{{1,9}}))?)?"
    rf"\s*([Zz]|[+-]{_HOUR}(?::?{_SIXTY})?)?)?",
    re.ASCII,
)


def normalize_timestamp(value: Any) -> str | None:
    """Return a timestamp as RFC 3339 in UTC, such as 2026-02-03T14:05:00Z.

    Numbers are epochs, in seconds or milliseconds, or dates in digits, such as 20260203140500. Text
    without an offset is UTC. A fraction of a second is kept, to the microsecond, unless zero.
    """
    # Types are compared exactly: True equals 1 as a cache key, but is not a timestamp.
    if type(value) is int:
        return _cached_epoch(value)
    if type(value) is str:
        if len(value) > _MAX_TEXT_LENGTH:
            raise ConversionError
        return _cached_timestamp(value)
    return format_timestamp(_from_number(value))


# Members share most of their timestamps, such as those of activities and rewards.
@lru_cache(maxsize=4096)
def _cached_epoch(value: int) -> str:
    return format_timestamp(_from_number(value))


@lru_cache(maxsize=4096)
def _cached_timestamp(value: str) -> str | None:
    # The most common form is already normalized, so only the calendar needs a check.
    if _CANONICAL.fullmatch(value):
        return _check_calendar(value)
    stripped = value.strip()
    if not stripped:
        return None
    return format_timestamp(_parse_number(stripped) or parse_timestamp(stripped))


def parse_timestamp(text: str) -> datetime:
    """Return an ISO 8601 date or timestamp in UTC; without an offset it is read as UTC.

    Raises:
        ConversionError: it is neither.
    """
    day, clock, second, fraction, offset = _match(text).groups("")
    microsecond = int(fraction.ljust(6, "0")[:6])
    try:
        local = datetime.fromisoformat(day + clock + second)
        local = local.replace(microsecond=microsecond, tzinfo=timezone.utc)
        return local - _parse_offset(offset)
    except (OverflowError, ValueError):
        raise ConversionError from None


def normalize_date(value: Any) -> str | None:
    """Return a date, YYYY-MM-DD: the date as written, or the day in UTC of an epoch.

    A year, or a year and a month, does not convert: the day would be invented.
    """
    if type(value) is not str:
        return _from_number(value).date().isoformat()
    stripped = value.strip()
    if not stripped:
        return None
    numeric = _parse_number(stripped)
    if numeric is not None:
        return numeric.date().isoformat()
    try:
        return date.fromisoformat(_match(stripped)[1]).isoformat()
    except ValueError:
        raise ConversionError from None


def _match(text: str) -> re.Match[str]:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ConversionError
    return match


def _check_calendar(canonical: str) -> str:
    try:
        datetime.fromisoformat(canonical[:-1])
    except ValueError:
        raise ConversionError from None
    return canonical


def _parse_number(text: str) -> datetime | None:
    """Return the timestamp of a number written as text, or None if the text is not a number."""
    return _from_number(float(text)) if NUMBER_PATTERN.fullmatch(text) else None


def _from_number(value: Any) -> datetime:
    """Return the timestamp of an epoch, or of a date in digits."""
    if type(value) not in {int, float}:
        raise ConversionError
    try:
        date_in_digits = _parse_digits(value)
        if date_in_digits is not None:
            return date_in_digits
        unit = "milliseconds" if _is_milliseconds(value) else "seconds"
        return _EPOCH + timedelta(**{unit: value})
    except (OverflowError, ValueError):
        raise ConversionError from None


def _parse_digits(number: float) -> datetime | None:
    """Return the timestamp of a date in digits, or None if the number is an epoch.

    Raises:
        ConversionError: it is a year, with or without a month.
    """
    # Profile dates and birthdays are documented as epoch seconds, but no plausible one reads as a
    # date. In seconds, 8 digits or fewer that do are in 1970. No program is that old, and a
    # birthday is midnight in some time zone: a multiple of 900, which is no year from 1900 to 2100,
    # and ends in 00, which is no month and no day. In milliseconds, 12 such digits are in 1976,
    # where four midnights in UTC read as dates, and 14 are after 2570. Ten digits (with the hour)
    # are probably seconds from 2030 to 2036, when something expires, so they stay an epoch.
    digits = str(number).removesuffix(".0")
    date_format = _DIGIT_FORMATS.get(len(digits))
    if date_format is None or digits[:4] not in _DIGIT_YEARS:
        return None
    try:
        timestamp = datetime.strptime(digits, date_format).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    if len(digits) in _DIGITS_WITHOUT_DAY:
        raise ConversionError
    return timestamp


def _is_milliseconds(epoch: float) -> bool:
    """Return whether an epoch is in milliseconds."""
    # As seconds, such a number is a date before 1740 or after 2200. The only ones in use mean
    # "never": 0001-01-01, 2999-12-31, 9999-12-31T23:59:59. As milliseconds these would be between
    # 1968 and 1978 with a fraction of a second; real dates of those years are birthdays, which are
    # whole seconds.
    if abs(epoch) < _MAX_PLAUSIBLE_SECONDS:
        return False
    return epoch % 1000 == 0 or not _CALENDAR_START_SECONDS <= epoch < _CALENDAR_END_SECONDS


def _parse_offset(text: str) -> timedelta:
    if text in {"", "Z", "z"}:
        return timedelta()
    digits = text[1:].replace(":", "").ljust(4, "0")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -distance if text[0] == "-" else distance


def format_timestamp(timestamp: datetime) -> str:
    """Return a timestamp that is in UTC as RFC 3339 text."""
    return timestamp.isoformat().replace("+00:00", "Z")


def unix_seconds(value: Any) -> int | None:
    """Convert a timestamp in any known form to Unix seconds; None if it is not one."""
    try:
        text = normalize_timestamp(value)
    except ConversionError:
        return None
    return int(parse_timestamp(text).timestamp()) if text else None

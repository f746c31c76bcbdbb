"""Dates and instants, in any of the forms the API is seen to use."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from tap_crowdtwist.records.values import INTEGER_PATTERN, NUMBER_PATTERN, ConversionError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_PLAUSIBLE_SECONDS = 7_258_118_400
"""Seconds from 1970 to 2200. What lies further from 1970, either way, may be in milliseconds."""

_DIGIT_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""How many digits a date has that is written without anything between them."""

_INCOMPLETE_FORMATS = {4: "%Y", 6: "%Y%m"}
_YEARS = range(1900, 2101)
"""Years of dates in digits."""

_FIRST, _END = -62_135_596_800, 253_402_300_800
"""Seconds: where the calendar begins, and where it has ended."""

_MAX_TEXT_LENGTH = 64
"""Characters, blanks around it included."""

_HOUR, _SIXTY = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
_CANONICAL = re.compile(rf"\d{{4}}-\d\d-\d\dT{_HOUR}:{_SIXTY}:{_SIXTY}Z", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    rf"(?:[Tt ]({_HOUR}:{_SIXTY})(?::({_SIXTY})(?:[.,](\d{{1,9}}))?)?"
    rf"\s*([Zz]|[+-]{_HOUR}(?::?{_SIXTY})?)?)?",
    re.ASCII,
)


def normalize_timestamp(value: Any) -> str | None:
    """Give an instant as RFC 3339 in UTC, such as 2026-02-03T14:05:00Z.

    Numbers are epochs, in seconds or milliseconds, or dates in digits, such as 20260203140500. A
    text without an offset is UTC. A fraction of a second is kept, to the microsecond, unless zero.
    """
    if type(value) is int or (type(value) is str and len(value) <= _MAX_TEXT_LENGTH):
        return _cached_timestamp(value)
    if type(value) is str:
        raise ConversionError
    return _format_timestamp(_from_number(value))


@lru_cache(maxsize=4096)
def _cached_timestamp(value: str | int) -> str | None:
    """Give an instant; members share most of theirs, as those of activities and rewards."""
    if isinstance(value, int):
        return _format_timestamp(_from_number(value))
    if _CANONICAL.fullmatch(value):
        return _check_calendar(value)
    stripped = value.strip()
    if not stripped:
        return None
    return _format_timestamp(_parse_number(stripped) or parse_timestamp(stripped))


def parse_timestamp(spelled: str) -> datetime:
    """Read an ISO 8601 date or instant; without an offset it is in UTC, and so is the outcome."""
    match = _TIMESTAMP.fullmatch(spelled)
    if match is None:
        raise ConversionError
    the_day, clock, second, fraction, offset = match.groups()
    try:
        local = datetime.fromisoformat(f"{the_day}T{clock or '00:00'}:{second or '00'}")
        local = local.replace(
            microsecond=int((fraction or "0").ljust(6, "0")[:6]), tzinfo=timezone.utc
        )
        return local - _offset(offset)
    except (OverflowError, ValueError):
        raise ConversionError from None


def normalize_date(value: Any) -> str | None:
    """Give a date, YYYY-MM-DD: the date as written, or the day in UTC of an epoch.

    A year, or a year and a month, is a misfit: the day would be invented.
    """
    if type(value) is str:
        stripped = value.strip()
        if not stripped:
            return None
        numeric = _parse_number(stripped)
        if numeric is not None:
            return numeric.date().isoformat()
        match = _TIMESTAMP.fullmatch(stripped)
        if match is None:
            raise ConversionError
        try:
            return date.fromisoformat(match[1]).isoformat()
        except ValueError:
            raise ConversionError from None
    return _from_number(value).date().isoformat()


def _check_calendar(canonical: str) -> str:
    try:
        datetime.fromisoformat(canonical[:-1])
    except ValueError:
        raise ConversionError from None
    return canonical


def _parse_number(spelled: str) -> datetime | None:
    """Read a number spelled as text, or return None where the text is not a number."""
    if not NUMBER_PATTERN.fullmatch(spelled):
        return None
    whole = INTEGER_PATTERN.fullmatch(spelled)
    return _from_number(int(spelled.partition(".")[0]) if whole else float(spelled))


def _from_number(value: Any) -> datetime:
    """Read an epoch, or a date in digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConversionError
    try:
        written = _parse_digits(int(value)) if value == int(value) else None
        if written is not None:
            return written
        unit = "milliseconds" if _is_milliseconds(value) else "seconds"
        return _EPOCH + timedelta(**{unit: value})
    except (OverflowError, ValueError):
        raise ConversionError from None


def _parse_digits(number: int) -> datetime | None:
    """Read a date in digits; None where the number is an epoch.

    Profile dates and birthdays are documented as epoch seconds, but none of those reads as a date.
    In seconds, 8 digits or fewer that read as one lie in 1970. No program is that old, and a
    birthday is midnight in some time zone: a multiple of 900, which is no year from 1900 to 2100,
    and ends in 00, which is no month and no day. In milliseconds, 12 such digits lie in 1976, where
    four midnights in UTC read as dates, and 14 lie after 2570. Ten digits (with the hour) are
    likely seconds from 2030 to 2036, when something expires, so they stay an epoch.

    Raises:
        ConversionError: it is a year, with or without a month.
    """
    digits = str(number) if number > 0 else ""
    form = _DIGIT_FORMATS.get(len(digits)) or _INCOMPLETE_FORMATS.get(len(digits))
    if form is None or int(digits[:4]) not in _YEARS:
        return None
    try:
        written = datetime.strptime(digits, form).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    if len(digits) in _INCOMPLETE_FORMATS:
        raise ConversionError
    return written


def _is_milliseconds(epoch: float) -> bool:
    """Return whether an epoch is in milliseconds, by where it would lie in seconds.

    Before 1740 and after 2200 there are only dates that mean "never": 0001-01-01, 2999-12-31,
    9999-12-31T23:59:59. In milliseconds they would lie between 1968 and 1978 and have a fraction of
    a second; real dates of those years are birthdays, in whole seconds.
    """
    if abs(epoch) < _MAX_PLAUSIBLE_SECONDS:
        return False
    return epoch % 1000 == 0 or not _FIRST <= epoch < _END


def _offset(spelled: str | None) -> timedelta:
    if spelled is None or spelled in "Zz":
        return timedelta()
    digits = spelled[1:].replace(":", "")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -distance if spelled[0] == "-" else distance


def _format_timestamp(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")

"""Writes numbers and dates as people read them, on every machine the same."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

NO_TIER = "none"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MINUS = "\N{MINUS SIGN}"
_ABSENT = "\N{EN DASH}"
_LONGEST_TITLE = 80
_SMALLEST_SHARE = 0.005
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


def number(value: float | Decimal | None) -> str:
    """Return a whole number with separators of thousands."""
    return _ABSENT if value is None else f"{round(value):,}".replace("-", _MINUS)


def short_number(value: float | Decimal) -> str:
    """Return a number that fits a tile: from ten million on, in millions."""
    if abs(float(value)) < 10_000_000:  # noqa: PLR2004 - as said
        return number(value)
    return f"{float(value) / 1_000_000:,.1f} million".replace("-", _MINUS)


def percent(value: float | Decimal | None) -> str:
    """Return a share as a percentage without decimals."""
    if value is None:
        return _ABSENT
    return "under 1%" if 0 < value < _SMALLEST_SHARE else f"{float(value) * 100:.0f}%"


def money(amount: str, currency: str | None) -> str:
    """Return an amount with the currency in front, if one is set."""
    return f"{title(currency)} {amount}" if currency else amount


def plain_decimal(value: Decimal) -> str:
    """Return a decimal without the zeros at its end."""
    return f"{value.normalize():f}"


def month(value: date) -> str:
    """Return a month such as `Mar 2026`."""
    return f"{_MONTHS[value.month - 1]} {value.year}"


def day(value: date) -> str:
    """Return a day such as `5 Mar 2026`."""
    return f"{value.day} {month(value)}"


def instant(value: datetime) -> str:
    """Return a moment such as `5 Mar 2026, 09:30 UTC`."""
    return f"{day(value)}, {value:%H:%M} UTC"


def title(text: str | None) -> str:
    """Return a text of the program for display: one line, without control characters."""
    kept = (char if unicodedata.category(char) not in _UNPRINTABLE else " " for char in text or "")
    line = " ".join("".join(kept).split())
    if len(line) > _LONGEST_TITLE:
        return f"{line[:_LONGEST_TITLE].rstrip()}\N{HORIZONTAL ELLIPSIS}"
    return line or "(without a title)"


def tier_title(tier: str) -> str:
    """Return the title of a tier, which the marts call `none` for members without one."""
    return "No tier" if tier == NO_TIER else title(tier)

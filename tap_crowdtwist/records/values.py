"""Conversion of raw values, in any of the forms that the API uses, to typed values.

Samples and tables of the Help Center disagree about types: ids are ints or text, booleans are true,
1 or "1", timestamps are epoch seconds (int, text, negative) or ISO 8601 with any offset. Each
function takes a value that is not null. It returns the typed value, or None for blank text, or
raises `ConversionError`. All functions are pure.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.json_text import decode

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
INTEGER_PATTERN = re.compile(r"[+-]?\d{1,19}(?:\.0*)?", re.ASCII)
NUMBER_PATTERN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

_TO_TEXT: dict[type, Callable[[Any], str]] = {bool: json.dumps, int: str, float: str}
_BOOLEANS = {1: True, 0: False, "true": True, "1": True, "false": False, "0": False}
"""Values that stand for a boolean; 1.0 is equal to 1."""


class ConversionError(ValueError):
    """A value does not fit the type of its property."""


def text(value: Any) -> str:
    """Return a text; numbers and booleans are converted to one."""
    if type(value) is str:
        return value
    try:
        return _TO_TEXT[type(value)](value)
    except KeyError:
        raise ConversionError from None


def integer(value: Any) -> int | None:
    """Return an integer of at most 64 bits, the widest that warehouses store."""
    if type(value) is int and _SMALLEST <= value <= _LARGEST:
        return value
    if type(value) is str:
        stripped = value.strip()
        if not stripped:
            return None
        if not INTEGER_PATTERN.fullmatch(stripped):
            raise ConversionError
        value = stripped.partition(".")[0]
    elif type(value) is not float or not value.is_integer():
        raise ConversionError
    whole = int(value)
    if _SMALLEST <= whole <= _LARGEST:
        return whole
    raise ConversionError


def number(value: Any) -> float | None:
    """Return a finite number; an integer of more than 64 bits becomes a float."""
    if type(value) is int and _SMALLEST <= value <= _LARGEST:
        return value
    if type(value) is str:
        stripped = value.strip()
        if not stripped:
            return None
        if not NUMBER_PATTERN.fullmatch(stripped):
            raise ConversionError
        value = stripped
    elif type(value) not in {int, float}:
        raise ConversionError
    try:
        finite = float(value)
    except OverflowError:
        raise ConversionError from None
    if math.isfinite(finite):
        return finite
    raise ConversionError


def boolean(value: Any) -> bool | None:
    """Return the boolean that true, 1, "1", "true" or one of their opposites stands for."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        value = value.strip().lower()
        if not value:
            return None
    try:
        return _BOOLEANS[value]
    except (KeyError, TypeError):  # TypeError: a list or an object
        raise ConversionError from None


def open_object(value: Any) -> dict[str, Any] | None:
    """Return an object whose members the program defines.

    It may be given as JSON text, and that text may have been encoded more than once.
    """
    while isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = decode(value)
        except ValueError:
            raise ConversionError from None
    if isinstance(value, dict):
        return value
    if value is None:
        return None
    if value == []:  # how PHP encodes an empty object
        return {}
    raise ConversionError

"""Decodes the body of an answer: strictly, and only if that fails leniently.

A character that is slightly wrong for good (half of an emoji in a member's name, a byte-order mark,
a raw line end) would otherwise make the member fail in every run. Leniency never accepts a body
that was cut: whatever it ends with, its brackets have to be closed.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, NamedTuple

import msgspec

_UNPAIRED = re.compile("[\ud800-\udfff]")
_BLANKS = b" \t\r\n\0"
_LONGEST = 4300
"""Digits of an integer that Python reads."""


class Decoded(NamedTuple):
    """A payload, and what was wrong with the body it came from.

    Attributes:
        payload: the decoded JSON; None where the body is not JSON.
        defects: a few words for each thing that was not valid, in the order found.
    """

    payload: Any
    defects: tuple[str, ...] = ()


def decode(body: bytes | bytearray) -> Decoded:
    """Decode a body."""
    if not body:
        return Decoded(None)
    try:
        return Decoded(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _leniently(bytes(body))
    except (ValueError, RecursionError):
        return Decoded(None)


def _leniently(body: bytes) -> Decoded:
    """Decode a body that is not valid JSON in UTF-8.

    Bytes that are not UTF-8 are read as Latin-1, numbers that are none become null, and half of a
    surrogate pair becomes U+FFFD, since no target can take it.

    Raises:
        ValueError: it is not even nearly JSON.
    """
    defects: dict[str, None] = {}

    def constant(_name: str) -> None:
        defects["NaN or Infinity"] = None

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        defects["a number beyond all bounds"] = None
        return None

    def integer(digits: str) -> int | None:
        if len(digits) <= _LONGEST:
            return int(digits)
        defects["a number beyond all bounds"] = None
        return None

    text = _text(body, defects)
    value = json.loads(
        text, strict=False, parse_constant=constant, parse_float=number, parse_int=integer
    )
    paired = _replace_unpaired(value)
    if paired != value:
        defects["half of a surrogate pair"] = None
    if not defects:
        defects["a raw control character"] = None
    return Decoded(paired, tuple(defects))


def _text(body: bytes, defects: dict[str, None]) -> str:
    """Return a body as text, and name what had to be left out or replaced."""
    stripped = body.rstrip(_BLANKS)
    if b"\0" in body[len(stripped) :]:
        defects["zero bytes at the end"] = None
    if stripped.startswith(codecs.BOM_UTF8):
        defects["a byte-order mark"] = None
        stripped = stripped.removeprefix(codecs.BOM_UTF8)
    try:
        return stripped.decode()
    except UnicodeDecodeError:
        defects["bytes that are not UTF-8"] = None
        return stripped.decode(errors=_AS_LATIN_1)


def _replace_unpaired(value: Any) -> Any:
    if isinstance(value, str):
        return _UNPAIRED.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace_unpaired(item) for item in value]
    if isinstance(value, dict):
        return {_replace_unpaired(key): _replace_unpaired(item) for key, item in value.items()}
    return value


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - no other one is handled by it
    return error.object[error.start : error.end].decode("latin-1"), error.end


_AS_LATIN_1 = "crowdtwist-latin-1"
codecs.register_error(_AS_LATIN_1, _as_latin_1)

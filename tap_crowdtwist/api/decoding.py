"""JSON decoding of response bodies: strict first, lenient if that fails.

A small defect that stays in the data (half of an emoji in a member's name, a byte-order mark, a raw
line end) would otherwise make the member fail in every run. The lenient decoder never accepts a
truncated body: all brackets have to be closed.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, NamedTuple

import msgspec

_UNPAIRED = re.compile("[\ud800-\udfff]")
_TRAILING_BLANKS = b" \t\r\n\0"
_MAX_INTEGER_CHARACTERS = 4300
"""Longest integer that Python converts from text (`sys.get_int_max_str_digits`)."""


class Decoded(NamedTuple):
    """A decoded payload and the defects of its body.

    Attributes:
        payload: the decoded JSON; None if the body is empty or is not JSON.
        defects: a few words for each kind of invalid content; empty for valid JSON.
    """

    payload: Any
    defects: tuple[str, ...] = ()


def decode(body: bytes | bytearray) -> Decoded:
    """Decode a response body; see `Decoded` for a body that is empty, defective or not JSON."""
    if not body:
        return Decoded(None)
    try:
        return Decoded(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _decode_leniently(bytes(body))
    except (ValueError, RecursionError):
        return Decoded(None)


def _decode_leniently(body: bytes) -> Decoded:
    """Decode a body that is not valid JSON in UTF-8.

    Bytes that are not UTF-8 are read as Latin-1. NaN, infinities and numbers out of range become
    null. Half of a surrogate pair becomes U+FFFD, since no target can store it.

    Raises:
        ValueError: the defects are others than these.
    """
    defects: dict[str, None] = {}  # an ordered set

    def constant(_name: str) -> None:
        defects["NaN or Infinity"] = None

    def number(digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        defects["a number out of range"] = None
        return None

    def integer(digits: str) -> int | None:
        if len(digits) <= _MAX_INTEGER_CHARACTERS:
            return int(digits)
        defects["a number out of range"] = None
        return None

    text = _decode_text(body, defects)
    # `strict=False` accepts raw control characters. `json` also accepts the escape of half a
    # surrogate pair, which msgspec rejects; it is replaced below, in keys and values.
    value = json.loads(
        text, strict=False, parse_constant=constant, parse_float=number, parse_int=integer
    )
    paired = _replace_unpaired(value)
    if paired != value:
        defects["half of a surrogate pair"] = None
    # The strict decoder failed, and `json` reports no control characters: only they are left.
    if not defects:
        defects["a raw control character"] = None
    return Decoded(paired, tuple(defects))


def _decode_text(body: bytes, defects: dict[str, None]) -> str:
    """Return a body as text, and add to `defects` what was left out or replaced."""
    stripped = body.rstrip(_TRAILING_BLANKS)
    if b"\0" in body[len(stripped) :]:
        defects["trailing zero bytes"] = None
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

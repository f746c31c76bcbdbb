"""JSON as it comes: decoded where it is not quite JSON, and kept to what databases store."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, and half a surrogate pair."""

REPLACEMENT = "\ufffd"
_BLANKS = "\ufeff \t\r\n"


def decode(text: str) -> Any:
    """Decode JSON, or what is JSON but for a byte-order mark, raw control characters or `NaN`.

    Half a surrogate pair, written as an escape, stays in the outcome.

    Raises:
        ValueError: it is not even that.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return decode_leniently(text)


def decode_leniently(
    text: str, members: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """Decode as `decode` does, with a hook that builds objects from all of their members.

    Raises:
        ValueError: the text cannot be decoded.
    """
    try:
        return json.loads(text.strip(_BLANKS), strict=False, object_pairs_hook=members)
    except RecursionError:
        raise ValueError("nested too deep") from None


def make_storable(value: Any) -> Any:
    """Copy a value with U+FFFD for each character that no database stores, in names too.

    Names that would become equal stay apart.
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [make_storable(item) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for name, member in value.items():
        mended = make_storable(name)
        if mended != name:
            while mended in value or mended in result:
                mended += REPLACEMENT
        result[mended] = make_storable(member)
    return result

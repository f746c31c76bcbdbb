"""Lenient decoding of JSON, and replacement of characters that databases cannot store."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and unpaired surrogates, which no database stores as text."""

REPLACEMENT = "\ufffd"
_BLANKS = "\ufeff \t\r\n"


def decode(text: str) -> Any:
    """Decode JSON, with a byte-order mark, raw control characters and `NaN` accepted.

    An unpaired surrogate that is written as an escape stays in the result.

    Raises:
        ValueError: the text is not JSON even then.
    """
    # msgspec is several times faster but strict; nearly all texts pass it.
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _decode_leniently(text)


def _decode_leniently(text: str) -> Any:
    try:
        return json.loads(text.strip(_BLANKS), strict=False)
    except RecursionError:
        raise ValueError("nested too deep") from None


def make_storable(value: Any) -> Any:
    """Return a copy of a value with U+FFFD for each unstorable character, in names too.

    Names that would become equal are kept distinct.
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return list(map(make_storable, value))
    if isinstance(value, dict):
        return dict(zip(_storable_names(value), map(make_storable, value.values()), strict=True))
    return value


def _storable_names(names: Iterable[str]) -> Iterator[str]:
    taken = set(names)
    for name in names:
        storable = _UNSTORABLE.sub(REPLACEMENT, name)
        if storable != name:
            while storable in taken:
                storable += REPLACEMENT
            taken.add(storable)
        yield storable

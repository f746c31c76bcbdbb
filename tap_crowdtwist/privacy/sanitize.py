"""Removal of members with withheld names from values of unknown structure.

Such a value may be text that encodes an object: JSON, possibly encoded more than once,
percent-encoded or in base64. Such text is decoded, cleaned and encoded again. If it cannot be
decoded (it is truncated, or not quite JSON) but contains a withheld name in the position of a
member's name, nothing can be removed reliably, so the mask replaces the whole text. Text that only
mentions such a name, as prose does, stays as it is, unless the name is in quotes before a colon and
a value.
"""

from __future__ import annotations

import base64
import html
import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from tap_crowdtwist import json_text
from tap_crowdtwist.privacy.log_redaction import MASK, REDACTOR
from tap_crowdtwist.privacy.policy import is_withheld_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NameCheck = Callable[[str], bool]

LAYERS = 6
"""Maximum number of nested encodings that are decoded."""

_MAX_NAME_CHARACTERS = 128
_BLANKS = "\ufeff \t\r\n"

_MARKS = re.compile(r"""[{\["'\\=%&]""")
_MIN_BASE64_CHARACTERS = 16
_BASE64 = re.compile(r"[\w+/-]{16,}", re.ASCII)
_NAME_EVIDENCE = re.compile(rb"""[\w"'\\;]\s*[:=]|%[0-9a-fA-F]{2}|[\w+/-]{16}""")
"""Found in all bytes that may name a member, but in few that only look like base64 of text."""

_NEWLINE = re.compile(r"[\r\n]+")
"""Line breaks, which base64 in mail has after every 76 characters."""

_URL_SAFE = str.maketrans("-_", "+/")
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\n", "t": " "}
_PAIRS = re.compile(r"[\w.$%\[\]-]+=[^=\s]\S*")
_BRACE = re.compile(r"([{}])")
_QUOTED = re.compile(r"""(["'])\s*(?:=>|[:=])(?=\s*[bu]?["'\[{\d.+-])""")
"""The end of a quoted name that is followed by the beginning of a value."""

_LOOSE = re.compile(r"""(?:^|[,;\n])[ \t\r]*["']?([\w.$-]{1,128})["']?[ \t]*[:=]""")
"""A name, quoted or not, in a position where an object can have one."""


def remove_credentials(
    value: Any,
    is_withheld: NameCheck = is_withheld_name,
    on_mask: Callable[[], Any] | None = None,
) -> Any:
    """Return a copy of a value of unknown structure without members with withheld names.

    The tap's own secrets are masked too, as `Redactor.in_record` does.

    Args:
        value: the value.
        is_withheld: returns whether a name is withheld.
        on_mask: called for each text that the mask replaces, in whole or in part.
    """
    if isinstance(value, dict):
        return {
            name: remove_credentials(member, is_withheld, on_mask)
            for name, member in value.items()
            if not is_withheld(name)
        }
    if isinstance(value, list):
        return [remove_credentials(item, is_withheld, on_mask) for item in value]
    if not isinstance(value, str):
        return value
    clean = cleaned(value, is_withheld)
    if on_mask and clean is not value and MASK in clean:
        on_mask()
    return REDACTOR.in_record(clean)


def cleaned(text: str, is_withheld: NameCheck, layers: int = LAYERS) -> str:
    """Return a text without members with withheld names, or the mask.

    Args:
        text: the text.
        is_withheld: returns whether a name is withheld.
        layers: maximum number of nested encodings to decode.

    Returns:
        The same object if there is nothing to remove.
    """
    if _is_plain(text):
        return text
    if not layers:  # encoded more often than real data ever is
        return MASK if _names_withheld(text, is_withheld, 1) else text
    stripped = text.strip(_BLANKS)
    if stripped.startswith(("{", "[", '"')):
        try:
            return _cleaned_json(text, is_withheld, layers)
        except (ValueError, RecursionError):
            pass
    for decode, encode in _ENCODINGS:
        inner = decode(stripped)
        # Unchanged text must stay as it was sent: encoding it again could change its form.
        if inner is not None:
            clean = cleaned(inner, is_withheld, layers - 1)
            if clean is inner:
                return text
            return MASK if clean == MASK else encode(clean)
    return MASK if _names_withheld(text, is_withheld, layers) else text


def _is_plain(text: str) -> bool:
    """Return whether a text cannot encode an object: a cheap test that most texts pass."""
    if _MARKS.search(text):
        return False
    return len(text) < _MIN_BASE64_CHARACTERS or all(
        len(word) < _MIN_BASE64_CHARACTERS for word in text.split()
    )


def _cleaned_json(text: str, is_withheld: NameCheck, layers: int) -> str:
    """Return a JSON text without members with withheld names, or the mask.

    Raises:
        ValueError: the text is not JSON.
    """
    changed = False

    # Called for every object in the text, also for one that a later member of the same name
    # replaces. The decoded value no longer contains that one, but the text does.
    def build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: clean(member) for name, member in pairs if not must_remove(name)}

    def must_remove(name: str) -> bool:
        nonlocal changed
        result = is_withheld(name)
        changed = changed or result
        return result

    def clean(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, list):
            return [clean(item) for item in value]
        if not isinstance(value, str):
            return value
        kept = cleaned(value, is_withheld, layers - 1)
        changed = changed or kept is not value
        return kept

    value = clean(json_text.decode_leniently(text, build_object))
    if not changed:
        return text
    return MASK if value == MASK else msgspec.json.encode(json_text.make_storable(value)).decode()


def _from_percent(text: str) -> str | None:
    plain = unquote(text)
    return None if plain == text else plain


def _from_base64(text: str) -> str | None:
    """Return the text that a base64 text encodes, or None if it is not base64 of UTF-8."""
    joined = _NEWLINE.sub("", text).rstrip("=")
    if not _BASE64.fullmatch(joined):
        return None
    try:
        return _decode_base64(joined).decode()
    except ValueError:
        return None


def _decode_base64(characters: str) -> bytes:
    """Return the bytes of base64 in either alphabet, as far as complete: it may be truncated."""
    whole = characters.translate(_URL_SAFE)
    if len(whole) % 4 == 1:
        whole = whole[:-1]
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_ENCODINGS: tuple[tuple[Callable[[str], str | None], Callable[[str], str]], ...] = (
    (_from_percent, partial(quote, safe="")),
    (_from_base64, _to_base64),
)


def _names_withheld(text: str, is_withheld: NameCheck, layers: int) -> bool:
    """Return whether text that cannot be decoded has a withheld name in a member's position.

    All backslash escapes are removed at once, whatever their depth, so that the search takes linear
    time. What other encodings contain is searched recursively.
    """
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if any(map(is_withheld, _names(text))):
        return True
    if layers <= 1:
        return False
    return any(_names_withheld(inner, is_withheld, layers - 1) for inner in _decodings(text))


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return _ESCAPED.get(match[3], match[3])


def _names(text: str) -> Iterator[str]:
    """Yield what is in the position of a member's name, in the syntax of JSON, Python or URLs."""
    for match in _QUOTED.finditer(text):
        # A slice, not a longer pattern: a pattern for the whole name could take quadratic time.
        before = text[max(0, match.start() - _MAX_NAME_CHARACTERS) : match.start()]
        yield before.rpartition(match[1])[2]
    if "=" in text and _PAIRS.fullmatch(text):
        yield from (pair.partition("=")[0] for pair in re.split("[&;]", text))
    if "{" not in text:
        return
    depth = 0
    for piece in _BRACE.split(text):
        if piece == "{":
            depth += 1
        elif piece == "}":
            depth = max(0, depth - 1)
        elif depth and piece:
            yield from (match[1] for match in _LOOSE.finditer(piece))


def _decodings(text: str) -> Iterator[str]:
    """Yield what a text, or a part of it, may encode."""
    for decode in (unquote, html.unescape):
        plain = decode(text)
        if plain != text:
            yield plain
    for match in _BASE64.finditer(_NEWLINE.sub("", text)):
        for start in range(4):  # other text may precede it, so try every alignment
            inner = _decode_base64(match[0][start:])
            if _NAME_EVIDENCE.search(inner):
                yield inner.decode("latin-1")

"""Takes what is withheld for its name out of values whose shape no schema knows.

Such a value may be text that is an object itself: JSON, perhaps encoded more than once,
percent-encoded or in base64. Text of that kind is decoded, cleaned and encoded again. Where it
cannot be decoded (it was cut, or is not quite JSON) and a withheld name stands in it as the name of
a member, nothing can be taken out for sure, so the mask takes the place of the whole text. Text
that only mentions such a name, as prose does, is left as it is, unless it sets the name in quotes
before a colon and a value.
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

    Forbidden = Callable[[str], bool]

LAYERS = 6
"""Encodings within one another that are looked through."""

_LONGEST_NAME = 128
_BLANKS = "\ufeff \t\r\n"

_MARKS = re.compile(r"""[{\["'\\=%&]""")
_SHORTEST_BASE64 = 16
_BASE64 = re.compile(r"[\w+/-]{16,}", re.ASCII)
_TELLING = re.compile(rb"""[\w"'\\;]\s*[:=]|%[0-9a-fA-F]{2}|[\w+/-]{16}""")
"""What bytes that are text need to hold; nearly all that only seem to be base64 do not."""

_NEWLINE = re.compile(r"[\r\n]+")
"""Stands in base64 after each 76 characters, as mail has it."""

_URL_SAFE = str.maketrans("-_", "+/")
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\n", "t": " "}
_PAIRS = re.compile(r"[\w.$%\[\]-]+=[^=\s]\S*")
_BRACE = re.compile(r"([{}])")
_QUOTED = re.compile(r"""(["'])\s*(?:=>|[:=])(?=\s*[bu]?["'\[{\d.+-])""")
"""The end of a quoted name, before what can begin a value."""

_LOOSE = re.compile(r"""(?:^|[,;\n])[ \t\r]*["']?([\w.$-]{1,128})["']?[ \t]*[:=]""")
"""A name, quoted or not, where an object can have one."""


def remove_credentials(
    value: Any, forbidden: Forbidden = is_withheld_name, masked: Callable[[], Any] | None = None
) -> Any:
    """Copy a value of unknown shape without the members that may not leave for their names.

    The tap's own secrets are masked too, as `Redactor.in_record` does it.

    Args:
        value: the value.
        forbidden: tells whether a name is withheld.
        masked: called for each text that is replaced by the mask, or a text within it.
    """
    if isinstance(value, dict):
        return {
            name: remove_credentials(member, forbidden, masked)
            for name, member in value.items()
            if not forbidden(name)
        }
    if isinstance(value, list):
        return [remove_credentials(item, forbidden, masked) for item in value]
    if not isinstance(value, str):
        return value
    clean = cleaned(value, forbidden)
    if masked and clean is not value and MASK in clean:
        masked()
    return REDACTOR.in_record(clean)


def cleaned(text: str, forbidden: Forbidden, layers: int = LAYERS) -> str:
    """Return a text without the members that may not leave, or the mask.

    Args:
        text: the text.
        forbidden: tells whether a name is withheld.
        layers: encodings to look through.

    Returns:
        The very same object where there is nothing to take out.
    """
    if _is_plain(text):
        return text
    if not layers:  # encoded more often than anything that is data
        return MASK if _names_withheld(text, forbidden, 1) else text
    stripped = text.strip(_BLANKS)
    if stripped.startswith(("{", "[", '"')):
        try:
            return _cleaned_json(text, forbidden, layers)
        except (ValueError, RecursionError):
            pass
    for decode, encode in _ENCODINGS:
        inner = decode(stripped)
        if inner is not None:
            clean = cleaned(inner, forbidden, layers - 1)
            if clean is inner:
                return text
            return MASK if clean == MASK else encode(clean)
    return MASK if _names_withheld(text, forbidden, layers) else text


def _is_plain(text: str) -> bool:
    """Return whether a text can be no object in any encoding: a cheap test, for most texts are."""
    if _MARKS.search(text):
        return False
    return len(text) < _SHORTEST_BASE64 or all(
        len(word) < _SHORTEST_BASE64 for word in text.split()
    )


def _cleaned_json(text: str, forbidden: Forbidden, layers: int) -> str:
    """Clean a text that is JSON.

    Raises:
        ValueError: it is not.
    """
    changed = False

    # Called for every object, also for those that a later member of the same name overrules: they
    # are in the text, and not in what it is decoded to.
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: clean(member) for name, member in pairs if not held(name)}

    def held(name: str) -> bool:
        nonlocal changed
        found = forbidden(name)
        changed = changed or found
        return found

    def clean(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, list):
            return [clean(item) for item in value]
        if not isinstance(value, str):
            return value
        kept = cleaned(value, forbidden, layers - 1)
        changed = changed or kept is not value
        return kept

    value = clean(json_text.decode_leniently(text, members))
    if not changed:
        return text
    return MASK if value == MASK else msgspec.json.encode(json_text.make_storable(value)).decode()


def _from_percent(text: str) -> str | None:
    plain = unquote(text)
    return None if plain == text else plain


def _from_base64(text: str) -> str | None:
    """Decode base64 of text; any other text, even if it looks like base64, is none."""
    joined = _NEWLINE.sub("", text).rstrip("=")
    if not _BASE64.fullmatch(joined):
        return None
    try:
        return _bytes(joined).decode()
    except ValueError:
        return None


def _bytes(characters: str) -> bytes:
    """Decode base64 of either alphabet as far as it goes: it may have been cut."""
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


def _names_withheld(text: str, forbidden: Forbidden, layers: int) -> bool:
    """Search what cannot be decoded for a withheld name in the place of a member's name.

    However deep the layers, all escapes of one are undone at once, so that names are found in
    linear time; what lies under another encoding is searched in turn.
    """
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if any(map(forbidden, _names(text))):
        return True
    if layers <= 1:
        return False
    return any(_names_withheld(inner, forbidden, layers - 1) for inner in _decodings(text))


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return _ESCAPED.get(match[3], match[3])


def _names(text: str) -> Iterator[str]:
    """Yield what a text has in the place of a member's name, as JSON, Python or URLs spell it."""
    for match in _QUOTED.finditer(text):
        before = text[max(0, match.start() - _LONGEST_NAME) : match.start()]
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
    """Yield what a text, or a part of it, may be an encoding of."""
    for decode in (unquote, html.unescape):
        plain = decode(text)
        if plain != text:
            yield plain
    for match in _BASE64.finditer(_NEWLINE.sub("", text)):
        for start in range(4):  # letters of another text may stand before it
            inner = _bytes(match[0][start:])
            if _TELLING.search(inner):
                yield inner.decode("latin-1")

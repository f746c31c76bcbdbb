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
import json
import re
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from tap_crowdtwist import json_text
from tap_crowdtwist.privacy.log_redaction import MASK, REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NameCheck = Callable[[str], bool]

LAYERS = 6
"""Maximum number of nested encodings that are decoded."""

_MAX_NAME_CHARACTERS = 128
_BLANKS = "\ufeff \t\r\n"

_MARKS = re.compile(r"""[{\["'\\=%]""")
_MIN_BASE64_CHARACTERS = 16
_BASE64 = re.compile(r"[\w+/-]{16,}", re.ASCII)

_NEWLINE = re.compile(r"[\r\n]+")
"""Line breaks, which base64 in mail has after every 76 characters."""

_URL_SAFE = str.maketrans("-_", "+/")
_ESCAPE = re.compile(r"\\+(?:(?:u00|x)([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\n", "t": " "}
_PAIRS = re.compile(r"[\w.$%\[\]-]+=[^=\s]\S*")
_NAME_OF_PAIR = re.compile(r"(?:^|[&;])([^=&;]*)")
_BRACE = re.compile(r"([{}])")
_NESTING = {"{": 1, "}": -1}
_QUOTED = re.compile(r"""(["'])\s*(?:=>|[:=])(?=\s*[bu]?["'\[{\d.+-])""")
"""The end of a quoted name that is followed by the beginning of a value."""

_LOOSE = re.compile(r"""(?:^|[,;\n])[ \t\r]*["']?([\w.$-]{1,128})["']?[ \t]*[:=]""")
"""A name, quoted or not, in a position where an object can have one."""


def credential_remover(
    is_withheld: NameCheck, on_mask: Callable[[], Any] | None = None
) -> Callable[[Any], Any]:
    """Return a function that copies values of unknown structure without withheld members.

    The tap's own secrets are masked too, as `Redactor.in_record` does.

    Args:
        is_withheld: returns whether a name is withheld.
        on_mask: called for each text that the mask replaces, in whole or in part.
    """

    def clean_text(text: str) -> str:
        clean = cleaned(text, is_withheld)
        if on_mask and clean is not text and MASK in clean:
            on_mask()
        return REDACTOR.in_record(clean)

    return _member_remover(is_withheld, clean_text)


def _member_remover(
    is_withheld: NameCheck, clean_text: Callable[[str], str]
) -> Callable[[Any], Any]:
    def remove(value: Any) -> Any:
        if isinstance(value, str):
            return clean_text(value)
        if isinstance(value, dict):
            return {name: remove(member) for name, member in value.items() if not is_withheld(name)}
        if isinstance(value, list):
            return [remove(item) for item in value]
        return value

    return remove


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
    stripped = text.strip(_BLANKS)
    with suppress(RecursionError):  # nested too deep, so it is searched as it stands
        for decode, encode in _ENCODINGS if layers else ():
            inner = decode(stripped)
            if inner is None:
                continue
            clean_text = partial(cleaned, is_withheld=is_withheld, layers=layers - 1)
            clean = _member_remover(is_withheld, clean_text)(inner)
            # Unchanged text must stay as it was sent: encoding it again could change its form.
            if clean == inner:
                return text
            return MASK if clean == MASK else encode(clean)
    return MASK if any(map(is_withheld, _names(text))) else text


def _is_plain(text: str) -> bool:
    """Return whether a text cannot encode an object: a cheap test that most texts pass."""
    if _MARKS.search(text):
        return False
    if len(text) < _MIN_BASE64_CHARACTERS:
        return True
    return len(max(text.split(), key=len, default="")) < _MIN_BASE64_CHARACTERS


def _all_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; members of one name become a list, or only the last would be searched."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    by_name: dict[str, list[Any]] = defaultdict(list)
    for name, member in pairs:
        by_name[name].append(member)
    return {name: each if len(each) > 1 else each[0] for name, each in by_name.items()}


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_all_members)


def _from_json(text: str) -> Any:
    if text.startswith(("{", "[", '"')):
        with suppress(ValueError):
            return _DECODER.decode(text)
    return None


def _to_json(value: Any) -> str:
    return msgspec.json.encode(json_text.make_storable(value)).decode()


def _from_percent(text: str) -> str | None:
    plain = unquote(text)
    return None if plain == text else plain


def _from_base64(text: str) -> str | None:
    """Return the text that base64 in either alphabet encodes, as far as it is complete."""
    joined = _NEWLINE.sub("", text).rstrip("=")
    if not _BASE64.fullmatch(joined):
        return None
    if len(joined) % 4 == 1:  # truncated
        joined = joined[:-1]
    return base64.b64decode(joined.translate(_URL_SAFE) + "==").decode(errors="replace")


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_ENCODINGS: tuple[tuple[Callable[[str], Any], Callable[[Any], str]], ...] = (
    (_from_json, _to_json),
    (_from_percent, partial(quote, safe="")),
    (_from_base64, _to_base64),
)
"""Functions that decode a text, or return None, and that encode it again."""


def _names(text: str) -> Iterator[str]:
    """Yield what is in the position of a member's name, in the syntax of JSON, Python or URLs.

    All backslash escapes are removed at once, whatever their depth, so that the search takes linear
    time.
    """
    text = _ESCAPE.sub(_unescaped, text)
    for match in _QUOTED.finditer(text):
        # A slice, not a longer pattern: a pattern for the whole name could take quadratic time.
        before = text[max(0, match.start() - _MAX_NAME_CHARACTERS) : match.start()]
        yield before.rpartition(match[1])[2]
    if _PAIRS.fullmatch(text):
        yield from _NAME_OF_PAIR.findall(text)
    depth = 0
    for piece in _BRACE.split(text):
        depth = max(0, depth + _NESTING.get(piece, 0))
        if depth:
            yield from _LOOSE.findall(piece)


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _ESCAPED.get(match[2], match[2])

"""Keeps secrets out of everything that is logged, whoever logs it, and out of records."""

from __future__ import annotations

import base64
import json
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "[redacted]"
_SHORTEST = 4
_CERTAIN = 16
"""Characters that a secret needs to be told apart from data, which must not change by chance."""

_TELLING = 6
"""Characters that a piece of base64 needs to be told apart from other text."""

_NAMED = re.compile(
    r"""(?ix)
    (?P<name> (?<![a-z]) (?: api_key | hmac_public_key | hmac_private_key | hash_key )
              (?: ["'] | %22 )? \s* (?: [=:] | %3[AD] ) \s* ["']?
            | (?: CTApiKey | CTApiV2Auth ) (?: \s | %20 | \+ )+
            | /users/ (?= [^/?\s"']+ \? [^\s"']* \b id_type= ) )
    [^\s"'`&,;?/{}()\[\]] [^\s"'`&,;?{}()\[\]]*
    """
)
"""A secret's name and its value; or the path to a member by something else than a number."""


class Redactor:
    """Replaces secrets by a mask: what stands behind their names, and their values.

    A value is known URL-encoded, escaped and in base64 too, wherever it stands in longer text. So
    that a log tells nobody's address, so is a member's id in a path, unless it is CrowdTwist's own.

    That is for logs, where a word too many may be masked. Records lose nothing but the values of
    secrets that cannot stand there by chance.
    """

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._certain: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Add the values of secrets; those too short to tell apart are left out."""
        forms, certain = set(self._forms), set(self._certain)
        for secret in map(str.strip, secrets):
            if len(secret) >= _SHORTEST:
                forms |= _forms(secret)
            if len(secret) >= _CERTAIN:
                certain |= _forms(secret)
        self._forms, self._certain = tuple(sorted(forms)), tuple(sorted(certain))

    def __call__(self, text: str) -> str:
        """Return a text of a log without any secret."""
        text = _masked(text, self._forms)
        return text if text.isalnum() else _NAMED.sub(_unnamed, text)

    def in_record(self, text: str) -> str:
        """Return a text of a record without any secret that is long enough to be certain."""
        return text if len(text) < _CERTAIN else _masked(text, self._certain)


def _masked(text: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        if form in text:
            break
    else:
        return text
    spans = sorted(span for form in forms for span in _spans(form, text))
    parts, end = [], 0
    for start, stop in spans:
        if start >= end:
            parts += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _unnamed(match: re.Match[str]) -> str:
    return match["name"] + MASK


def _forms(secret: str) -> set[str]:
    """Spell a secret as URLs, JSON, Python's repr and base64 do."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    quoted |= {quote(form, safe="") for form in quoted}
    lower = {re.sub("%..", lambda escape: escape[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = {form for text in (secret, *quoted) for form in _base64(text.encode())}
    return {secret} | quoted | lower | escaped | encoded


def _base64(secret: bytes) -> Iterator[str]:
    """Yield what is left of a secret in base64 that begins up to two bytes before it.

    The characters at both ends hold bits of what stands around the secret, so they are left out.
    """
    for shift, first in enumerate((0, 2, 3)):
        encoded = base64.b64encode(b" " * shift + secret).decode()
        certain = encoded[first : (shift + len(secret)) * 8 // 6]
        for form in (certain, encoded.rstrip("=")) if not shift else (certain,):
            if len(form) >= _TELLING:
                yield form
                yield form.replace("+", "-").replace("/", "_")
                yield quote(form, safe="")


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where a form stands in a text, overlapping occurrences included."""
    place = text.find(form)
    while place >= 0:
        yield place, place + len(form)
        place = text.find(form, place + 1)


REDACTOR = Redactor()
"""The secrets of this process. Logging is global, so what guards it is too."""


class RedactingFormatter(logging.Formatter):
    """Formats as another formatter does, tracebacks included, then masks."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    @override
    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(self._inner.format(record))


def guard_logging(redactor: Redactor = REDACTOR) -> None:
    """Put a redactor behind every handler that logging has."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    for handler in handlers | ({logging.lastResort} if logging.lastResort else set()):
        if not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redactor))

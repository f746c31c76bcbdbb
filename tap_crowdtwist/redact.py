"""Keeps secrets out of everything that is logged, whoever logs it."""

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


class Redactor:
    """Replaces the values of secrets, also URL-encoded, escaped and in base64, by a mask."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Add the values of secrets; those too short to tell apart are left out."""
        forms = set(self._forms)
        for secret in map(str.strip, secrets):
            if len(secret) >= _SHORTEST:
                forms |= _forms(secret)
        self._forms = tuple(sorted(forms))

    def __call__(self, text: str) -> str:
        """Give the text without any secret."""
        spans = sorted(span for form in self._forms for span in _spans(form, text))
        parts, end = [], 0
        for start, stop in spans:
            if start >= end:
                parts += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*parts, text[end:]]) if parts else text


def _forms(secret: str) -> set[str]:
    """Spell a secret as URLs, JSON, Python's repr and base64 do."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub("%..", lambda escape: escape[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, encoded} | quoted | lower | escaped


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
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redactor))

"""Keeps secrets out of everything that is logged, whoever logs it."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "[redacted]"
_SHORTEST = 4


class Redactor:
    """Replaces the values of secrets, also URL-encoded and in base64, by a mask."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Add the values of secrets; those too short to tell apart are left out."""
        forms = set(self._forms)
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                forms |= {secret, quote(secret, safe=""), quote_plus(secret)}
                forms.add(base64.b64encode(secret.encode()).decode().rstrip("="))
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Give the text without any secret."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


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

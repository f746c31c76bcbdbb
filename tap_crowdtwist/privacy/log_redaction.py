"""Redaction of secrets in all log lines, whichever package writes them, and in records."""

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
_MIN_SECRET_CHARACTERS = 4
_MIN_CHARACTERS_IN_RECORDS = 16
"""A shorter secret may occur in data by chance, and data must not be changed."""

_MIN_BASE64_CHARACTERS = 6
"""A shorter piece of base64 may occur in other text by chance."""

_NAMED_SECRET = re.compile(
    r"""(?ix)
    (?P<name> (?<![a-z]) (?: api_key | hmac_public_key | hmac_private_key | hash_key )
              (?: ["'] | %22 )? \s* (?: [=:] | %3[AD] ) \s* ["']?
            | (?: CTApiKey | CTApiV2Auth ) (?: \s | %20 | \+ )+
            | /users/ (?= [^/?\s"']+ \? [^\s"']* \b id_type= ) )
    [^\s"'`&,;?/{}()\[\]] [^\s"'`&,;?{}()\[\]]*
    """
)
"""The name and value of a secret; or the path of a member whose `id_type` is not id."""


class Redactor:
    """Masking of secrets, by the names before them and by their values.

    A value is recognized anywhere in longer text, also URL-encoded, escaped and in base64. A
    member's id in a path is masked too unless it is a CrowdTwist id, so that no email address is
    logged.

    Logs may lose a word too many. In records only secrets are masked that are too long to occur
    there by chance.
    """

    def __init__(self) -> None:
        self._log_forms: tuple[str, ...] = ()
        self._record_forms: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Add the values of secrets; those that are too short are ignored."""
        log_forms, record_forms = set(self._log_forms), set(self._record_forms)
        for secret in map(str.strip, secrets):
            if len(secret) >= _MIN_SECRET_CHARACTERS:
                log_forms |= _encoded_forms(secret)
            if len(secret) >= _MIN_CHARACTERS_IN_RECORDS:
                record_forms |= _encoded_forms(secret)
        self._log_forms = tuple(sorted(log_forms))
        self._record_forms = tuple(sorted(record_forms))

    def __call__(self, text: str) -> str:
        """Return a log line without secrets."""
        text = _mask_forms(text, self._log_forms)
        return text if text.isalnum() else _NAMED_SECRET.sub(_mask_value, text)

    def in_record(self, text: str) -> str:
        """Return a text of a record without the secrets that are long enough."""
        return (
            text
            if len(text) < _MIN_CHARACTERS_IN_RECORDS
            else _mask_forms(text, self._record_forms)
        )


def _mask_forms(text: str, forms: tuple[str, ...]) -> str:
    # Called for every text of every record, nearly always without a match, so that case returns
    # before anything is built.
    for form in forms:
        if form in text:
            break
    else:
        return text
    # Spans of different forms may overlap, so they are merged before anything is replaced.
    spans = sorted(span for form in forms for span in _spans(form, text))
    parts, end = [], 0
    for start, stop in spans:
        if start >= end:
            parts += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _mask_value(match: re.Match[str]) -> str:
    return match["name"] + MASK


def _encoded_forms(secret: str) -> set[str]:
    """Return a secret as it is and as URLs, JSON, Python's repr and base64 encode it."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    quoted |= {quote(form, safe="") for form in quoted}
    lower = {re.sub("%..", lambda escape: escape[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = {form for text in (secret, *quoted) for form in _base64(text.encode())}
    return {secret} | quoted | lower | escaped | encoded


def _base64(secret: bytes) -> Iterator[str]:
    """Yield the base64 of a secret for each of its three positions in a longer text.

    Base64 encodes three bytes at a time, so the form depends on the number of bytes before it.
    Characters at both ends that also encode neighboring bytes are left out.
    """
    for shift, first in enumerate((0, 2, 3)):
        encoded = base64.b64encode(b" " * shift + secret).decode()
        certain = encoded[first : (shift + len(secret)) * 8 // 6]
        for form in (certain, encoded.rstrip("=")) if not shift else (certain,):
            if len(form) >= _MIN_BASE64_CHARACTERS:
                yield form
                yield form.replace("+", "-").replace("/", "_")
                yield quote(form, safe="")


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each occurrence of a form, overlapping ones included."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


REDACTOR = Redactor()
"""The secrets of this process. Logging is global, so its redactor is too."""


class RedactingFormatter(logging.Formatter):
    """Formatter that masks the output of another one, tracebacks included."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    @override
    def format(self, record: logging.LogRecord) -> str:
        return self._redactor(self._inner.format(record))


def guard_logging(redactor: Redactor = REDACTOR) -> None:
    """Make every handler of every logger mask secrets."""
    # Formatters are wrapped, not filters added: only the formatter sees the final text.
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    for handler in handlers | ({logging.lastResort} if logging.lastResort else set()):
        if not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redactor))

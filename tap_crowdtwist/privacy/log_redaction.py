"""Redaction of secrets in all log lines, whichever package writes them, and in records."""

from __future__ import annotations

import json
import logging
import re
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "[redacted]"
_MIN_SECRET_CHARACTERS = 4
_MIN_CHARACTERS_IN_RECORDS = 16
"""A shorter secret may occur in data by chance, and data must not be changed."""

_NAMED_SECRET = re.compile(
    r"""(?ix)
    (?P<name> (?<![a-z]) (?: api_key | hmac_public_key | hmac_private_key | hash_key
              | sftp_password | sftp_key_passphrase )
              (?: ["'] | %22 )? \s* (?: [=:] | %3[AD] ) \s* ["']?
            | (?: CTApiKey | CTApiV2Auth ) (?: \s | %20 | \+ )+
            | /users/ (?= [^/?\s"']+ \? [^\s"']* \b id_type= ) )
    [^\s"'`&,;?/{}()\[\]] [^\s"'`&,;?{}()\[\]]*
    """
)
"""The name and value of a secret; or the path of a member whose `id_type` is not id."""


class Redactor:
    """Masking of secrets, by the names before them and by their values.

    A value is recognized anywhere in longer text, also URL-encoded and escaped as in JSON. A
    member's id in a path is masked too unless it is a CrowdTwist id, so that no email address is
    logged.

    Logs may lose a word too many. In records only secrets are masked that are too long to occur
    there by chance.
    """

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._log_forms: tuple[str, ...] = ()
        self._record_forms: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """Add the values of secrets; those that are too short are ignored."""
        self._secrets = self._secrets.union(map(str.strip, secrets))
        self._log_forms = _forms(self._secrets, _MIN_SECRET_CHARACTERS)
        self._record_forms = _forms(self._secrets, _MIN_CHARACTERS_IN_RECORDS)

    def __call__(self, text: str) -> str:
        """Return a log line without secrets."""
        return _NAMED_SECRET.sub(rf"\g<name>{MASK}", _mask(text, self._log_forms))

    def in_record(self, text: str) -> str:
        """Return a text of a record without the secrets that are long enough."""
        # Called for every text of every record; most are shorter.
        if len(text) < _MIN_CHARACTERS_IN_RECORDS:
            return text
        return _mask(text, self._record_forms)


def _mask(text: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        text = text.replace(form, MASK)
    return text


def _forms(secrets: Iterable[str], min_characters: int) -> tuple[str, ...]:
    """Return the forms of the secrets that are long enough, as URLs and JSON encode them too."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= min_characters:
            forms |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
            forms.add(json.dumps(secret)[1:-1])
    # A form that is a part of another one is masked after it, or would leave the rest of it.
    return tuple(sorted(forms, key=len, reverse=True))


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


_UNSAFE_AT_DEBUG = ("aiobotocore", "botocore")
"""Loggers of packages that log whole requests at DEBUG, credentials in their headers included."""


def guard_logging(redactor: Redactor = REDACTOR) -> None:
    """Make every handler of every logger mask secrets, and keep those of others out of the log."""
    for name in _UNSAFE_AT_DEBUG:
        logging.getLogger(name).setLevel(logging.INFO)
    # Formatters are wrapped, not filters added: only the formatter sees the final text.
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    handlers = set(chain.from_iterable(logger.handlers for logger in loggers))
    for handler in filter(None, (*handlers, logging.lastResort)):
        if not isinstance(handler.formatter, RedactingFormatter):
            inner = handler.formatter or logging.Formatter()
            handler.setFormatter(RedactingFormatter(inner, redactor))

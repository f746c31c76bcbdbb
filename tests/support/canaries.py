"""Secrets made to be found, and every form in which one could be looked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

API_KEY = 'cAn4ry/k+e y%7E&="key"'
PUBLIC_KEY = "cAn4ry/pub+lic&key=="
PRIVATE_KEY = "cAn4ry/pri+vate key?"
PASSWORD = 'cAn4ry/pass+word@&"sftp'
PASSPHRASE = 'cAn4ry/phr+ase %"sftp'
SECRETS = (API_KEY, PUBLIC_KEY, PRIVATE_KEY, PASSWORD, PASSPHRASE)
HMAC = {"hmac_public_key": PUBLIC_KEY, "hmac_private_key": PRIVATE_KEY}
SFTP = {"sftp_password": PASSWORD, "sftp_key_passphrase": PASSPHRASE}


def forms(secret: str) -> Iterator[str]:
    """Spell a secret as it is, and in the ways of URLs and JSON."""
    yield from (secret, json.dumps(secret)[1:-1])
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret))


def leaks(*texts: str) -> list[str]:
    """The secrets that stand in texts, in any form."""
    return [form for text in texts for secret in SECRETS for form in forms(secret) if form in text]

"""Secrets made to be found, and every form in which one could be looked for."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

API_KEY = 'cAn4ry/k+e y%7E&="key"'
PUBLIC_KEY = "cAn4ry/pub+lic&key=="
PRIVATE_KEY = "cAn4ry/pri+vate key?"
SECRETS = (API_KEY, PUBLIC_KEY, PRIVATE_KEY)
HMAC = {"hmac_public_key": PUBLIC_KEY, "hmac_private_key": PRIVATE_KEY}


def forms(secret: str) -> Iterator[str]:
    """Spell a secret in the ways of URLs, headers, JSON, Python and base64."""
    for text in (secret, f"CTApiKey {secret}"):
        yield from (text, json.dumps(text)[1:-1], repr(text)[1:-1])
        for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
            yield from (quoted, re.sub("%..", lambda escape: escape[0].lower(), quoted))
            yield quote(quoted, safe="")
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(text.encode()).decode().rstrip("=")
            yield encode(quote(text, safe="").encode()).decode().rstrip("=")


def leaks(*texts: str) -> list[str]:
    """The secrets that stand in texts, in any form."""
    return [form for text in texts for secret in SECRETS for form in forms(secret) if form in text]

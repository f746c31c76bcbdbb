"""Authentication of outgoing requests, the only place where a key meets a request.

Sources: the Help Center's endpoint pages (query key on the main host, header key on the
point-of-sale host) and API HMAC Authentication.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from requests.auth import AuthBase
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

HEADER = "X-CT-Authorization"

HMAC_TIMESTAMPS = ("milliseconds", "seconds")
"""Units of `X-CT-Timestamp`; the first has 13 digits, as on two pages of the vendor."""

HMAC_DIGESTS = ("base64_of_hex", "base64", "hex")
"""How the digest is spelled: base64 of its hexadecimal form, base64 of its bytes, or that form."""


class HeaderKey(AuthBase):
    """`X-CT-Authorization: CTApiKey <key>`: the only form that the POS host takes."""

    def __init__(self, key: str) -> None:
        self._value = f"CTApiKey {key}"

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers[HEADER] = self._value
        return r


class QueryKey(AuthBase):
    """`api_key=<key>` in the query: what every page of the main host asks for."""

    def __init__(self, key: str) -> None:
        self._pair = f"api_key={quote(key, safe='')}"

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        url = r.url or ""
        r.url = f"{url}{'&' if '?' in url else '?'}{self._pair}"
        return r


class HmacSignature(AuthBase):
    """HMAC-SHA256 over verb, empty MD5, empty type, timestamp and URI, signed at each attempt.

    Two choices are open, and the caller's: the timestamp is in milliseconds by default (the
    vendor's samples have 13 digits), and the signature is the base64 of the hex digest (the
    vendor's stack returns hex). Neither is verified against the live service.

    Args:
        public_key: names the key pair.
        private_key: signs.
        now: returns the current time, in seconds since the epoch.
        timestamp: one of `HMAC_TIMESTAMPS`.
        digest: one of `HMAC_DIGESTS`.
    """

    def __init__(
        self,
        public_key: str,
        private_key: str,
        now: Callable[[], float] = time.time,
        *,
        timestamp: str = HMAC_TIMESTAMPS[0],
        digest: str = HMAC_DIGESTS[0],
    ) -> None:
        self._public = public_key
        self._private = private_key.encode()
        self._now = now
        self._factor = {"milliseconds": 1000, "seconds": 1}[timestamp]
        self._spell = _SPELLINGS[digest]

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        timestamp = str(int(self._now() * self._factor))
        text = "\n".join((r.method or "GET", "", "", timestamp, r.path_url))
        signature = self._spell(hmac.digest(self._private, text.encode(), hashlib.sha256))
        r.headers[HEADER] = f"CTApiV2Auth {self._public}:{signature}"
        r.headers["X-CT-Timestamp"] = timestamp
        return r


_SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "base64_of_hex": lambda digest: base64.b64encode(digest.hex().encode()).decode(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "hex": bytes.hex,
}

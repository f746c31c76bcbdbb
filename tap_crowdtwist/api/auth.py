"""Authentication of outgoing requests: the only module that puts a key into a request.

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
"""Encodings of the digest: base64 of its hexadecimal form, base64 of its bytes, hexadecimal."""


class HeaderKey(AuthBase):
    """Key in a header, `X-CT-Authorization: CTApiKey <key>`: all that the POS host accepts."""

    def __init__(self, key: str) -> None:
        self._value = f"CTApiKey {key}"

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers[HEADER] = self._value
        return r


class QueryKey(AuthBase):
    """Key in the query, `api_key=<key>`: documented for every resource of the main host."""

    def __init__(self, key: str) -> None:
        self._pair = f"api_key={quote(key, safe='')}"

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        # Appended as it is: requests would parse the URL and encode the whole query anew.
        url = r.url or ""
        r.url = f"{url}{'&' if '?' in url else '?'}{self._pair}"
        return r


class HmacSignature(AuthBase):
    """HMAC-SHA256 signature of method, empty MD5, empty content type, timestamp and URI.

    Each attempt is signed anew. The vendor's pages leave two choices open, and the caller may set
    them: the timestamp is in milliseconds by default (the vendor's samples have 13 digits), and
    the signature is the base64 of the hexadecimal digest (the vendor's stack returns hexadecimal).
    Neither default is verified against the live service.

    Args:
        public_key: public key, sent with the signature.
        private_key: secret that signs.
        now: returns the current time, in seconds since the epoch.
        timestamp: `milliseconds` or `seconds`, the unit of the timestamp.
        digest: `base64_of_hex`, `base64` or `hex`, the encoding of the digest.
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
        self._ticks_per_second = {"milliseconds": 1000, "seconds": 1}[timestamp]
        self._encode_digest = _DIGEST_ENCODERS[digest]

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        timestamp = str(int(self._now() * self._ticks_per_second))
        # The two empty lines stand for the MD5 and the type of a body, which a GET does not have.
        text = "\n".join((r.method or "GET", "", "", timestamp, r.path_url))
        signature = self._encode_digest(hmac.digest(self._private, text.encode(), hashlib.sha256))
        r.headers[HEADER] = f"CTApiV2Auth {self._public}:{signature}"
        r.headers["X-CT-Timestamp"] = timestamp
        return r


_DIGEST_ENCODERS: dict[str, Callable[[bytes], str]] = {
    "base64_of_hex": lambda digest: base64.b64encode(digest.hex().encode()).decode(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "hex": bytes.hex,
}

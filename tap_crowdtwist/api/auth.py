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

    Two choices rest on conflicting sources and stand in this class alone: the timestamp is in
    milliseconds (the vendor's sample has 13 digits), and the signature is the base64 of the hex
    digest (the vendor's stack returns hex). Neither is verified against the live service.
    """

    def __init__(
        self, public_key: str, private_key: str, now: Callable[[], float] = time.time
    ) -> None:
        self._public = public_key
        self._private = private_key.encode()
        self._now = now

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        timestamp = str(int(self._now() * 1000))
        text = "\n".join((r.method or "GET", "", "", timestamp, r.path_url))
        digest = hmac.new(self._private, text.encode(), hashlib.sha256).hexdigest()
        signature = base64.b64encode(digest.encode()).decode()
        r.headers[HEADER] = f"CTApiV2Auth {self._public}:{signature}"
        r.headers["X-CT-Timestamp"] = timestamp
        return r

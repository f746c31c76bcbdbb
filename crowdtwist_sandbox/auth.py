"""Who may ask: the key in the query or in a header, or a signed request.

"API HMAC Authentication" leaves two points open, which are options here: the unit of the timestamp,
and how the digest is encoded.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from hmac import compare_digest
from hmac import new as new_hmac
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from crowdtwist_sandbox.http_exchange import Request

TIMESTAMPS = {"milliseconds": 1000, "seconds": 1}
"""Units of the timestamp, and how many of them make a second."""

DIGESTS: dict[str, Callable[[bytes], str]] = {
    "base64_of_hex": lambda digest: b64encode(digest.hex().encode()).decode(),
    "base64": lambda digest: b64encode(digest).decode(),
    "hex": bytes.hex,
}
"""Ways to encode the digest."""

_VALID = 15 * 60
_KEY_SCHEME = "CTApiKey "
_HMAC_SCHEME = "CTApiV2Auth "


def _equal(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(), wanted.encode())


def key_in_header(request: Request, key: str) -> bool:
    """Whether `X-CT-Authorization: CTApiKey <key>` holds the key: the POS host's only form."""
    header = request.header(b"x-ct-authorization")
    return header.startswith(_KEY_SCHEME) and _equal(header[len(_KEY_SCHEME) :], key)


def key_anywhere(request: Request, key: str) -> bool:
    """Whether the query or the header holds the key: the main host's two forms."""
    given = request.params.get("api_key")
    return (given is not None and _equal(given, key)) or key_in_header(request, key)


def signature(
    private_key: str, method: str, timestamp: str, uri: str, digest: str = "base64_of_hex"
) -> str:
    """What signs a request without body: its MD5 and content type are empty."""
    signed = f"{method}\n\n\n{timestamp}\n{uri}"
    return DIGESTS[digest](new_hmac(private_key.encode(), signed.encode(), sha256).digest())


def is_signed(
    request: Request,
    public_key: str,
    private_key: str,
    clock: Callable[[], float] = time,
    *,
    unit: str = "milliseconds",
    digest: str = "base64_of_hex",
) -> bool:
    """Whether the request carries a valid signature that is at most 15 minutes old."""
    header = request.header(b"x-ct-authorization")
    timestamp = request.header(b"x-ct-timestamp")
    if not header.startswith(_HMAC_SCHEME) or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(clock() - int(timestamp[:20]) / TIMESTAMPS[unit]) > _VALID:
        return False
    wanted = signature(private_key, request.method, timestamp, request.uri, digest)
    return _equal(header[len(_HMAC_SCHEME) :], f"{public_key}:{wanted}")

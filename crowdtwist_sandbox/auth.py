"""Authentication: an API key in the query or in a header, or a signed request.

The page "API HMAC Authentication" leaves two points open, which are options here: the unit of the
timestamp and the encoding of the digest.
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
"""Timestamp unit -> units per second."""

DIGESTS: dict[str, Callable[[bytes], str]] = {
    "base64_of_hex": lambda digest: b64encode(digest.hex().encode()).decode(),
    "base64": lambda digest: b64encode(digest).decode(),
    "hex": bytes.hex,
}
"""Encodings of the digest."""

_MAX_AGE_SECONDS = 15 * 60
_KEY_SCHEME = "CTApiKey "
_HMAC_SCHEME = "CTApiV2Auth "


def _equal(given: str, wanted: str) -> bool:
    # As bytes: compare_digest() raises TypeError for text beyond ASCII.
    return compare_digest(given.encode(), wanted.encode())


def key_in_header(request: Request, key: str) -> bool:
    """Check the key in `X-CT-Authorization: CTApiKey <key>`, the only form of the POS host."""
    header = request.header(b"x-ct-authorization")
    return header.startswith(_KEY_SCHEME) and _equal(header[len(_KEY_SCHEME) :], key)


def key_anywhere(request: Request, key: str) -> bool:
    """Check the key in the query or in the header, the two forms of the main host."""
    given = request.params.get("api_key")
    return (given is not None and _equal(given, key)) or key_in_header(request, key)


def signature(
    private_key: str, method: str, timestamp: str, uri: str, digest: str = "base64_of_hex"
) -> str:
    """Return the signature of a request without a body."""
    # The second and third line are the body's MD5 and content type; a GET has neither.
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
    """Check that the request has a valid signature whose timestamp is within 15 minutes of now."""
    header = request.header(b"x-ct-authorization")
    timestamp = request.header(b"x-ct-timestamp")
    if not header.startswith(_HMAC_SCHEME) or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    if abs(clock() - int(timestamp[:20]) / TIMESTAMPS[unit]) > _MAX_AGE_SECONDS:
        return False
    wanted = signature(private_key, request.method, timestamp, request.uri, digest)
    return _equal(header[len(_HMAC_SCHEME) :], f"{public_key}:{wanted}")

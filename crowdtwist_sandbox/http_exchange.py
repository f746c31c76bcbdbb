"""HTTP requests as the hosts read them, responses as they build them, and how they are sent."""

from __future__ import annotations

import zlib
from copy import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import msgspec

if TYPE_CHECKING:
    from starlette.types import Scope, Send
    from typing_extensions import Self

_GZIP_ABOVE = 500  # bytes
GZIP_WINDOW = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header
_encode = msgspec.json.Encoder().encode


class Request:
    """The parts of an HTTP request that the hosts need.

    `segments` are the decoded parts of the path. It is split first, so that an id may contain an
    encoded slash.
    """

    __slots__ = ("_headers", "method", "params", "path", "query", "segments")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")
        self.params = dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}
        segments = self.path.strip("/").split("/")
        # Split before decoding: an id may contain an encoded slash.
        self.segments = [unquote(part) for part in segments] if "%" in self.path else segments
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]

    @property
    def uri(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: bytes) -> str:
        """Return a header's value, "" if it is missing; `name` is in lower case."""
        for key, value in self._headers:
            if key == name:
                return value.decode("latin-1")
        return ""


class Response:
    """A status, a body (JSON by default), and headers in addition to the usual ones."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.body = _encode(payload)
        self.media_type = "application/json"
        self.headers = headers or {}

    @classmethod
    def of_bytes(
        cls, status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None
    ) -> Self:
        """Build a response from raw bytes, for a body that is not (valid) JSON."""
        response = cls(status, None, headers)
        response.body = body
        response.media_type = media_type
        return response

    def with_headers(self, headers: dict[str, str]) -> Response:
        """Return a copy with more headers."""
        response = copy(self)  # constants such as errors.NOT_FOUND are shared by all requests
        response.headers = {**self.headers, **headers}
        return response

    def header_list(self) -> list[tuple[bytes, bytes]]:
        """Return the headers, except those that depend on how the body is sent."""
        return [
            (b"content-type", self.media_type.encode()),
            (b"cache-control", b"no-cache"),
            *((name.encode(), value.encode()) for name, value in self.headers.items()),
        ]


class Refusal(Exception):  # noqa: N818 - it carries a response, it is not a failure
    """Ends the handling of a request with a given response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


async def deliver(request: Request, response: Response, send: Send) -> None:
    """Send the response, compressed if the client accepts gzip and the body is over 500 bytes."""
    body = response.body
    headers = response.header_list()
    if len(body) > _GZIP_ABOVE and "gzip" in request.header(b"accept-encoding"):
        # Level 1: the sandbox should be fast rather than its bodies small.
        compressor = zlib.compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
        body = compressor.compress(body) + compressor.flush()
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

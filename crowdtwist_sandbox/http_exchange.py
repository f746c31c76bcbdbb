"""A request as the hosts read it, an answer as they give it, and how it is delivered."""

from __future__ import annotations

import zlib
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

if TYPE_CHECKING:
    from starlette.types import Scope, Send
    from typing_extensions import Self

_GZIP_ABOVE = 500  # bytes
GZIP_WINDOW = 16 + zlib.MAX_WBITS
_encode = msgspec.json.Encoder().encode


class Request:
    """The parts of an HTTP request that matter here.

    `segments` are the path's parts, split before they are decoded, so that an id may hold an
    encoded slash.
    """

    __slots__ = ("_headers", "method", "params", "path", "query", "segments")

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")
        self.params = dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}
        segments = self.path.strip("/").split("/")
        self.segments = [unquote(part) for part in segments] if "%" in self.path else segments
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]

    @property
    def uri(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: bytes) -> str:
        """A header's value by its lower-case name; empty where it is missing."""
        for key, value in self._headers:
            if key == name:
                return value.decode("latin-1")
        return ""


class Response:
    """A status, a body (JSON unless it says otherwise), and headers beyond the usual ones."""

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
        """An answer whose body is not JSON, or not quite."""
        answer = cls(status, None, headers)
        answer.body = body
        answer.media_type = media_type
        return answer

    def also(self, headers: dict[str, str]) -> Response:
        """A copy with more headers; some answers are shared."""
        answer = copy(self)
        answer.headers = {**self.headers, **headers}
        return answer

    def head(self) -> list[tuple[bytes, bytes]]:
        """The headers, except for what depends on how the body is sent."""
        return [
            (b"content-type", self.media_type.encode()),
            (b"cache-control", b"no-cache"),
            *((name.encode(), value.encode()) for name, value in self.headers.items()),
        ]


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """Ends the handling of a request with an answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Deliver(Protocol):
    """Sends an answer. Every response of both hosts passes through one of these or a fault."""

    async def __call__(self, request: Request, answer: Response, send: Send) -> None:
        """Send the answer to the request."""


async def deliver(request: Request, answer: Response, send: Send) -> None:
    """Send the answer as it is, compressed where the client takes gzip and it pays."""
    body = answer.body
    headers = answer.head()
    if len(body) > _GZIP_ABOVE and "gzip" in request.header(b"accept-encoding"):
        squeeze = zlib.compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
        body = squeeze.compress(body) + squeeze.flush()
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

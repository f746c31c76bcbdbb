"""HTTP responses of the receiver, and the exceptions that stand for one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

# The types of ASGI.
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_CLOSE = (b"connection", b"close")


class HttpResponse(NamedTuple):
    """A status, a body and all headers."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    async def send(self, send: Send, *, close: bool = False) -> None:
        """Send the response; with `close`, as the last one of its connection."""
        headers = (*self.headers, _CLOSE) if close else self.headers
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(status: int, content: Mapping[str, Any], **headers: bytes) -> HttpResponse:
    """Build a response of JSON; underscores in header names stand for hyphens."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return http_response(status, body, b"application/json", **headers)


def http_response(status: int, body: bytes, content_type: bytes, **headers: bytes) -> HttpResponse:
    """Build a response; underscores in header names stand for hyphens."""
    more = tuple((name.replace("_", "-").encode(), value) for name, value in headers.items())
    length = (b"content-length", str(len(body)).encode())
    return HttpResponse(status, body, ((b"content-type", content_type), length, *more))


class RequestRejected(Exception):  # noqa: N818 - an outcome, not an error
    """Ends the handling of a request with a response other than 200.

    Args:
        status: HTTP status.
        reason: a few words, sent and logged. They come from a fixed set and hold nothing of the
            request or the machine.
        close: whether the connection must be closed.
        detail: further words from a fixed set, logged but not sent.
        headers: of the response.
    """

    def __init__(
        self, status: int, reason: str, *, close: bool = False, detail: str = "", **headers: bytes
    ) -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.response = json_response(status, {"error": reason}, **headers)
        self.close = close


class RetryLater(RequestRejected):
    """A 503. CrowdTwist retries five times an hour for eight hours ("Data Push Overview")."""

    def __init__(
        self, reason: str, *, seconds: int = 5, close: bool = False, detail: str = ""
    ) -> None:
        super().__init__(503, reason, close=close, detail=detail, retry_after=str(seconds).encode())

"""What a request is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Send

_CLOSE = (b"connection", b"close")


class Answer(NamedTuple):
    """A status, a JSON body, and the headers of both."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    async def send(self, send: Send, *, close: bool = False) -> None:
        """Send it; with `close`, as the last one of its connection."""
        headers = (*self.headers, _CLOSE) if close else self.headers
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(status: int, content: Mapping[str, Any], **headers: bytes) -> Answer:
    """Make an answer; underscores in names of headers stand for hyphens."""
    body = json.dumps(content, separators=(",", ":")).encode()
    more = tuple((name.replace("_", "-").encode(), value) for name, value in headers.items())
    length = (b"content-length", str(len(body)).encode())
    return Answer(status, body, ((b"content-type", b"application/json"), length, *more))


class Refusal(Exception):  # noqa: N818 - it is an answer
    """Ends the handling of a request with an answer other than 200.

    Args:
        status: of the answer.
        reason: a few words, nothing of the request or the machine in them. They are logged too, so
            each reason is one of a fixed set.
        close: whether the connection cannot be used any further.
        detail: what only the log is told; one of a fixed set, too.
        headers: of the answer.
    """

    def __init__(
        self, status: int, reason: str, *, close: bool = False, detail: str = "", **headers: bytes
    ) -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.answer = answer(status, {"error": reason}, **headers)
        self.close = close


class Later(Refusal):
    """A 503: CrowdTwist tries again, five times an hour for eight hours ("Data Push Overview")."""

    def __init__(
        self, reason: str, *, seconds: int = 5, close: bool = False, detail: str = ""
    ) -> None:
        super().__init__(503, reason, close=close, detail=detail, retry_after=str(seconds).encode())

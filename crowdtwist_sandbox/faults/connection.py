"""The connection under one request: what ASGI cannot say is said to its transport."""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING

from crowdtwist_sandbox.serving import TRANSPORT

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from crowdtwist_sandbox.http_exchange import Response

_MOMENT = 0.01  # seconds for bytes to reach the client before the connection is torn
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """Sends an answer piece by piece, waits, and ends the connection in the wrong place.

    A fault that ends the connection waits until the server has noticed, since the server would
    answer by itself otherwise.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"][TRANSPORT]
        self._receive = receive
        self.send = send

    async def start(self, answer: Response, *headers: tuple[bytes, bytes]) -> None:
        """Send status and headers: the answer's own ones and those given."""
        sent = [*answer.head(), *headers]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": sent})

    async def part(self, body: bytes) -> None:
        """Send bytes of the body, with more to come."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last bytes of the body."""
        await self.send({"type": "http.response.body", "body": body})

    def write(self, data: bytes) -> None:
        """Send bytes past the server's bookkeeping."""
        self._transport.write(data)

    async def hang_up(self) -> None:
        """Close the connection in an orderly way (FIN), after what was sent."""
        self._transport.close()
        await self._gone()

    async def reset(self) -> None:
        """Tear the connection (RST), a moment after what was sent."""
        await asyncio.sleep(_MOMENT)
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
        self._transport.abort()
        await self._gone()

    async def lasts(self, seconds: float) -> bool:
        """Wait; false as soon as the client hangs up."""
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except asyncio.TimeoutError:
            return True
        return False

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

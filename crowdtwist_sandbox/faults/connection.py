"""The connection of one request; what ASGI cannot express is done on its transport."""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING

from crowdtwist_sandbox.serving import TRANSPORT

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from crowdtwist_sandbox.http_exchange import Response

_FLUSH_SECONDS = 0.01  # for bytes to reach the client before the connection is reset
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds turns a close into an RST


class Connection:
    """Sends a response in pieces, pauses, and can end the connection at any point."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"][TRANSPORT]
        self._receive = receive
        self.send = send

    async def start(self, response: Response, *headers: tuple[bytes, bytes]) -> None:
        """Send the status, the response's headers and additional ones."""
        sent = [*response.header_list(), *headers]
        await self.send({"type": "http.response.start", "status": response.status, "headers": sent})

    async def part(self, body: bytes) -> None:
        """Send bytes of the body, with more to come."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last bytes of the body."""
        await self.send({"type": "http.response.body", "body": body})

    def write(self, data: bytes) -> None:
        """Write bytes to the socket without the server's knowledge."""
        self._transport.write(data)

    async def hang_up(self) -> None:
        """Close the connection (FIN) after what was sent."""
        self._transport.close()
        await self._gone()

    async def reset(self) -> None:
        """Reset the connection (RST) shortly after what was sent."""
        await asyncio.sleep(_FLUSH_SECONDS)
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
        self._transport.abort()
        await self._gone()

    async def wait_connected(self, seconds: float) -> bool:
        """Wait; return True after that time, and False as soon as the client disconnects."""
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except asyncio.TimeoutError:
            return True
        return False

    async def _gone(self) -> None:
        # uvicorn sends a 500 of its own if the application returns before it has seen the
        # disconnect.
        while (await self._receive())["type"] != "http.disconnect":
            pass

"""A uvicorn server that stops at once and exposes the transports of its connections."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from socket import socket

    from starlette.types import ASGIApp

TRANSPORT = "transport"
"""Key of the connection's transport in a request's ASGI state."""

_SHUTDOWN_SECONDS = 1  # seconds for requests in flight when the sandbox stops


class _Protocol(HttpToolsProtocol):
    """HTTP protocol that passes the transport to the application: some faults are below HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A copy per connection: uvicorn hands the same dict to all of them.
        self.app_state = {**self.app_state, TRANSPORT: transport}


class Server(uvicorn.Server):
    """A uvicorn server that stops within milliseconds.

    uvicorn's own main loop and shutdown take a fifth of a second, and many tests start and
    stop a sandbox.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(_config(app))
        self._stop_requested = asyncio.Event()

    def stop(self) -> None:
        """Request a stop; to be called in the event loop."""
        self._stop_requested.set()

    async def main_loop(self) -> None:
        """Wait for `stop`."""
        await self._stop_requested.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's
        """Close idle connections at once, and requests in flight after a second at most."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            _, unfinished = await asyncio.wait(state.tasks, timeout=_SHUTDOWN_SECONDS)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        # A cancelled request leaves its connection open, half way through a response.
        for connection in list(state.connections):
            connection.transport.abort()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a uvloop event loop where uvloop is installed (not on Windows), else asyncio's."""
    if find_spec("uvloop") is None:  # pragma: no cover - it is there wherever this is tested
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = import_module("uvloop").new_event_loop()
    return loop


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
    )

"""How both hosts are served: uvicorn, with a quick end and with its connections within reach."""

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
"""The name in a request's state under which its connection's transport stands."""

_GRACE = 1  # seconds for requests in flight when the sandbox stops


class _Protocol(HttpToolsProtocol):
    """Shows the transport to the application, since some faults are below HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class Server(uvicorn.Server):
    """Serves one application until told to stop, which then does not wait for a tick."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(_config(app))
        self._told = asyncio.Event()

    def stop(self) -> None:
        """End soon; to be called in the loop."""
        self._told.set()

    async def main_loop(self) -> None:
        """Wait to be told."""
        await self._told.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's
        """Let requests in flight end within the grace, then end them; idle connections at once."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            _, late = await asyncio.wait(state.tasks, timeout=_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(state.connections):
            connection.transport.abort()


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop at hand; there is no uvloop on Windows."""
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

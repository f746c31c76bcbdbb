"""How the receiver is served: uvicorn, with bounds to what a connection may take.

uvicorn bounds neither the time nor the size of a request's head, nor of a body that nobody reads;
and it drops the body of a request that offers another protocol.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from starlette.types import ASGIApp

    from crowdtwist_receiver.options import ReceiverOptions

_HEAD = 64 * 1024
_CONNECTIONS = 2048
_KEEP_ALIVE = 75
_TICK = 0.25
_MARGIN = 2
"""Seconds after which a connection is cut on which the application has not ended a request."""

_GRACE = 10
"""Seconds for requests in flight when the receiver stops."""


class _Parser(HttpRequestParser):
    """Reads requests that offer another protocol as if they did not.

    Java's HttpClient offers HTTP/2 with every request to an http:// address. A server may ignore
    the offer (RFC 9110, 7.8), but httptools stops behind the head, and the body is lost
    (httptools#124, uvicorn#2722). So another parser reads the rest, after the same head without
    the offer.
    """

    def __init__(self, protocol: _Protocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn has only bytes
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self.get_method() == b"CONNECT":  # offers nothing else than another protocol
                raise HttpParserError("no tunnels here") from None
            protocol = self._protocol
            head = [
                b"%s %s HTTP/%s"
                % (self.get_method(), protocol.url, self.get_http_version().encode()),
                *(b"%s: %s" % pair for pair in protocol.headers if pair[0] != b"upgrade"),
            ]
            protocol.parser = _Parser(protocol)
            protocol.parser.feed_data(b"\r\n".join([*head, b"", data[upgrade.args[0] :]]))


class _Protocol(HttpToolsProtocol):
    """Knows how large the request is that is being received, and since when it is."""

    largest = 0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.parser = _Parser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since: float | None = self.loop.time()
        self.size = 0
        self.in_head = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.size += len(data)
        if self.size > (_HEAD if self.in_head else self.largest) and self.since is not None:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.since = self.loop.time()
        self.size = 0
        self.in_head = True

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():  # else the next parser comes to this head again
            super().on_headers_complete()
        self.in_head = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
        self.since = None


class Server(uvicorn.Server):
    """Serves an application until told to stop.

    Args:
        app: the application.
        options: the bounds and the certificate.
        ticks: called four times a second.
        at_stop: called when no more connections are accepted.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: ReceiverOptions,
        ticks: Sequence[Callable[[], None]],
        at_stop: Callable[[], None],
    ) -> None:
        super().__init__(_config(app, options))
        self._patience = options.body_timeout + _MARGIN
        self._ticks = ticks
        self._at_stop = at_stop
        self._told = asyncio.Event()

    def stop(self) -> None:
        """End soon; to be called in the loop."""
        self._told.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the command."""
        yield

    async def main_loop(self) -> None:
        """Wait to be told."""
        while not self._told.is_set():
            self._tick()
            await _at_most(_TICK, self._told.wait())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let requests in flight end within the grace, then end them."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        self._at_stop()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        end = asyncio.get_running_loop().time() + _GRACE
        while state.tasks and asyncio.get_running_loop().time() < end:
            self._tick()
            await asyncio.wait(state.tasks, timeout=_TICK)
        late = list(state.tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.sleep(0)  # for answers on their way
        for connection in list(state.connections):
            connection.transport.close()

    def _tick(self) -> None:
        for call in self._ticks:
            call()
        over = asyncio.get_running_loop().time() - self._patience
        for connection in list(self.server_state.connections):
            since = getattr(connection, "since", None)
            if since is not None and since < over:
                connection.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ValueError: with a sentence; the port is taken, or not ours to take, or the host not here.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(_CONNECTIONS)
        except OSError:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise ValueError(
            f"Port {port} of {host} cannot be used ({reason}): choose another port, or host."
        ) from None
    return sock


async def _at_most(seconds: float, awaitable: Any) -> None:
    try:
        await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        return


def _config(app: ASGIApp, options: ReceiverOptions) -> uvicorn.Config:
    class Protocol(_Protocol):
        largest = _HEAD + 2 * options.max_body

    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        date_header=False,
        # uvicorn would believe X-Forwarded-For from loopback; whom to believe is ours to decide.
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE,
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=options.tls_key,
    )

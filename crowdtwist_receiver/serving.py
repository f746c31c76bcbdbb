"""HTTP server of the receiver: uvicorn, with limits for each connection.

uvicorn limits neither the time nor the size of a request's head or of a body that the application
does not read, and it drops the body of a request that offers to upgrade to another protocol.
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
    from collections.abc import Callable, Generator

    from crowdtwist_receiver.app import Receiver
    from crowdtwist_receiver.options import ReceiverOptions

_MAX_HEAD_BYTES = 64 * 1024
_MAX_CONNECTIONS = 2048
_KEEP_ALIVE_SECONDS = 75
_ABORT_MARGIN_SECONDS = 2
"""Time after the body timeout until a connection is aborted, so that a 408 can be sent first."""

_CLOSE_SECONDS = 1
"""Time for clients to close their connections after a stop was requested."""

_SHUTDOWN_GRACE_SECONDS = 10
"""Time for requests in flight to finish after a stop was requested; then they are cancelled."""


class _Parser(HttpRequestParser):
    """Parser that ignores the offer to upgrade to another protocol.

    Java's HttpClient offers HTTP/2 with every request to an http:// address. A server may ignore
    the offer (RFC 9110, 7.8), but httptools stops after the head, and the body is lost
    (httptools#124, uvicorn#2722). A second parser therefore reads the same head without the offer,
    then the rest.
    """

    def __init__(self, protocol: _Protocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn passes bytes only
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self.get_method() == b"CONNECT":  # without the tunnel nothing is left to serve
                raise HttpParserError("CONNECT is not supported") from None
            protocol = self._protocol
            head = [
                b"%s %s HTTP/%s"
                % (self.get_method(), protocol.url, self.get_http_version().encode()),
                *(b"%s: %s" % pair for pair in protocol.headers if pair[0] != b"upgrade"),
            ]
            # The first argument of the exception is the offset at which httptools stopped.
            protocol.parser = _Parser(protocol)
            protocol.parser.feed_data(b"\r\n".join([*head, b"", data[upgrade.args[0] :]]))


class _Protocol(HttpToolsProtocol):
    """Protocol that limits the request being received, and records when it began.

    Attributes:
        max_request_bytes: maximum size of a request, with everything around the body.
        since: when the request began, on the loop's clock; None between requests. A new connection
            counts as a request, so that an idle one is aborted too.
        size: bytes received so far.
        in_head: whether the head is incomplete.
        stopping: whether the server is shutting down.
    """

    max_request_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since: float | None = self.loop.time()
        self.size = 0
        self.in_head = True
        self.stopping = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.size += len(data)
        limit = _MAX_HEAD_BYTES if self.in_head else self.max_request_bytes
        # `since` is None if this data has completed the request.
        if self.size > limit and self.since is not None:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.since = self.loop.time()
        self.size = 0
        self.in_head = True

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():  # else the second parser repeats this head
            super().on_headers_complete()
        self.in_head = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
        self.since = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.stopping:
            self._limit_close()

    def shutdown(self) -> None:
        super().shutdown()
        self.stopping = True
        self._limit_close()

    def _limit_close(self) -> None:
        # With TLS, a connection stays open for up to 30 seconds until its client closes it too.
        if self.transport.is_closing():
            self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Serves an application until `stop` is called.

    Args:
        app: the application.
        options: limits and certificate.
        on_tick: function that is called ten times a second while connections are accepted.
        on_stop: function that is called when no more connections are accepted.
    """

    def __init__(
        self,
        app: Receiver,
        options: ReceiverOptions,
        on_tick: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        super().__init__(_config(app, options))
        self._request_timeout = options.body_timeout + _ABORT_MARGIN_SECONDS
        self._on_tick = on_tick
        self._on_stop = on_stop

    def stop(self) -> None:
        """Request a stop."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the command: uvicorn would raise them again after an orderly stop."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Abort connections whose request takes too long; return whether to stop."""
        self._on_tick()
        oldest = asyncio.get_running_loop().time() - self._request_timeout
        for connection in list(self.server_state.connections):
            since = getattr(connection, "since", None)
            if since is not None and since < oldest:
                connection.transport.abort()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and let requests in flight finish within the grace time."""
        self._on_stop()
        await super().shutdown(sockets)


def open_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ValueError: with a message that names port and host: the port is in use or needs privileges,
            or the host is unknown.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind)
        try:
            # Else the port of a receiver that was just restarted would still be in use.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(_MAX_CONNECTIONS)
        except OSError:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise ValueError(
            f"Port {port} of {host} cannot be used ({reason}): choose another --port or --host."
        ) from None
    return sock


def _config(app: Receiver, options: ReceiverOptions) -> uvicorn.Config:
    class Protocol(_Protocol):
        # Twice the body, because chunked encoding adds bytes around each chunk.
        max_request_bytes = _MAX_HEAD_BYTES + 2 * options.max_body

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
        # uvicorn would trust X-Forwarded-For from loopback; `Addresses` decides whom to trust.
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_GRACE_SECONDS,
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=options.tls_key,
    )

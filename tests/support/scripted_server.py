"""A server that says what it is told to, byte by byte, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


OK = b"HTTP/1.1 200 OK\r\n"


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def drip(start: bytes, drop: bytes, *, every: float = 0.02) -> Callable[[socket.socket], None]:
    """Say something, and then a drop again and again, until nobody listens."""

    def talk(line: socket.socket) -> None:
        line.sendall(start)
        while True:
            line.sendall(drop)
            time.sleep(every)

    return talk


class Server:
    """Answers each request of each connection with the next of its scripts; the last one repeats.

    A script is the bytes to send, or what talks over the connection itself, which ends with it.

    Attributes:
        heads: the head of each request, in order.
        connections: how many there were.
    """

    def __init__(self, *scripts: bytes | Callable[[socket.socket], None]) -> None:
        self._scripts = scripts
        self._context: ssl.SSLContext | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lines: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.heads: list[str] = []
        self.connections = 0
        self.failures: list[str] = []

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator[Server]:
        """Serve until the block ends; over TLS if given how."""
        self._context = context
        self._start(self._accept)
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join(5)

    def join_connections(self, timeout: float = 5) -> None:
        """Wait until every connection so far has ended; fail if one has not in time."""
        _, *serving = self._threads
        for thread in serving:
            thread.join(timeout)
            assert not thread.is_alive(), "a connection is still open"

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        try:
            if self._context is not None:
                line = self._context.wrap_socket(line, server_side=True)
            self._lines.append(line)
            while head := read_head(line):
                with self._lock:
                    number = len(self.heads)
                    self.heads.append(head)
                script = self._scripts[min(number, len(self._scripts) - 1)]
                if callable(script):
                    script(line)
                    break
                line.sendall(script)
        except OSError as error:
            self.failures.append(str(error))
        finally:
            line.close()


def read_head(line: socket.socket) -> str:
    """The head of the next request; empty where the connection ends."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = line.recv(1)
        if not piece:
            return ""
        data += piece
    return data.decode("latin-1")


def relay(port: int) -> Callable[[socket.socket], None]:
    """What a proxy does once it was told to connect: pass bytes on to a port, both ways."""

    def talk(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=_copy, args=(onward, line), daemon=True)
            back.start()
            _copy(line, onward)
            back.join(5)

    return talk


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

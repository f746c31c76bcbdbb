"""A TCP proxy that delays what passes through it, and limits nothing else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

HOST = "127.0.0.1"
_CHUNK_BYTES = 1 << 16


class Latency:
    """A proxy on loopback in front of a server on loopback, until the block ends.

    Each chunk is kept with the time at which it is due, so a delay costs no throughput: however
    much is on its way arrives a fixed time after it was sent.

    Args:
        port: where the server listens.
        round_trip: seconds that a request and its answer take, half of it in each direction.

    Attributes:
        port: where the proxy listens.
        bytes_passed: bytes that have been sent on to the client.
        break_at: number of bytes to the client after which every connection is closed and no other
            accepted, if not None.
        stall_at: number of bytes to the client after which nothing passes, if not None.
    """

    def __init__(self, port: int, round_trip: float) -> None:
        self._server_port = port
        self._delay = round_trip / 2
        self._listener = socket.create_server((HOST, 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.bytes_passed = 0
        self.break_at: int | None = None
        self.stall_at: int | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._break()
        for thread in self._threads:
            thread.join(10)

    def _break(self) -> None:
        """Close every connection, and accept no other."""
        # Closing alone would not wake a thread that waits in `accept`.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._server_port))
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets += [client, server]
                self._start(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what both send, until one of them is closed."""
        with client, server:
            there = self._start(self._pass_on, client, server)
            self._pass_on(server, client)
            there.join()
            with self._lock:
                self._sockets = [each for each in self._sockets if each not in {client, server}]

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        chunks: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        sender = self._start(self._send, chunks, source, target)
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                chunks.put((time.monotonic() + self._delay, chunk))
        chunks.put((time.monotonic() + self._delay, b""))
        sender.join()

    def _send(
        self,
        chunks: SimpleQueue[tuple[float, bytes]],
        source: socket.socket,
        target: socket.socket,
    ) -> None:
        with suppress(OSError):
            is_to_client = source.getpeername()[1] == self._server_port
            while True:
                due, chunk = chunks.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not chunk:
                    break
                target.sendall(chunk)
                if is_to_client:
                    self._count(len(chunk))
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _count(self, sent: int) -> None:
        self.bytes_passed += sent
        if self.break_at is not None and self.bytes_passed >= self.break_at:
            self._break()
        if self.stall_at is not None and self.bytes_passed >= self.stall_at:
            self._ended.wait()

    def _start(self, call: object, *args: object) -> threading.Thread:
        thread = threading.Thread(target=call, args=args, daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads.append(thread)
        thread.start()
        return thread

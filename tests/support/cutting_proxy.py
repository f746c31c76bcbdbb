"""A TCP proxy on loopback that cuts connections after some bytes, or calls a function then."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

HOST = "127.0.0.1"


class CuttingProxy:
    """Passes bytes on between its clients and a server, until the block ends.

    Attributes:
        port: where it listens.
        cuts: for each connection in turn, the number of bytes from the server after which to cut
            it; those for which there is no number are left alone.
        calls: functions to call instead of a cut, in turn; the connection then stays.
        connections: the number of connections so far.

    Args:
        target: the port of the server.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.cuts: list[int] = []
        self.calls: list[Callable[[], object]] = []
        self.connections = 0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        self.cut()
        for thread in self._threads[1:]:
            thread.join(10)
        for each in (self._listener, *self._open):
            each.close()

    def cut(self) -> None:
        """Cut all connections."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((HOST, self._target))
            self.connections += 1
            most = self.cuts.pop(0) if self.cuts else None
            self._open += (client, server)
            for source, target, limit in ((client, server, None), (server, client, most)):
                thread = threading.Thread(
                    target=self._pass_on, args=(source, target, limit), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                passed += len(piece)
                if limit is not None and passed > limit:
                    if not self.calls:
                        break
                    self.calls.pop(0)()
                    limit = None
                target.sendall(piece)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

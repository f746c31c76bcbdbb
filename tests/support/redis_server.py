"""A real Redis server, started by the tests from the binary on the machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from support import processes
from support.processes import HOST

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_SECONDS = 30


class RedisServer:
    """A server on loopback, until the block ends.

    Attributes:
        port: where it listens.

    Args:
        home: a directory for its data.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://{HOST}:{self.port}/0"

    def __enter__(self) -> Self:
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError(
                "These tests start a Redis of their own, and there is no `redis-server`: install "
                "the package `redis-server`, or put the program's directory on the PATH"
            )
        self.port = processes.free_port()
        self._process = subprocess.Popen(
            [program, "--bind", HOST, "--port", str(self.port), "--dir", self._home],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _SECONDS
        while self.ask("PING") != b"+PONG\r\n":
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise TimeoutError("redis-server does not answer")
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def ask(self, command: str) -> bytes:
        """Send a command; return what it answers, or nothing if it is not there."""
        try:
            with socket.create_connection((HOST, self.port), timeout=_SECONDS) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(1 << 16)
        except OSError:
            return b""

    def _stop(self) -> None:
        assert self._process is not None
        processes.stop(self._process)

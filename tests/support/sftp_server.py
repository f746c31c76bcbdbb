"""A real OpenSSH server of one's own, started by the tests from the binaries on the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fsspec.implementations.cached import (
    CachingFileSystem,
    SimpleCacheFileSystem,
    WholeFileCacheFileSystem,
)

from support import processes
from support.processes import HOST
from tap_crowdtwist.files.sftp import KnownHostsFileSystem

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

KEY_TYPES = ("ed25519", "rsa", "ecdsa")
"""What the server has host keys of; most clients ask for the first."""

_SIZES = {"rsa": ("-b", "2048")}
"""Options for the size of a key; larger RSA keys take seconds to make."""

_SECONDS = 30


def binary(name: str) -> str:
    """The path of one of OpenSSH's programs; the server insists on being called by its own.

    Raises:
        FileNotFoundError: there is none.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found:
        return found
    raise FileNotFoundError(
        f"These tests start an OpenSSH server of their own, and there is no `{name}`: install the "
        "package `openssh-server`, or put the program's directory on the PATH"
    )


def make_key(path: Path, kind: str) -> str:
    """Make a pair of keys; returns the public one as a line of known hosts has it."""
    subprocess.run(
        [
            binary("ssh-keygen"),
            "-q",
            "-t",
            kind,
            "-N",
            "",
            "-C",
            "test",
            *_SIZES.get(kind, ()),
            "-f",
            path,
        ],
        check=True,
        timeout=_SECONDS,
    )
    return path.with_name(f"{path.name}.pub").read_text(encoding="ascii").strip()


def forget_connections() -> None:
    """Close all connections, and let nobody share them."""
    for system in list(KnownHostsFileSystem._cache.values()):  # noqa: SLF001 - has no public name
        system.close()
    for kind in (
        KnownHostsFileSystem,
        CachingFileSystem,
        SimpleCacheFileSystem,
        WholeFileCacheFileSystem,
    ):
        kind.clear_instance_cache()


class SftpServer:
    """A server on loopback that lets in the user who runs the tests, until the block ends.

    Attributes:
        port: where it listens.
        host_keys: its public host keys, by type.
        user_key: the private key that it lets in.

    Args:
        home: where it keeps its keys.
        subsystem: the command that speaks SFTP.
        options: further lines of its configuration.
    """

    def __init__(self, home: Path, subsystem: str = "internal-sftp", *options: str) -> None:
        self._home = home
        self._subsystem = subsystem
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self.port = 0
        self.host_keys = {kind: make_key(home / kind, kind) for kind in KEY_TYPES}
        self.user_key = home / "user"
        make_key(self.user_key, "ed25519")

    @property
    def name(self) -> str:
        """What files of known hosts call it."""
        return f"[{HOST}]:{self.port}"

    def known(self, kind: str = KEY_TYPES[0]) -> str:
        """The line with which it is known."""
        return f"{self.name} {self.host_keys[kind]}\n"

    def url(self, path: Path | str, protocol: str = "sftp", user: str = "") -> str:
        """The URL of a path."""
        return f"{protocol}://{user}{HOST}:{self.port}{path}"

    def __enter__(self) -> Self:
        if not self.port:
            self.port = processes.free_port()
        config = self._home / "sshd_config"
        lines = [
            f"ListenAddress {HOST}:{self.port}",
            *(f"HostKey {self._home / kind}" for kind in KEY_TYPES),
            f"AuthorizedKeysFile {self.user_key}.pub",
            "AuthenticationMethods publickey",
            "PermitRootLogin yes",
            "PidFile none",
            "StrictModes no",
            f"Subsystem sftp {self._subsystem}",
            "UsePAM no",
            *self._options,
        ]
        config.write_text("\n".join(lines), encoding="utf-8")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself up
        self._process = subprocess.Popen(
            [binary("sshd"), "-D", "-e", "-f", config],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            self._wait(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @staticmethod
    def _connections(pid: int) -> list[int]:
        """Return the processes of its connections."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", f"{pid}"],
            check=False,
            capture_output=True,
            encoding="ascii",
            timeout=_SECONDS,
        )
        return [int(child) for child in found.stdout.split()]

    def restart(self) -> None:
        """Replace the process that listens by another one on the same port; break all connections.

        When they break, the new process listens already.
        """
        connections = self._end_listener()
        self.__enter__()
        self._break(connections)

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Wait until it says that it listens; read on, so that it never waits for us."""
        said: list[str] = []
        listens = threading.Event()

        def listen(lines: IO[str]) -> None:
            with lines:  # up to the end of its last connection
                for line in lines:
                    said.append(line)
                    if "Server listening" in line:
                        listens.set()
            listens.set()

        assert process.stderr is not None
        self._listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
        self._listener.start()
        assert listens.wait(_SECONDS), said
        assert process.poll() is None, said
        assert "Server listening" in "".join(said), said

    def _stop(self) -> None:
        if self._process is None:
            return
        self._break(self._end_listener())
        if self._listener is not None:
            self._listener.join(10)

    def _end_listener(self) -> list[int]:
        """End the process that listens; return those of its connections, which outlive it."""
        assert self._process is not None
        connections = self._connections(self._process.pid)
        processes.stop(self._process)
        self._process = None
        return connections

    @staticmethod
    def _break(connections: list[int]) -> None:
        for pid in connections:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

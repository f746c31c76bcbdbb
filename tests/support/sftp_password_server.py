"""An SSH server in Python that accepts a password: OpenSSH's accepts those of the machine alone."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from typing_extensions import Self, override

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"


class SftpPasswordServer:
    """A server on loopback with one user, until the block ends.

    Attributes:
        port: where it listens.
        logins: user and password of each attempt.
        needs_key: whether a key has to come before the password; any key will do.

    Args:
        user: the name of the user.
        password: the password.
    """

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self.needs_key = False
        self.logins: list[tuple[str, str]] = []
        self._key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def url(self, path: Path | str, user: str = "") -> str:
        """Return the URL of a path."""
        return f"sftp://{user}{HOST}:{self.port}{path}"

    def known(self) -> str:
        """Return its line for a file of known hosts."""
        return f"[{HOST}]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(accepted)
            transport.add_server_key(self._key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            self._connections.append(transport)
            transport.start_server(event=threading.Event(), server=_Login(self))


class _Login(paramiko.ServerInterface):  # type: ignore[misc]  # paramiko is untyped
    """Lets in who knows the password."""

    def __init__(self, server: SftpPasswordServer) -> None:
        self._server = server
        self._has_key = False

    @override
    def get_allowed_auths(self, username: str) -> str:
        return "publickey" if self._server.needs_key and not self._has_key else "password"

    @override
    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._has_key = self._server.needs_key
        return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL if self._has_key else paramiko.AUTH_FAILED)

    @override
    def check_auth_password(self, username: str, password: str) -> int:
        given = (username, password)
        self._server.logins.append(given)
        is_right = given == (self._server.user, self._server.password)
        is_right &= self._has_key or not self._server.needs_key
        return int(paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED)

    @override
    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]  # paramiko is untyped
    """Lists and reads the files of this machine."""

    @override
    def list_folder(self, path: str) -> Any:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name)
                for entry in os.scandir(path)
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    @override
    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(Path(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    @override
    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            opened = open(path, "rb")  # noqa: SIM115, PTH123 - closed by the handle
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return _Handle(opened)


class _Handle(paramiko.SFTPHandle):  # type: ignore[misc]  # paramiko is untyped
    """An open file."""

    def __init__(self, opened: Any) -> None:
        super().__init__()
        self.readfile = opened

    @override
    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

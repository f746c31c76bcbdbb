"""SFTP connections to hosts with a known key, and to no other.

A connection that was lost is opened again, once in each operation: hosts restart, and close
connections that were idle for long. A file whose copy was cut off is copied again from its start.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko
from typing_extensions import override

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.files.paths import describe_error
from tap_crowdtwist.files.remote_access import RemoteAccess
from tap_crowdtwist.files.sftp_known_hosts import KnownHosts, key_type
from tap_crowdtwist.files.sftp_login import CONFIG, find_login
from tap_crowdtwist.files.sftp_transfer import SftpTransfer

if TYPE_CHECKING:
    from collections.abc import Callable


logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

TIMEOUT_SECONDS = 60.0
"""Time without an answer after which a host is given up; paramiko would wait for ever."""

_KEEP_ALIVE_SECONDS = 30
"""Seconds between packets on an idle connection, which firewalls would forget otherwise."""

_OF_LOGIN = ("port", "username", "password")
"""Parts of a URL that say how to log in."""


def _is_no_error(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR


# It logs tracebacks of errors that it raises as well.
logging.getLogger("paramiko.transport").addFilter(_is_no_error)


@describe_error.register(paramiko.SSHException)
def _(error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return "the SFTP host supports no algorithm that paramiko supports"
    return "the connection to the SFTP host was lost"


class KnownHostsFileSystem(SftpTransfer):
    """fsspec's SFTP file system, restricted to known hosts.

    Args:
        host: the host's name.
        options: the fields of `RemoteAccess`, and those of fsspec's SFTP; `host_key_policy` is
            ignored.

    Raises:
        SettingError: the host is unknown, or presents another key; or the key file is of no use.
        TapError: the host does not accept the login.
    """

    def __init__(self, host: str, **options: Any) -> None:
        # A convention of fsspec: an instance that is shared through its cache is set up once.
        if self._cached:
            return
        names = [field.name for field in fields(RemoteAccess)]
        self._access = RemoteAccess(**{name: options.pop(name, None) for name in names})
        self._proxy: subprocess.Popen[bytes] | None = None
        options.pop("host_key_policy", None)  # fsspec takes it from the environment too
        super().__init__(host, **options)

    @override
    def info(self, path: str, **options: Any) -> dict[str, Any]:
        inner = super().info
        return self._again_if_lost(lambda: inner(path, **options))

    @override
    def ls(self, path: str, detail: bool = False, **options: Any) -> list[Any]:
        inner = super().ls
        return self._again_if_lost(lambda: inner(path, detail, **options))

    @override
    def get_file(self, rpath: str, lpath: str, *args: Any, **options: Any) -> None:
        inner = super().get_file
        self._again_if_lost(lambda: inner(rpath, lpath, *args, **options))

    @override
    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        inner = super()._open
        return self._again_if_lost(lambda: inner(path, *args, **options))

    def close(self) -> None:
        """Close the connection; the next operation opens another one."""
        self.client.close()
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait()
            self._proxy = None

    def _again_if_lost(self, operation: Callable[[], _Result]) -> _Result:
        """Return the result of an operation, on another connection if this one is lost.

        Raises:
            Exception: that of the operation or of the second connection.
        """
        with self._asking:
            try:
                return operation()
            except Exception as error:
                if not self._is_lost(error):
                    raise
            logger.info("The connection to the SFTP host was lost; it is opened again")
            self.close()
            self._connect()
            return operation()

    def _is_lost(self, error: Exception) -> bool:
        # paramiko wakes whoever waits for an answer before it marks the connection as closed.
        is_sign = isinstance(error, (EOFError, TimeoutError, paramiko.SSHException))
        return is_sign or self.ftp.get_channel().closed

    @override
    def _connect(self) -> None:
        # Files first: one that is of no use needs no connection.
        known = KnownHosts(self._access.known_hosts)
        login = find_login(self.host, self.ssh_kwargs, self._access)
        types = {kind for kind, _ in known.keys_of(login.name)}

        # A host may have keys of several types. If it presented one of a type that is not in the
        # files, it would seem unknown, so known types are requested first.
        def make_transport(*args: Any, **options: Any) -> paramiko.Transport:
            transport = paramiko.Transport(*args, **options)
            security = transport.get_security_options()
            security.key_types = sorted(
                security.key_types, key=lambda algorithm: key_type(algorithm) not in types
            )
            return transport

        options = {name: it for name, it in self.ssh_kwargs.items() if name not in _OF_LOGIN}
        options |= {"timeout": TIMEOUT_SECONDS, "channel_timeout": TIMEOUT_SECONDS}
        options |= {"transport_factory": make_transport, **login.options}
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(known)
        try:
            if login.proxy:
                options["sock"] = self._start_proxy(login.proxy)
            self.client.connect(login.host, login.port, **options)
            self.ftp = self._open_sftp()
            self.ftp.get_channel().settimeout(TIMEOUT_SECONDS)
            self.client.get_transport().set_keepalive(_KEEP_ALIVE_SECONDS)
            self.send_at_once()
        except BaseException as error:
            self.close()
            if known.has_accepted and isinstance(error, paramiko.SSHException):
                raise TapError(f"the SFTP host rejected the login: {login.advice}") from None
            # Which of them it is depends on the moment. Subclasses of SSHException say more.
            if (
                isinstance(error, (EOFError, ConnectionError))
                or type(error) is paramiko.SSHException
            ):
                raise TapError(
                    "the SFTP host closed the connection before the login, or does not speak SSH"
                ) from None
            raise

    def _start_proxy(self, command: list[str]) -> socket.socket:
        """Start a command that connects to the host, and return our end of the connection."""
        # Not paramiko's class for this, which uses a whole processor when the command has ended.
        ours, theirs = socket.socketpair()
        try:
            self._proxy = subprocess.Popen(  # noqa: S603 - the user's own command
                command, stdin=theirs.fileno(), stdout=theirs.fileno()
            )
        except OSError as error:
            ours.close()
            raise TapError(
                f"ProxyCommand in {CONFIG} cannot be run: {describe_error(error)}"
            ) from None
        finally:
            theirs.close()
        return ours

    def _open_sftp(self) -> paramiko.SFTPClient:
        """Start SFTP on the connection.

        Raises:
            TimeoutError: the host does not answer in time.
        """
        # `open_sftp` has no timeout, so a timer closes the connection under it, which makes it
        # raise. The event tells that error from others, and is set before the close causes it.
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            self.client.close()

        timer = threading.Timer(TIMEOUT_SECONDS, give_up)
        timer.daemon = True
        timer.start()
        try:
            return self.client.open_sftp()
        except Exception:
            if timed_out.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

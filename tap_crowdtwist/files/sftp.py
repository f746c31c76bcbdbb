"""SFTP connections to hosts with a known key, and to no other."""

from __future__ import annotations

import threading
from dataclasses import fields
from typing import Any

import paramiko
from typing_extensions import override

from tap_crowdtwist.files.filesystems import RemoteAccess
from tap_crowdtwist.files.sftp_known_hosts import KnownHosts, key_type
from tap_crowdtwist.files.sftp_transfer import SftpTransfer

TIMEOUT_SECONDS = 60.0
"""Time without an answer after which a host is given up; paramiko would wait for ever."""

_DEFAULT_PORT = 22


class KnownHostsFileSystem(SftpTransfer):
    """fsspec's SFTP file system, restricted to known hosts.

    Args:
        host: the host's name.
        options: the fields of `RemoteAccess`, and those of fsspec's SFTP; `host_key_policy` is
            ignored.

    Raises:
        SettingError: the host is unknown, or presents another key.
    """

    def __init__(self, host: str, **options: Any) -> None:
        # A convention of fsspec: an instance that is shared through its cache is set up once.
        if self._cached:
            return
        names = [field.name for field in fields(RemoteAccess)]
        self._access = RemoteAccess(**{name: options.pop(name, None) for name in names})
        options.pop("host_key_policy", None)  # fsspec takes it from the environment too
        super().__init__(host, **options)

    @override
    def _connect(self) -> None:
        port = self.ssh_kwargs.get("port", _DEFAULT_PORT)
        name = self.host if port == _DEFAULT_PORT else f"[{self.host}]:{port}"
        known = KnownHosts(self._access.known_hosts)
        types = {kind for kind, _ in known.keys_of(name)}

        # A host may have keys of several types. If it presented one of a type that is not in the
        # files, it would seem unknown, so known types are requested first.
        def make_transport(*args: Any, **options: Any) -> paramiko.Transport:
            transport = paramiko.Transport(*args, **options)
            security = transport.get_security_options()
            security.key_types = sorted(
                security.key_types, key=lambda algorithm: key_type(algorithm) not in types
            )
            return transport

        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(known)
        timeouts = {"timeout": TIMEOUT_SECONDS, "channel_timeout": TIMEOUT_SECONDS}
        try:
            self.client.connect(
                self.host, **{**timeouts, **self.ssh_kwargs}, transport_factory=make_transport
            )
            self.ftp = self._open_sftp()
            self.ftp.get_channel().settimeout(TIMEOUT_SECONDS)
        except BaseException:
            self.client.close()
            raise

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

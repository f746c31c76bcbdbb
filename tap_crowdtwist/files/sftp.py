"""SFTP connections to hosts with a known key, and to no other.

The known keys are those in the user's known_hosts, the machine's, and the file of the setting
`sftp_known_hosts`. The files are read as OpenSSH does (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), with
three differences that are all stricter: patterns (`*.host.test`) match no host, a key marked
`@revoked` is rejected for every host, and `@cert-authority` lines are ignored.

paramiko's own parser of such files is not used: it keeps one key per host and type, and fails at
lines with a marker.
"""

from __future__ import annotations

import hmac
import os
import re
import threading
from base64 import b64decode
from contextlib import suppress
from typing import Any

import paramiko
from typing_extensions import override

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.paths import describe_error, display_name
from tap_crowdtwist.files.sftp_transfer import SftpTransfer

SETTING = "sftp_known_hosts"
OWN_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
"""Read if they exist, as OpenSSH does."""

TIMEOUT_SECONDS = 60.0
"""Time without an answer after which a host is given up; paramiko would wait for ever."""

_DEFAULT_PORT = 22
_LINE = re.compile(
    r"\s*(?:(?P<marker>@\S+)\s+)?(?P<hosts>[^\s#@]\S*)\s+(?P<type>\S+)\s+(?P<key>AAAA\S+)"
)
"""A line with a key: in base64 a key begins with AAAA, the first three bytes of its length."""


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko is untyped
    """The host keys in files of known hosts.

    paramiko calls this policy for every host, because it is given no list of keys of its own.

    Args:
        path: a file in addition to the user's and the machine's; it must contain a key.

    Raises:
        SettingError: that file cannot be read, or contains no key.
    """

    def __init__(self, path: str | None = None) -> None:
        self._lines: list[re.Match[str]] = []
        for own in OWN_FILES:
            with suppress(OSError):
                self._lines += _read(own)
        if path is None:
            return
        try:
            lines = _read(path)
        except FileNotFoundError:
            raise SettingError(SETTING, f"there is no file {display_name(path)}") from None
        except OSError as error:
            raise SettingError(
                SETTING, f"cannot read {display_name(path)}: {describe_error(error)}"
            ) from None
        if not lines:
            raise SettingError(
                SETTING,
                f"{display_name(path)} contains no host key; it needs lines such as `ssh-keyscan "
                "-H host` prints",
            )
        self._lines += lines

    def keys_of(self, name: str) -> set[tuple[str, str]]:
        """Return the type and base64 of each known key of a host, revoked ones included."""
        return {
            (line["type"], line["key"])
            for line in self._lines
            if line["marker"] is None
            and any(_matches(entry, name.lower()) for entry in line["hosts"].split(","))
        }

    def check(self, name: str, key: paramiko.PKey) -> None:
        """Raise if a key is unknown or marked as revoked.

        Args:
            name: the host as files name it: `[host]:port` if the port is not 22.
            key: the key that it presented.

        Raises:
            SettingError: the key is unknown or revoked.
        """
        presented = (key.get_name(), key.get_base64())
        details = f"({presented[0]} {key.fingerprint})"
        # A revoked key is rejected before the known ones are compared, as it may be among them.
        revoked = {line["key"] for line in self._lines if line["marker"] == "@revoked"}
        if presented[1] in revoked:
            raise SettingError(
                SETTING,
                f"the key of the SFTP host {name!r} {details} is marked @revoked, so nothing is "
                "read from it; ask whoever runs the host for its new key",
            )
        known = self.keys_of(name)
        if presented in known:
            return
        if known:
            raise SettingError(
                SETTING,
                f"the key of the SFTP host {name!r} {details} is not the known one, which may mean "
                "an attack or a new server; only if whoever runs the host confirms this "
                f"fingerprint, delete the old key and run: {_keyscan(name)}",
            )
        raise SettingError(
            SETTING,
            f"the key of the SFTP host {name!r} {details} is not known: it is neither in "
            f"{OWN_FILES[0]} nor in a file that this setting names; after verifying this "
            f"fingerprint with whoever runs the host, run: {_keyscan(name)}",
        )

    @override
    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:
        self.check(hostname, key)


class KnownHostsFileSystem(SftpTransfer):
    """fsspec's SFTP file system, restricted to known hosts.

    Args:
        host: the host's name.
        known_hosts: a file with keys of hosts, in addition to the user's own.
        options: those of fsspec's SFTP; `host_key_policy` is ignored.

    Raises:
        SettingError: the host is unknown, or presents another key.
    """

    def __init__(self, host: str, known_hosts: str | None = None, **options: Any) -> None:
        # A convention of fsspec: an instance that is shared through its cache is set up once.
        if self._cached:
            return
        self._known_hosts = known_hosts
        options.pop("host_key_policy", None)  # fsspec takes it from the environment too
        super().__init__(host, **options)

    @override
    def _connect(self) -> None:
        port = self.ssh_kwargs.get("port", _DEFAULT_PORT)
        name = self.host if port == _DEFAULT_PORT else f"[{self.host}]:{port}"
        known = KnownHosts(self._known_hosts)
        types = {kind for kind, _ in known.keys_of(name)}

        # A host may have keys of several types. If it presented one of a type that is not in the
        # files, it would seem unknown, so known types are requested first.
        def make_transport(*args: Any, **options: Any) -> paramiko.Transport:
            transport = paramiko.Transport(*args, **options)
            security = transport.get_security_options()
            security.key_types = sorted(
                security.key_types, key=lambda algorithm: _type(algorithm) not in types
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


def _read(path: str) -> list[re.Match[str]]:
    """Return the lines of a file that contain a key."""
    full = os.path.expanduser(path)  # noqa: PTH111 - Path's fails if the user has no home
    with open(full, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - likewise
        return [match for line in lines if (match := _LINE.match(line))]


def _matches(entry: str, name: str) -> bool:
    """Return whether an entry, which may be hashed (`|1|salt|hash`), is a host's name."""
    if not entry.startswith("|1|"):
        return entry.lower() == name
    try:
        _, _, salt, hashed = entry.split("|")
        return hmac.digest(b64decode(salt), name.encode(), "sha1") == b64decode(hashed)
    except ValueError:
        return False


def _type(algorithm: str) -> str:
    """Return the key type of a signature algorithm; RSA keys have several algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _keyscan(name: str) -> str:
    host, _, port = name.removeprefix("[").partition("]:")
    return f"ssh-keyscan {f'-p {port} ' if port else ''}-H {host} >> ~/.ssh/known_hosts"

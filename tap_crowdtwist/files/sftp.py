"""SFTP from hosts whose key is known, and from no other.

Known is what the user's own known_hosts, the machine's and the file of the setting
`sftp_known_hosts` hold together, read as OpenSSH does (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) with
these differences, all to the strict side: patterns (`*.host.test`) match no host, a key marked
`@revoked` is refused from every host, and `@cert-authority` vouches for none.

paramiko's own reading of such files is not used: it knows one key per host and type, and fails at
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
from fsspec.implementations.sftp import SFTPFileSystem
from typing_extensions import override

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.paths import describe_error, display_name

SETTING = "sftp_known_hosts"
OWN_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
"""Read if they are there, as OpenSSH does."""

TIMEOUT_SECONDS = 60.0
"""Seconds without an answer after which a host is given up; paramiko would wait for ever."""

_PORT = 22
_LINE = re.compile(
    r"\s*(?:(?P<marker>@\S+)\s+)?(?P<hosts>[^\s#@]\S*)\s+(?P<type>\S+)\s+(?P<key>AAAA\S+)"
)
"""A line with a key, which begins with the three zero bytes of a length."""


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko is untyped
    """The keys of hosts, as files of known hosts have them.

    paramiko asks it about the key of every host, since it is given no list of its own.

    Args:
        path: a file beside the user's and the machine's own, which has to hold a key.

    Raises:
        SettingError: that file cannot be read, or holds no key.
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
                f"{display_name(path)} holds no key of a host; it takes lines as `ssh-keyscan -H "
                "host` prints them",
            )
        self._lines += lines

    def of(self, name: str) -> set[tuple[str, str]]:
        """Return type and base64 of each key that a host is known by, revoked ones included."""
        return {
            (line["type"], line["key"])
            for line in self._lines
            if line["marker"] is None
            and any(_matches(entry, name.lower()) for entry in line["hosts"].split(","))
        }

    def check(self, name: str, key: paramiko.PKey) -> None:
        """Refuse a key that is not known, or marked as revoked.

        Args:
            name: the host as it stands in files, `[host]:port` where the port is not 22.
            key: what it presented.

        Raises:
            SettingError: it is one of these.
        """
        shown = (key.get_name(), key.get_base64())
        said = f"({shown[0]} {key.fingerprint})"
        if any(line["marker"] == "@revoked" and line["key"] == shown[1] for line in self._lines):
            raise SettingError(
                SETTING,
                f"the key of the SFTP host {name!r} {said} is marked @revoked, so nothing is read "
                "from it; ask whoever runs the host for its new key",
            )
        known = self.of(name)
        if shown in known:
            return
        if known:
            raise SettingError(
                SETTING,
                f"the key of the SFTP host {name!r} {said} is not the one that is known, which may "
                "be an attack or a new server; only if whoever runs the host confirms this "
                f"fingerprint, delete the old key and run: {_keyscan(name)}",
            )
        raise SettingError(
            SETTING,
            f"the key of the SFTP host {name!r} {said} is not known: it is neither in "
            f"{OWN_FILES[0]} nor in a file that this setting names; after checking this "
            f"fingerprint with whoever runs the host, run: {_keyscan(name)}",
        )

    @override
    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:
        self.check(hostname, key)


class KnownHostsFileSystem(SFTPFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """fsspec's SFTP, which connects to known hosts only.

    Args:
        host: the host's name.
        known_hosts: a file with keys of hosts, beside the user's own.
        options: those of fsspec's SFTP; its `host_key_policy` counts for nothing.

    Raises:
        SettingError: the host is not known, or presents another key.
    """

    def __init__(self, host: str, known_hosts: str | None = None, **options: Any) -> None:
        if self._cached:
            return
        self._known_hosts = known_hosts
        options.pop("host_key_policy", None)  # which fsspec takes from the environment, too
        super().__init__(host, **options)

    @override
    def _connect(self) -> None:
        port = self.ssh_kwargs.get("port", _PORT)
        name = self.host if port == _PORT else f"[{self.host}]:{port}"
        known = KnownHosts(self._known_hosts)
        types = {kind for kind, _ in known.of(name)}

        def transport(*args: Any, **options: Any) -> paramiko.Transport:
            """Ask for a key of a known type first: a host may have keys of several."""
            made = paramiko.Transport(*args, **options)
            security = made.get_security_options()
            security.key_types = sorted(
                security.key_types, key=lambda algorithm: _type(algorithm) not in types
            )
            return made

        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(known)
        patience = {"timeout": TIMEOUT_SECONDS, "channel_timeout": TIMEOUT_SECONDS}
        try:
            self.client.connect(
                self.host, **{**patience, **self.ssh_kwargs}, transport_factory=transport
            )
            self.ftp = self._open_sftp()
            self.ftp.get_channel().settimeout(TIMEOUT_SECONDS)
        except BaseException:
            self.client.close()
            raise

    def _open_sftp(self) -> paramiko.SFTPClient:
        """Start SFTP on the connection, for which paramiko knows no limit of time.

        Raises:
            TimeoutError: the host does not answer.
        """
        is_over = threading.Event()

        def give_up() -> None:
            is_over.set()  # before the wait ends, which closing brings about
            self.client.close()

        end = threading.Timer(TIMEOUT_SECONDS, give_up)
        end.daemon = True
        end.start()
        try:
            return self.client.open_sftp()
        except Exception:
            if is_over.is_set():
                raise TimeoutError from None
            raise
        finally:
            end.cancel()


def _read(path: str) -> list[re.Match[str]]:
    """Return the lines of a file that hold a key."""
    full = os.path.expanduser(path)  # noqa: PTH111 - Path's fails where the user has no home
    with open(full, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - likewise
        return [found for line in lines if (found := _LINE.match(line))]


def _matches(entry: str, name: str) -> bool:
    """Compare a host's name with an entry, which may be hashed: `|1|salt|hash`."""
    if not entry.startswith("|1|"):
        return entry.lower() == name
    try:
        _, _, salt, hashed = entry.split("|")
        return hmac.digest(b64decode(salt), name.encode(), "sha1") == b64decode(hashed)
    except ValueError:
        return False


def _type(algorithm: str) -> str:
    """Return the type of key that an algorithm signs with: RSA has several algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _keyscan(name: str) -> str:
    host, _, port = name.removeprefix("[").partition("]:")
    return f"ssh-keyscan {f'-p {port} ' if port else ''}-H {host} >> ~/.ssh/known_hosts"

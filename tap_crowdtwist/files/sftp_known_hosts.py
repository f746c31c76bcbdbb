"""Host keys of SFTP hosts: which are known, and the error about one that is not.

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
from base64 import b64decode
from contextlib import suppress
from typing import Any

import paramiko
from typing_extensions import override

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.paths import describe_error, display_name

SETTING = "sftp_known_hosts"
OWN_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
"""Read if they exist, as OpenSSH does."""

_LINE = re.compile(
    r"\s*(?:(?P<marker>@\S+)\s+)?(?P<hosts>[^\s#@]\S*)\s+(?P<type>\S+)\s+(?P<key>AAAA\S+)"
)
"""A line with a key: in base64 a key begins with AAAA, the first three bytes of its length."""


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko is untyped
    """The host keys in files of known hosts.

    paramiko calls this policy for every host, because it is given no list of keys of its own.

    Attributes:
        has_accepted: whether a host has presented a key that is known.

    Args:
        path: a file in addition to the user's and the machine's; it must contain a key.

    Raises:
        SettingError: that file cannot be read, or contains no key.
    """

    def __init__(self, path: str | None = None) -> None:
        self.has_accepted = False
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
        self.has_accepted = True


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


def key_type(algorithm: str) -> str:
    """Return the key type of a signature algorithm; RSA keys have several algorithms."""
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm


def _keyscan(name: str) -> str:
    host, _, port = name.removeprefix("[").partition("]:")
    return f"ssh-keyscan {f'-p {port} ' if port else ''}-H {host} >> ~/.ssh/known_hosts"

"""Access to paths, globs and URLs through fsspec, with SFTP that verifies host keys.

fsspec's own SFTP accepts any host key, and so does the package sshfs, which replaces it where it is
installed. `tap_crowdtwist.files.sftp` replaces both, for the whole process, when the first file is
opened. A smaller scope would not do: the inner links of a chain (`zip::sftp://…`) find their file
system by the name of the protocol alone. paramiko is imported only when an SFTP URL is opened.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.registry import register_implementation, registry

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROTOCOLS = ("sftp", "ssh")
_CLASS = "tap_crowdtwist.files.sftp.KnownHostsFileSystem"
_MISSING_PARAMIKO = 'SFTP requires "paramiko" to be installed'


@dataclass(frozen=True)
class RemoteAccess:
    """How remote systems are accessed, as the settings say; None is for what they do not say.

    Attributes:
        known_hosts: a file with keys of SFTP hosts, in addition to the user's own.
        sftp_user: the user of SFTP URLs without one.
        sftp_password: the password of SFTP URLs without one.
        sftp_key_file: a file with a private key.
        sftp_key_passphrase: the passphrase of private keys.
    """

    known_hosts: str | None = None
    sftp_user: str | None = None
    sftp_password: str | None = field(default=None, repr=False)
    sftp_key_file: str | None = None
    sftp_key_passphrase: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RemoteAccess:
        """Return the access that a configuration describes."""
        return cls(
            known_hosts=config["sftp_known_hosts"],
            sftp_user=config["sftp_user"] or None,
            sftp_password=config["sftp_password"] or None,
            sftp_key_file=config["sftp_key_file"] or None,
            sftp_key_passphrase=config["sftp_key_passphrase"] or None,
        )


NO_SETTINGS = RemoteAccess()


def url_to_fs(url: str, access: RemoteAccess = NO_SETTINGS) -> tuple[Any, str]:
    """Return the file system of a path, glob or URL, and its path in that file system.

    Args:
        url: a path, a glob or an fsspec URL.
        access: how remote systems are accessed.
    """
    system, path = fsspec.core.url_to_fs(url, **_options(url, access))
    return system, path


def open_files(url: str, access: RemoteAccess = NO_SETTINGS, **options: Any) -> list[Any]:
    """Return an unopened file for each one that a path, glob or URL matches.

    Args:
        url: a path, a glob or an fsspec URL.
        access: how remote systems are accessed.
        options: how to open them, as in `fsspec.open_files`.
    """
    files: list[Any] = fsspec.open_files(url, **options, **_options(url, access))
    return files


def _options(url: str, access: RemoteAccess) -> dict[str, Any]:
    """Return the fsspec options that pass the settings to each SFTP link of a chain."""
    # fsspec shares a connection among callers whose options have the same text, those of inner
    # links included. Each setting is an option, so callers with other settings never share one.
    # The dataclass itself would not do, since its text leaves out the secrets.
    _register()
    links = {link.partition("://")[0] for link in url.split("::")}
    return {name: asdict(access) for name in _PROTOCOLS if name in links}


def _register() -> None:
    for name in _PROTOCOLS:
        register_implementation(name, _CLASS, clobber=True, errtxt=_MISSING_PARAMIKO)
    # fsspec prefers a class that it has loaded to one that is registered by its path, so one that
    # another caller has already used is replaced as well.
    loaded = [name for name in _PROTOCOLS if name in registry]
    if loaded:
        from tap_crowdtwist.files.sftp import KnownHostsFileSystem  # noqa: PLC0415 - imports paramiko

        for name in loaded:
            register_implementation(name, KnownHostsFileSystem, clobber=True)

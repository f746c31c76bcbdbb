"""Access to paths, globs and URLs through fsspec, with SFTP that verifies host keys.

fsspec's own SFTP accepts any host key, and so does the package sshfs, which replaces it where it is
installed. `tap_crowdtwist.files.sftp` replaces both, for the whole process, when the first file is
opened. A smaller scope would not do: the inner links of a chain (`zip::sftp://…`) find their file
system by the name of the protocol alone. paramiko is imported only when an SFTP URL is opened.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import fsspec
from fsspec.registry import register_implementation, registry

from tap_crowdtwist.files.remote_access import NO_SETTINGS, RemoteAccess

_PROTOCOLS = ("sftp", "ssh")
_CLASS = "tap_crowdtwist.files.sftp.KnownHostsFileSystem"
_MISSING_PARAMIKO = 'SFTP requires "paramiko" to be installed'


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

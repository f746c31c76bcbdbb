"""Opens paths, globs and URLs through fsspec, with SFTP that refuses hosts whose key is not known.

fsspec's own SFTP takes any host key, and so does the package sshfs, which replaces it where it is
installed. `tap_crowdtwist.files.sftp` takes the place of both when the first file is opened, for
the whole process: inner links of a chain (`zip::sftp://…`) find their file system by the name of
the protocol alone, so nothing less covers them. paramiko is imported when an SFTP URL is opened.
"""

from __future__ import annotations

from typing import Any

import fsspec
from fsspec.registry import register_implementation, registry

_PROTOCOLS = ("sftp", "ssh")
_CLASS = "tap_crowdtwist.files.sftp.KnownHostsFileSystem"
_LACKING = 'SFTP requires "paramiko" to be installed'


def url_to_fs(url: str, known_hosts: str | None = None) -> tuple[Any, str]:
    """Return the file system of a path, glob or URL, and what it is called there.

    Args:
        url: a path, a glob or an fsspec URL.
        known_hosts: a file with keys of SFTP hosts, beside the user's own.
    """
    system, path = fsspec.core.url_to_fs(url, **_options(url, known_hosts))
    return system, path


def open_files(url: str, known_hosts: str | None = None, **options: Any) -> list[Any]:
    """Return an unopened file for each that a path, glob or URL names; `options` are fsspec's.

    Args:
        url: a path, a glob or an fsspec URL.
        known_hosts: a file with keys of SFTP hosts, beside the user's own.
        options: how to open them, as in `fsspec.open_files`.
    """
    files: list[Any] = fsspec.open_files(url, **options, **_options(url, known_hosts))
    return files


def _options(url: str, known_hosts: str | None) -> dict[str, Any]:
    """Address the option to each link of the chain that is SFTP.

    fsspec shares an instance among callers with equal options, those of inner links included, so
    two settings never share a connection.
    """
    _register()
    links = {link.partition("://")[0] for link in url.split("::")}
    return {name: {"known_hosts": known_hosts} for name in _PROTOCOLS if name in links}


def _register() -> None:
    for name in _PROTOCOLS:
        register_implementation(name, _CLASS, clobber=True, errtxt=_LACKING)
    # fsspec prefers a class that it has loaded to one that is only known by its path.
    loaded = [name for name in _PROTOCOLS if name in registry]
    if loaded:
        from tap_crowdtwist.files.sftp import KnownHostsFileSystem  # noqa: PLC0415 - imports paramiko

        for name in loaded:
            register_implementation(name, KnownHostsFileSystem, clobber=True)

"""Listing of the files in a folder, a glob or a URL, with what tells whether their content changed.

Hidden folders are skipped: they hold unfinished transfers and snapshots.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from tap_crowdtwist.files.paths import base_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_CONTENT_KEYS = ("md5Hash", "crc32c", "ETag", "etag", "content_md5", "checksum", "hash")
"""Names under which file systems report a checksum of a file's content."""

_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")
"""Names under which file systems report when a file was last written."""

_HIDDEN = re.compile(r"(?:^|/)\.[^/]*/|/$")
"""A path in a hidden folder, or one that stands for a folder itself.

For a new folder, the consoles of object stores create an empty object whose name ends in a slash.
"""


def list_files(system: Any, root: str) -> dict[str, Mapping[str, Any]]:
    """Return what a file system reports of each file, by path.

    Args:
        system: the fsspec file system.
        root: a folder, a glob or a file.

    Raises:
        FileNotFoundError: there is no such folder or file, and no file matches.
    """
    if has_magic(root):
        matches = system.glob(root, detail=True)
        files = {path: at for path, at in matches.items() if at.get("type") != "directory"}
        # Brackets and question marks may be part of a folder's name (filesystem_spec#838).
        if files:
            return files
        if not system.exists(root):
            raise FileNotFoundError
    # The generic `find` walks folder by folder and ignores folders that it cannot list, so missing
    # permissions would look like missing files. Object stores have a `find` of their own that lists
    # all in one request and raises.
    if not _has_own_find(type(system)):
        return dict(_walk(system, root))
    files = system.find(root, detail=True)
    if not files and not system.exists(root):
        raise FileNotFoundError
    return {path: at for path, at in files.items() if not _HIDDEN.search(path.removeprefix(root))}


def _has_own_find(kind: Any) -> bool:
    """Return whether a class of file systems has more than the generic `find`."""
    # Some have only the asynchronous form of it, from which fsspec makes the other.
    own = getattr(kind, "_find", AsyncFileSystem._find)  # noqa: SLF001 - has no public name
    return kind.find is not AbstractFileSystem.find or own is not AsyncFileSystem._find  # noqa: SLF001


def _walk(system: Any, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the listing entry of each file; raise if a folder cannot be listed."""
    for info in system.ls(folder, detail=True):
        path = info["name"].rstrip("/")
        if path == folder:  # a file, which lists itself
            yield path, info
        elif base_name(path).startswith("."):
            continue
        elif info["type"] == "directory":
            yield from _walk(system, path)
        else:
            yield path, info


def content_identity(system: Any, path: str, info: Mapping[str, Any]) -> str:
    """Return text that changes when the content of a file changes."""
    # From the surest sign of a change to the weakest: a checksum that the file system reports, the
    # checksums inside a local zip, and last the time of writing, which a copy may change.
    sign = (
        _first_value(info, _CONTENT_KEYS)
        or _checksums_in_zip(system, path)
        or _first_value(info, _MODIFIED_KEYS)
    )
    return f"{info.get('size')} {sign}"


def _first_value(info: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the first value that is set, as text, or ""."""
    return next((str(info[name]) for name in names if info.get(name)), "")


def _checksums_in_zip(system: Any, path: str) -> str:
    """Return the checksums in a local zip, or "" if the file is not one."""
    if not isinstance(system, LocalFileSystem):
        return ""
    with suppress(Exception), ZipFile(path) as archive:  # reading the file raises the error
        return str([(part.filename, part.CRC) for part in archive.infolist()])
    return ""

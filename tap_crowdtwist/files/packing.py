"""Unpacks files by the ending of their name: gzip, bzip2, xz and zip archives of one file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import ZipFile

from fsspec.compression import compr
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import compressions

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.files.paths import without_query

if TYPE_CHECKING:
    from contextlib import ExitStack

_FOREIGN = frozenset(
    ("7z", "br", "lz4", "rar", "snappy", "sz", "tar", "tbz2", "tgz", "txz", "z", "zst")
)
"""Packings that fsspec cannot unpack at all, or only where further libraries are installed."""

_SHEETS = frozenset(("ods", "xls", "xlsb", "xlsm", "xlsx"))
_ENCRYPTED = 1
"""The bit in the flags of an entry of a zip archive which says that it needs a password."""


class PackingError(TapError):
    """A file cannot be unpacked; the message continues the name of the file."""


def check_regular(system: Any, path: str) -> None:
    """Refuse pipes and devices: a roster is opened again to tell in which line a member stands.

    Args:
        system: the file system of fsspec.
        path: what the file is called there.

    Raises:
        PackingError: it is one. Opening a named pipe would wait for somebody to write to it.
    """
    if not isinstance(system, LocalFileSystem):
        return
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return  # the one who opens it says why
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise PackingError(
            "is a pipe or a device, and has to be a file; write what it gives to one"
        )


def open_unpacked(path: str, raw: BinaryIO, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Return the name of a file without its packing, in lower case, and what is inside.

    Args:
        path: its path or URL.
        raw: what it holds as it is.
        inner: closes what is opened here.

    Raises:
        PackingError: it is packed in a way that is not read.
    """
    stem, _, ending = without_query(path).lower().rpartition(".")
    if ending in _SHEETS:
        raise PackingError("is a spreadsheet; save it as CSV in UTF-8")
    if ending == "zip":
        return _only_file(inner.enter_context(ZipFile(raw)), inner)
    packing = compressions.get(ending)
    if packing is None and ending not in _FOREIGN:
        return without_query(path).lower(), raw
    if packing is None or stem.endswith(".tar"):
        raise PackingError(
            f"is packed in a way that is not read here (.{ending}); pack it as .gz, or as .zip "
            "with one file"
        )
    return stem, inner.enter_context(compr[packing](raw, mode="rb"))


def _only_file(archive: ZipFile, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Open the one file of an archive; what Finder puts beside it does not count."""
    entries = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(entries) != 1:
        raise PackingError(f"holds {len(entries)} files; pack one file in each archive")
    if entries[0].flag_bits & _ENCRYPTED:
        raise PackingError("is encrypted; pack it without a password")
    return entries[0].filename.lower(), inner.enter_context(archive.open(entries[0]))  # type: ignore[return-value]  # IO[bytes]

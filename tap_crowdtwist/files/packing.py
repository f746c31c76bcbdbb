"""Unpacking of files by the ending of their name: gzip, bzip2, xz, and zip archives of one file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO
from zipfile import ZipFile, ZipInfo

from fsspec.compression import compr
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import compressions

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.files.paths import (
    CHECK_ACCESS,
    SEND_AGAIN,
    describe_error,
    is_system_error,
    without_query,
)

if TYPE_CHECKING:
    from contextlib import ExitStack

_UNSUPPORTED_ENDINGS = frozenset(
    ("7z", "br", "lz4", "rar", "snappy", "sz", "tar", "tbz2", "tgz", "txz", "z", "zst")
)
"""Formats that fsspec cannot unpack at all, or only if further libraries are installed."""

_SPREADSHEET_ENDINGS = frozenset(("ods", "xls", "xlsb", "xlsm", "xlsx"))
_ENCRYPTED_FLAG = 1
"""The bit in the flags of a zip entry that marks it as encrypted."""


class PackingError(TapError):
    """A file cannot be unpacked; the message continues a sentence that begins with its name."""


def check_regular(system: Any, path: str) -> None:
    """Raise if a path is a pipe or a device.

    A roster is opened a second time to find the line of a member, which a pipe does not allow.

    Args:
        system: the fsspec file system.
        path: the path in that file system.

    Raises:
        PackingError: it is one. Opening a named pipe would wait for somebody to write to it.
    """
    if not isinstance(system, LocalFileSystem):
        return
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return  # opening it, which follows, raises the error that describes the cause
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise PackingError("is a pipe or a device; save its content to a regular file")


def open_unpacked(path: str, raw: BinaryIO, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Return the lower-case name of a file without its packing, and its unpacked content.

    Args:
        path: its path or URL.
        raw: the file as it is.
        inner: closes what is opened here.

    Raises:
        PackingError: the file is packed in an unsupported way.
    """
    stem, _, ending = without_query(path).lower().rpartition(".")
    if ending in _SPREADSHEET_ENDINGS:
        raise PackingError("is a spreadsheet; save it as CSV in UTF-8")
    if ending == "zip":
        return _open_only_file(inner.enter_context(ZipFile(raw)), inner)
    packing = compressions.get(ending)
    if packing is None and ending not in _UNSUPPORTED_ENDINGS:
        return without_query(path).lower(), raw
    # An archive such as `members.tar.gz` can be decompressed, but what comes out is not a roster.
    if packing is None or stem.endswith(".tar"):
        raise PackingError(
            f"is packed in an unsupported format (.{ending}); pack it as .gz, or as .zip with one "
            "file"
        )
    return stem, inner.enter_context(compr[packing](raw, mode="rb"))


def _open_only_file(archive: ZipFile, inner: ExitStack) -> tuple[str, BinaryIO]:
    """Open the one file of an archive, apart from the companion files that macOS adds."""
    entries = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(entries) != 1:
        raise PackingError(f"contains {len(entries)} files; pack one file in each archive")
    if entries[0].flag_bits & _ENCRYPTED_FLAG:
        raise PackingError("is encrypted; pack it without a password")
    return entries[0].filename.lower(), inner.enter_context(archive.open(entries[0]))  # type: ignore[return-value]  # IO[bytes]


def open_zipped_csv(raw: IO[bytes], inner: ExitStack) -> IO[bytes]:
    """Open the one CSV file in a zip that somebody else has made.

    Args:
        raw: the zip.
        inner: closes what is opened here.

    Raises:
        PackingError: the zip is damaged, cannot be read, is encrypted, or does not hold one CSV.
    """
    try:
        archive = inner.enter_context(ZipFile(raw))
        return inner.enter_context(archive.open(_only_csv(archive)))
    except PackingError:
        raise
    except NotImplementedError:
        raise PackingError(
            "uses an unsupported compression method; have it sent as an ordinary zip file"
        ) from None
    except Exception as error:  # noqa: BLE001 - zipfile does not document all that it raises
        if is_system_error(error):
            raise PackingError(f"cannot be read: {describe_error(error)}; {CHECK_ACCESS}") from None
        raise PackingError(f"is not a complete zip file; {SEND_AGAIN}") from None


def _only_csv(archive: ZipFile) -> ZipInfo:
    entries = [entry for entry in archive.infolist() if _is_csv(entry.filename)]
    if len(entries) != 1:
        raise PackingError(f"should contain one CSV file but contains {len(entries)}; {SEND_AGAIN}")
    if entries[0].flag_bits & _ENCRYPTED_FLAG:
        raise PackingError("is encrypted; have it sent without a password")
    return entries[0]


def _is_csv(name: str) -> bool:
    """Return whether a zip entry is a CSV, not a companion file that macOS adds to archives."""
    *folders, own = name.split("/")
    return own.lower().endswith(".csv") and not own.startswith("._") and "__MACOSX" not in folders

"""Unpacking of files by the ending of their name: gzip, bzip2, xz, and zip archives of one file."""

from __future__ import annotations

import stat
from contextlib import suppress
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

_UNSUPPORTED_ENDINGS = (
    *(".7z", ".br", ".lz4", ".rar", ".snappy", ".sz", ".tar", ".z", ".zst"),
    *(".tar.bz2", ".tar.gz", ".tar.xz", ".tbz2", ".tgz", ".txz"),
)
"""Formats that are not unpacked. What comes out of an archive such as .tar.gz is not a roster."""

_SPREADSHEET_ENDINGS = (".ods", ".xls", ".xlsb", ".xlsm", ".xlsx")
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
    with suppress(OSError):  # opening it, which follows, raises the error that describes the cause
        kind = stat.S_IFMT(Path(path).stat().st_mode)
        if kind not in {stat.S_IFREG, stat.S_IFDIR}:
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
    name = without_query(path).lower()
    stem, _, ending = name.rpartition(".")
    if name.endswith(_SPREADSHEET_ENDINGS):
        raise PackingError("is a spreadsheet; save it as CSV in UTF-8")
    if name.endswith(_UNSUPPORTED_ENDINGS):
        raise PackingError(
            f"is packed in an unsupported format (.{ending}); pack it as .gz, or as .zip with one "
            "file"
        )
    if ending == "zip":
        archive = inner.enter_context(ZipFile(raw))
        entry = _only_file(archive)
        return entry.filename.lower(), inner.enter_context(archive.open(entry))  # type: ignore[return-value]  # IO[bytes]
    if ending not in compressions:
        return name, raw
    return stem, inner.enter_context(compr[compressions[ending]](raw, mode="rb"))


def _only_file(archive: ZipFile) -> ZipInfo:
    """Return the one file of an archive, apart from the companion files that macOS adds."""
    entries = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    return _only(
        entries,
        f"contains {len(entries)} files; pack one file in each archive",
        "is encrypted; pack it without a password",
    )


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
    return _only(
        entries,
        f"should contain one CSV file but contains {len(entries)}; {SEND_AGAIN}",
        "is encrypted; have it sent without a password",
    )


def _only(entries: list[ZipInfo], other_number: str, encrypted: str) -> ZipInfo:
    """Return the one entry of a zip; raise `PackingError` with one of two messages."""
    if len(entries) != 1:
        raise PackingError(other_number)
    if entries[0].flag_bits & _ENCRYPTED_FLAG:
        raise PackingError(encrypted)
    return entries[0]


def _is_csv(name: str) -> bool:
    """Return whether a zip entry is a CSV, not a companion file that macOS adds to archives."""
    *folders, own = name.split("/")
    return own.lower().endswith(".csv") and not own.startswith("._") and "__MACOSX" not in folders

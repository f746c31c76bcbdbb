"""Files and directories as the journal needs them: private, and durable when it is said so."""

from __future__ import annotations

import errno
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE = 0o600
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
_PROBE = bytes(4096)


class DiskFile:
    """A new file, for its owner alone.

    Raises:
        FileExistsError: there is one of that name.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, _FLAGS, _PRIVATE)

    def write(self, data: bytes) -> int:
        """Append; returns how many bytes the disk took."""
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        """Return when all that was written is on disk, in a file that still has a name."""
        os.fsync(self._descriptor)
        if os.fstat(self._descriptor).st_nlink == 0:
            raise OSError(errno.ENOENT, "the file has been removed")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def sync_directory(directory: Path) -> None:
    """Return when the names of files made in a directory are on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def probe(directory: Path) -> None:
    """Find out whether a directory takes a new file.

    Raises:
        OSError: it does not.
    """
    path = directory / f".probe-{secrets.token_hex(4)}"
    file = DiskFile(path)
    try:
        if file.write(_PROBE) != len(_PROBE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.sync()
    finally:
        file.close()
        path.unlink()


def prepare(directory: Path) -> None:
    """Make a directory, for its owner alone, if it is not there, and see that it can be used.

    Raises:
        ValueError: with a sentence that names the option.
    """
    try:
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            sync_directory(path.parent)
        probe(directory)
    except OSError as error:
        raise ValueError(
            f"--directory: events cannot be written there ({error.strerror})."
        ) from None

"""Private, durable files and directories for the journal."""

from __future__ import annotations

import errno
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OWNER_ONLY = 0o600
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
_PROBE_DATA = bytes(4096)


class DiskFile:
    """A new file that only its owner can access.

    Raises:
        FileExistsError: a file of that name exists.
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, _FLAGS, _OWNER_ONLY)

    def write(self, data: bytes) -> int:
        """Append data and return how many bytes were written."""
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        """Block until all data is on disk.

        Raises:
            OSError: the data cannot be synced, or the file was deleted.
        """
        os.fsync(self._descriptor)
        # fsync also succeeds on a deleted file, whose data is lost.
        if os.fstat(self._descriptor).st_nlink == 0:
            raise OSError(errno.ENOENT, "the file has been removed")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def sync_directory(directory: Path) -> None:
    """Block until the entries of a directory are on disk.

    Syncing a new file does not make its name durable.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(directory: Path) -> None:
    """Check that a file can be written to a directory.

    Raises:
        OSError: it cannot.
    """
    path = directory / f".probe-{secrets.token_hex(4)}"
    file = DiskFile(path)
    try:
        if file.write(_PROBE_DATA) != len(_PROBE_DATA):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.sync()
    finally:
        file.close()
        path.unlink()


def prepare_directory(directory: Path) -> None:
    """Create a directory for its owner only, unless it exists, and check that it can be written.

    Raises:
        ValueError: with a message that names the option.
    """
    try:
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:  # else a crash could lose a new directory and the events in it
            sync_directory(path.parent)
        check_writable(directory)
    except OSError as error:
        raise ValueError(
            f"--directory: events cannot be written there ({error.strerror})."
        ) from None

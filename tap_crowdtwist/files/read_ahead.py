"""Copies of remote files in a temporary directory, made while the file before is being read.

A remote file is copied whole before it is read, since a zip is read from its end, and many small
reads over a network cost a round trip each. One file is copied ahead, so the disk holds two.
"""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, Protocol

from fsspec.callbacks import Callback
from typing_extensions import Self, override

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

ATTEMPTS = 3
"""Times that a file is copied which is written to meanwhile."""

_POLL_SECONDS = 0.1
"""Seconds between two looks for a request to stop."""

_STOP_SECONDS = 1.0
"""Seconds to wait for a copy that was told to stop; it notices when the next bytes arrive."""


class ListedFile(Protocol):
    """A file as it was listed; hashable."""

    @property
    def path(self) -> str:
        """Its path in the file system."""

    @property
    def size(self) -> int:
        """Its size in bytes, or 0 if that is unknown."""


class CopyError(TapError):
    """A file cannot be copied; the message says why, and what to do."""


class ReplacedError(OSError):
    """A file was written to while it was copied."""

    def __init__(self) -> None:
        super().__init__(errno.EBUSY, "it was written to meanwhile")


class ReadAhead:
    """The copies of some files of one remote file system, until the block ends.

    Args:
        system: the fsspec file system.
        files: the files in the order in which they will be opened; others may be opened too.
        growing: whether the files are appended to.

    Raises:
        OSError: there is no usable directory for temporary files.
    """

    def __init__(self, system: Any, files: Sequence[ListedFile], *, growing: bool) -> None:
        self._system = system
        self._growing = growing
        self._next = dict(pairwise(files))
        self._current: _Copy | None = None
        self._ahead: _Copy | None = None
        self._made = 0
        # Readable by its owner alone, with names that tell nothing.
        self._folder = TemporaryDirectory(prefix="tap-crowdtwist-", ignore_cleanup_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._drop(self._current, self._ahead)
        self._folder.cleanup()

    def wait_for(self, file: ListedFile, on_wait: Callable[[], None]) -> None:
        """Wait until a file is copied or has failed to be; the error comes when it is opened.

        Args:
            file: the file.
            on_wait: called some times a second; an error that it raises ends the waiting.
        """
        copy = self._copy_of(file)
        while not copy.is_over(_POLL_SECONDS):
            on_wait()

    def open(self, file: ListedFile) -> IO[bytes]:
        """Open the copy of a file, and begin with that of the next one.

        Raises:
            Exception: that of the file system, if the file cannot be copied.
            CopyError: there is no space for it, or it changes all the time.
        """
        copy = self._copy_of(file)
        copy.is_over(None)
        opened = copy.open()
        following = self._next.get(file)
        if self._ahead is None and following is not None:
            self._ahead = self._start(following)
        return opened

    def _copy_of(self, file: ListedFile) -> _Copy:
        """Return the copy of a file that is to be read now, and forget those before."""
        if self._current is None or self._current.file != file:
            ahead, self._ahead = self._ahead, None
            self._drop(self._current)
            if ahead is not None and ahead.file != file:
                self._drop(ahead)
                ahead = None
            self._current = ahead or self._start(file)
        return self._current

    def _start(self, file: ListedFile) -> _Copy:
        self._made += 1
        target = Path(self._folder.name, str(self._made))
        return _Copy(self._system, file, target, growing=self._growing)

    def _drop(self, *copies: _Copy | None) -> None:
        for copy in copies:
            if copy is not None:
                copy.stop()


class _Copy:
    """The copy of one file, made in a thread of its own that does not outlast the process."""

    def __init__(self, system: Any, file: ListedFile, target: Path, *, growing: bool) -> None:
        self.file = file
        self._system = system
        self._target = target
        self._growing = growing
        self._error: Exception | None = None
        self._over = threading.Event()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def is_over(self, timeout: float | None) -> bool:
        """Wait for some seconds, or for ever; return whether the copy is made or has failed."""
        return self._over.wait(timeout)

    def open(self) -> IO[bytes]:
        """Open it; raise the error if it has failed."""
        if self._error is not None:
            raise self._error
        return self._target.open("rb")

    def stop(self) -> None:
        """Stop copying, and remove what there is."""
        self._stopped.set()
        # A host that has fallen silent is not waited for: the process may be about to end.
        self._over.wait(_STOP_SECONDS)
        with suppress(OSError):
            self._target.unlink()

    def _run(self) -> None:
        try:
            self._copy()
        except OSError as error:
            self._error = _without_space() if error.errno in _NO_SPACE else error
        except Exception as error:  # noqa: BLE001 - each file system has its own
            self._error = error
        finally:
            self._over.set()

    def _copy(self) -> None:
        """Copy the file until its size is the expected one and it did not change meanwhile."""
        expected: int | None = self.file.size or None  # some file systems do not list it
        for _ in range(ATTEMPTS):
            is_replaced = False
            try:
                self._system.get_file(
                    self.file.path, str(self._target), callback=_StopCallback(self._stopped)
                )
            except ReplacedError:
                is_replaced = True
            size = self._target.stat().st_size
            is_expected = size == (expected or size) and not is_replaced
            if is_expected or self._growing:
                return
            expected = size
        raise CopyError(
            f"it changed while it was copied, {ATTEMPTS} times; wait until it is written completely"
        )


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def _without_space() -> CopyError:
    return CopyError(
        "the directory for its temporary copy is full; set the environment variable TMPDIR to one "
        "with room for two files"
    )


class _StopCallback(Callback):  # type: ignore[misc]  # fsspec is untyped
    """Ends a copy by an error at the next bytes that arrive."""

    def __init__(self, stopped: threading.Event) -> None:
        super().__init__()
        self._stopped = stopped

    @override
    def relative_update(self, inc: int = 1) -> None:
        if self._stopped.is_set():
            raise CopyError("the run has stopped")

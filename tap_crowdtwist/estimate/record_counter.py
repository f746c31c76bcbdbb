"""Counting of RECORD messages in place of writing them."""

from __future__ import annotations

import io
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, BinaryIO, cast

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

_RECORD = b'{"type":"RECORD"'


class RecordCounter(io.BufferedIOBase):
    """The bytes of a standard output that keeps nothing.

    The whole way to the output is that of a run, so what is counted is what a target would get.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._bytes = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        for line in bytes(data).splitlines(keepends=True):
            if line.startswith(_RECORD):
                self._rows += 1
                self._bytes += len(line)
        return memoryview(data).nbytes

    def take(self) -> tuple[int, int]:
        """Return how many RECORD messages were written since the last call, and their bytes."""
        taken = self._rows, self._bytes
        self._rows = self._bytes = 0
        return taken


@contextmanager
def counted_output() -> Iterator[RecordCounter]:
    """Count what is written to standard output while the context is open; write nothing."""
    counter = RecordCounter()
    with redirect_stdout(io.TextIOWrapper(cast("BinaryIO", counter))):
        yield counter

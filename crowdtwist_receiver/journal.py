"""Journal of events on disk, with group commit.

One thread writes. It takes all lines that were queued during the previous commit, appends them to
one file per feed and hour, syncs the directory if a file is new, syncs each file once, and only
then acknowledges them.

If anything of that fails, no line of the commit is acknowledged, so some may be stored twice:
events are delivered at least once. Its files are never written again, so only their last line can
be incomplete. All events are then rejected until the disk can be written again, which is checked
every second.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections import defaultdict
from contextlib import suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_receiver.disk import DiskFile, check_writable, sync_directory
from crowdtwist_receiver.responses import RetryLater
from crowdtwist_receiver.stats import log

if TYPE_CHECKING:
    from collections.abc import Callable, KeysView, Sequence
    from pathlib import Path

    from crowdtwist_receiver.stats import ReceiverStats

_RETRY_INTERVAL_SECONDS = 1
_HOUR_LENGTH = len("20261120T10")


def feed_of(stem: str) -> str:
    """Return the feed of a file's stem, such as `live_users` of `live_users-20261120T10`."""
    return stem[: -_HOUR_LENGTH - 1]


class _Entry(NamedTuple):
    """Lines that are acknowledged together, each with the stem of its file's name."""

    lines: Sequence[tuple[str, bytes]]
    size: int
    stored: asyncio.Future[None]


class Journal:
    """Stores lines durably.

    A file is identified by its stem, feed and hour, such as `live_users-20261120T10`.

    Args:
        directory: directory of the files.
        capacity: maximum number of bytes that wait to be written.
        stats: counts commits and syncs.
        open_file: creates a new file; raises FileExistsError if it exists.
        retry_interval: seconds between checks of a disk that failed.
    """

    def __init__(
        self,
        directory: Path,
        capacity: int,
        stats: ReceiverStats,
        *,
        open_file: Callable[[Path], DiskFile] = DiskFile,
        retry_interval: float = _RETRY_INTERVAL_SECONDS,
    ) -> None:
        self.events = 0
        self.is_failing = False
        self.last_commit: float | None = None
        self.last_sync: dict[str, float] = {}
        """When a file of each feed was last synced, as a Unix timestamp."""
        self._directory = directory
        self._capacity = capacity
        self._stats = stats
        self._open_file = open_file
        self._retry_interval = retry_interval
        self._instance = secrets.token_hex(4)
        # `_queue`, `_batch`, `_queued_bytes` and `_closing` are guarded by `_wake`. `_files`,
        # `_instance` and `_syncs` belong to the writer thread, `events` to the event loop.
        self._files: dict[str, DiskFile] = {}
        self._queue: list[_Entry] = []
        self._batch: list[_Entry] = []
        self._queued_bytes = 0
        self._syncs = 0
        self._closing = False
        self._wake = Condition()
        self._thread = Thread(target=self._run, name="journal")
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Start the writer thread; must be called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Commit all queued lines and stop; blocks until done."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def store(self, lines: Sequence[tuple[str, bytes]]) -> asyncio.Future[None]:
        """Queue lines that are acknowledged together; must be called in the event loop.

        Args:
            lines: each with the stem of its file's name, such as `live_users-20261120T10`.

        Returns:
            A future that is done when all lines are on disk, or fails with `RetryLater`.

        Raises:
            RetryLater: the lines cannot be queued.
        """
        size = sum(len(line) for _, line in lines)
        entry = _Entry(lines, size, self._loop.create_future())
        with self._wake:
            if self._closing:
                raise RetryLater("shutting down")
            if self.is_failing:
                raise RetryLater("events cannot be written to disk")
            if self._queued_bytes + size > self._capacity:
                raise RetryLater("the write queue is full", seconds=1)
            self._queued_bytes += size
            self._queue.append(entry)
            # Only the first entry wakes the writer, which takes the whole queue at once.
            if len(self._queue) == 1:
                self._wake.notify()
        return entry.stored

    def waiting(self) -> dict[str, list[int]]:
        """Return the sizes in bytes of the lines that wait to be stored, by feed."""
        with self._wake:
            entries = [*self._queue, *self._batch]
        sizes: dict[str, list[int]] = defaultdict(list)
        for entry in entries:
            for stem, line in entry.lines:
                sizes[feed_of(stem)].append(len(line))
        return sizes

    def _run(self) -> None:
        while True:
            with self._wake:
                # While the disk fails, nothing is queued and the disk is checked from time to time.
                self._wake.wait_for(
                    lambda: self._queue or self._closing,
                    self._retry_interval if self.is_failing else None,
                )
                # Group commit: all that was queued during the last sync shares the next one. Under
                # load the batches grow, and the number of syncs per second stays the same.
                batch, self._queue = self._queue, []
                self._batch = batch
            # The lock is free during the commit, so that requests can be queued.
            if batch:
                self._commit(batch)
            elif self._closing:
                break
            else:
                self._check_disk()
        for stem in list(self._files):
            self._drop_file(stem)

    def _commit(self, batch: list[_Entry]) -> None:
        lines: dict[str, list[bytes]] = defaultdict(list)
        for entry in batch:
            for stem, line in entry.lines:
                lines[stem].append(line)
        failed = False
        try:
            self._write({stem: b"".join(parts) for stem, parts in lines.items()})
        except Exception as error:  # noqa: BLE001 - every entry must be released, none acknowledged
            failed = True
            # A file may end in half a line now, and after a failed fsync the kernel may have
            # dropped its data while a second fsync succeeds. Later lines go to other files.
            for stem in lines:
                self._drop_file(stem)
            self._instance = secrets.token_hex(4)
            reason = getattr(error, "strerror", None) or type(error).__name__
            log(f"cannot store events: {reason}")
        else:
            self._close_past_hours(lines.keys())
            self.last_commit = time.monotonic()
            now = time.time()
            self.last_sync |= {feed_of(stem): now for stem in lines}
        with self._wake:
            self._batch = []
            self._queued_bytes -= sum(entry.size for entry in batch)
            self.is_failing = failed
        syncs, self._syncs = self._syncs, 0
        # Futures may be completed in the loop's thread only.
        with suppress(RuntimeError):  # the loop is closed, and with it every connection
            self._loop.call_soon_threadsafe(self._release, batch, failed, syncs)

    def _write(self, texts: dict[str, bytes]) -> None:
        """Write texts to the files of their stems, and sync all of them."""
        known = set(self._files)
        for stem, text in texts.items():
            self._append(stem, text)
        # A crash could lose the name of a new file, so its directory is synced too.
        if not texts.keys() <= known:
            self._syncs += 1
            sync_directory(self._directory)
        for stem in texts:
            self._syncs += 1
            self._files[stem].sync()

    def _append(self, stem: str, text: bytes) -> None:
        file = self._files.get(stem) or self._new_file(stem)
        # A short write usually means a full disk. The file now ends in half a line: give it up.
        if file.write(text) != len(text):
            raise OSError(errno.ENOSPC, "Short write")

    def _new_file(self, stem: str) -> DiskFile:
        try:
            file = self._open_file(self._path(stem))
        except FileExistsError:
            # The file is of another process, or one that this process has closed. Never append to
            # it: the tap relies on the last line being the only one that can be incomplete.
            self._instance = secrets.token_hex(4)
            file = self._open_file(self._path(stem))
        self._files[stem] = file
        return file

    def _path(self, stem: str) -> Path:
        return self._directory / f"{stem}-{self._instance}.jsonl"

    def _drop_file(self, stem: str) -> None:
        file = self._files.pop(stem, None)
        if file is not None:
            with suppress(OSError):
                file.close()

    def _close_past_hours(self, written: KeysView[str]) -> None:
        now = max(stem[-_HOUR_LENGTH:] for stem in written)
        # A batch around the full hour writes to files of both hours; those stay open for now.
        for stem in self._files.keys() - written:
            if stem[-_HOUR_LENGTH:] < now:
                self._drop_file(stem)

    def _check_disk(self) -> None:
        with suppress(OSError):
            check_writable(self._directory)
            self.is_failing = False
            log("events can be written to disk again")

    def _release(self, batch: list[_Entry], failed: bool, syncs: int) -> None:  # noqa: FBT001
        """Complete the futures of a batch; runs in the event loop."""
        self._stats.disk.update({"failed commits" if failed else "commits": 1, "syncs": syncs})
        for entry in batch:
            if entry.stored.done():  # canceled with its request
                continue
            if failed:
                entry.stored.set_exception(RetryLater("events cannot be written to disk"))
            else:
                self.events += len(entry.lines)
                entry.stored.set_result(None)

"""Puts lines on disk, many at a time, and says so only when they are there.

One thread writes. It takes all that has come in while it was busy with what came before, appends
it to one file for each feed and hour, syncs each file once, syncs the directory if a file is new,
and only then lets those who wait go on.

A file to which something could not be written is never written to again, so that an incomplete
line can only be the last one of its file. Until the disk takes something again, which is tried
every second, everything is refused.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections import defaultdict
from contextlib import suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from crowdtwist_receiver.disk import DiskFile, probe, sync_directory
from crowdtwist_receiver.responses import Later
from crowdtwist_receiver.stats import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from crowdtwist_receiver.stats import ReceiverStats

_PAUSE = 1
_DRAWS = 4
_HOUR = len("20261120T10")


class File(Protocol):
    """What the journal needs of a file."""

    def write(self, data: bytes) -> int:
        """Append; returns how many bytes it took."""

    def sync(self) -> None:
        """Return when all that was written is on disk."""

    def close(self) -> None:
        """Let go of it."""


class _Entry(NamedTuple):
    """What is stored together: lines, each with the beginning of its file's name."""

    lines: Sequence[tuple[str, bytes]]
    size: int
    stored: asyncio.Future[None]


class Journal:
    """Stores lines durably.

    Args:
        directory: where the files go.
        capacity: bytes that may wait to be written.
        stats: counts commits and syncs.
        open_file: opens a new file that belongs to nobody else.
        pause: seconds between tries whether the disk takes something again.
    """

    def __init__(
        self,
        directory: Path,
        capacity: int,
        stats: ReceiverStats,
        *,
        open_file: Callable[[Path], File] = DiskFile,
        pause: float = _PAUSE,
    ) -> None:
        self.events = 0
        self.failing = False
        self.last_commit: float | None = None
        self._directory = directory
        self._capacity = capacity
        self._stats = stats
        self._open_file = open_file
        self._pause = pause
        self._instance = secrets.token_hex(4)
        self._files: dict[str, File] = {}
        self._queue: list[_Entry] = []
        self._waiting = 0
        self._syncs = 0
        self._closing = False
        self._wake = Condition()
        self._thread = Thread(target=self._run, name="journal")
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        """Begin; to be called in the loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Commit what is queued and end; blocks until then."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def store(self, lines: Sequence[tuple[str, bytes]]) -> asyncio.Future[None]:
        """Queue lines, all of which are stored or none is acknowledged; to be called in the loop.

        Args:
            lines: each with its feed and hour, like `live_users-20261120T10`.

        Returns:
            What is done when they are on disk, or fails with `Later`.

        Raises:
            Later: they cannot be queued.
        """
        size = sum(len(line) for _, line in lines)
        entry = _Entry(lines, size, self._loop.create_future())
        with self._wake:
            if self._closing:
                raise Later("stopping")
            if self.failing:
                raise Later("the disk takes nothing")
            if self._waiting + size > self._capacity:
                raise Later("too much is waiting for the disk", seconds=1)
            self._waiting += size
            self._queue.append(entry)
            if len(self._queue) == 1:
                self._wake.notify()
        return entry.stored

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._queue or self._closing):
                    self._wake.wait(self._pause if self.failing else None)
                    if self.failing and not self._queue:
                        break
                batch, self._queue = self._queue, []
            if batch:
                self._commit(batch)
            elif self._closing:
                break
            else:
                self._try_again()
        for stem in list(self._files):
            self._abandon(stem)

    def _commit(self, batch: list[_Entry]) -> None:
        lines = defaultdict(list)
        for entry in batch:
            for stem, line in entry.lines:
                lines[stem].append(line)
        failed: dict[str, str] = {}
        try:
            failed = self._write({stem: b"".join(parts) for stem, parts in lines.items()})
            self._close_past_hours(lines)
        except Exception as error:  # noqa: BLE001 - nothing may be acknowledged, nobody left waiting
            failed = dict.fromkeys(lines, type(error).__name__)
        for stem in failed:
            self._abandon(stem)
        if failed:
            self._instance = secrets.token_hex(4)
            say(f"not stored: {', '.join(sorted(set(failed.values())))}")
        with self._wake:
            self._waiting -= sum(entry.size for entry in batch)
            self.failing = bool(failed)
        if len(failed) < len(lines):
            self.last_commit = time.monotonic()
        syncs, self._syncs = self._syncs, 0
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any longer
            self._loop.call_soon_threadsafe(self._release, batch, frozenset(failed), syncs)

    def _write(self, texts: dict[str, bytes]) -> dict[str, str]:
        """Write and sync; returns what went wrong, by the beginning of the file's name."""
        known = set(self._files)
        failed = {stem: self._trouble(self._append, stem, text) for stem, text in texts.items()}
        new = self._files.keys() - known
        if new:
            trouble = self._trouble(self._sync_directory)
            failed.update({stem: failed[stem] or trouble for stem in new})
        for stem in texts:
            failed[stem] = failed[stem] or self._trouble(self._sync, stem)
        return {stem: trouble for stem, trouble in failed.items() if trouble}

    @staticmethod
    def _trouble(act: Callable[..., None], *about: Any) -> str:
        """Do it; returns why it could not be done."""
        try:
            act(*about)
        except OSError as error:
            return error.strerror or type(error).__name__
        return ""

    def _append(self, stem: str, text: bytes) -> None:
        file = self._files.get(stem) or self._new_file(stem)
        if file.write(text) != len(text):
            raise OSError(errno.ENOSPC, "Short write")

    def _new_file(self, stem: str) -> File:
        try:
            file = self._open_file(self._path(stem))
        except FileExistsError:  # another process's, or ours from before: neither is touched
            self._instance = secrets.token_hex(4)
            file = self._open_file(self._path(stem))
        self._files[stem] = file
        return file

    def _path(self, stem: str) -> Path:
        return self._directory / f"{stem}-{self._instance}.jsonl"

    def _sync(self, stem: str) -> None:
        self._syncs += 1
        self._files[stem].sync()

    def _sync_directory(self) -> None:
        self._syncs += 1
        sync_directory(self._directory)

    def _abandon(self, stem: str) -> None:
        file = self._files.pop(stem, None)
        if file is not None:
            with suppress(OSError):
                file.close()

    def _close_past_hours(self, touched: dict[str, list[bytes]]) -> None:
        now = max((stem[-_HOUR:] for stem in touched), default="")
        for stem in [stem for stem in self._files if stem[-_HOUR:] < now and stem not in touched]:
            self._abandon(stem)

    def _try_again(self) -> None:
        with suppress(OSError):
            probe(self._directory)
            self.failing = False
            say("the disk takes events again")

    def _release(self, batch: list[_Entry], failed: frozenset[str], syncs: int) -> None:
        self._stats.disk.update({"failed commits" if failed else "commits": 1, "syncs": syncs})
        for entry in batch:
            if entry.stored.done():
                continue
            if failed and any(stem in failed for stem, _ in entry.lines):
                entry.stored.set_exception(Later("the disk takes nothing"))
            else:
                self.events += len(entry.lines)
                entry.stored.set_result(None)

"""Restarts a receiver whenever it has ended, as a service manager does, and fills its disk."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from support.receiver import BY_KEY, environment

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

_PAUSE_SECONDS = 0.5
_FULL_BYTES = 1000
"""Largest file while the disk is full: less than the receiver writes to check it."""


class Supervisor:
    """A receiver that is started again until the block ends; not thread-safe.

    Attributes:
        port: where it listens; another one after each start.
        lives: number of times it started to listen.
        failed_starts: number of times it ended before that.
        began: when it last started, on the monotonic clock.

    Args:
        directory: of the events.
        log: file to which it logs.
        options: further options.
    """

    def __init__(self, directory: Path, log: Path, *options: str) -> None:
        self.port = 0
        self.lives = 0
        self.failed_starts = 0
        self.began = 0.0
        self._log = log
        self._command = [sys.executable, "-m", "crowdtwist_receiver"]
        self._command += ["--directory", str(directory), "--port", "0", *options]
        self._directory = directory
        _, self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        self._limit = self._hard
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.keep_running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def keep_running(self) -> None:
        """Start it if it does not run; blocks until it listens or has ended."""
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() - self.began < _PAUSE_SECONDS:
            return
        self.began = time.monotonic()
        with self._log.open("a") as log, self._limited():
            self._process = subprocess.Popen(
                self._command,
                env=environment(BY_KEY),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            announced = lines.readline()
        if announced:
            self.lives += 1
            self.port = urlsplit(json.loads(announced)["url"]).port or 0
        else:
            self.failed_starts += 1
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self) -> int:
        """Stop it; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def tear_files(self) -> None:
        """Make the disk full in the middle of a line: the largest file can take 777 bytes more."""
        sizes = [path.stat().st_size for path in self._directory.glob("live_*")]
        self._limit_files(max(sizes, default=0) + 777)

    def fill_disk(self) -> None:
        """Make the disk full."""
        self._limit_files(_FULL_BYTES)

    def free_disk(self) -> None:
        """Make room again."""
        self._limit_files(self._hard)

    def resident_bytes(self) -> int:
        """Memory that it has in use, without files that are mapped."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = re.findall(r"(?m)^RssAnon:\s+(\d+) kB$", status)
        return int(kilobytes) * 1024

    def _limit_files(self, size: int) -> None:
        self._limit = size
        if self._process is not None and self._process.poll() is None:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, self._hard))

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Have the limit in this process, for what it starts."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._limit, self._hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def cpu_seconds() -> tuple[float, float]:
    """CPU time of this process, and of its children that have ended."""
    times = os.times()
    return times.user + times.system, times.children_user + times.children_system

"""The measurement of one program: what it cost and what it wrote."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TYPE = re.compile(rb'\{"type": ?"([A-Z_]+)"')


@dataclass
class Output:
    """Counts of a program's standard output.

    Attributes:
        messages: number of Singer messages, by type.
        size: bytes in total.
        state: bytes of all STATE messages.
        largest_state: bytes of the largest STATE message.
        largest: bytes of the largest message of any type.
    """

    messages: dict[str, int] = field(default_factory=dict)
    size: int = 0
    state: int = 0
    largest_state: int = 0
    largest: int = 0

    def count(self, kind: str) -> int:
        """Return the number of messages of a type."""
        return self.messages.get(kind, 0)

    def add(self, line: bytes) -> None:
        """Count one line."""
        kind = _TYPE.match(line)
        name = kind[1].decode() if kind else "other"
        self.messages[name] = self.messages.get(name, 0) + 1
        self.size += len(line)
        self.largest = max(self.largest, len(line))
        if name == "STATE":
            self.state += len(line)
            self.largest_state = max(self.largest_state, len(line))

    @classmethod
    def of(cls, lines: IO[bytes]) -> Output:
        """Count the lines of a file, one at a time."""
        output = cls()
        for line in lines:
            output.add(line)
        return output


@dataclass(frozen=True)
class Usage:
    """The resources that a program used.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of CPU time, user and system, with the children it waited for.
        peak: bytes of memory of its largest process.
        code: exit code; the negative number of a signal.
        timed_out: whether it was killed at its timeout.
    """

    wall: float
    cpu: float
    peak: int
    code: int
    timed_out: bool = False


def _environment() -> dict[str, str]:
    """Return the environment without variables that change how Python itself runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        command: the command and its arguments.
        folder: where the files `stdout` and `stderr` are written.
        env: variables to add to the environment.
        cwd: working directory; None for the current one.
    """

    command: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def run(self, timeout_seconds: float) -> Usage:
        """Run the program to its end, with its output to a file: counting it would cost CPU time.

        Args:
            timeout_seconds: seconds after which it is killed.
        """
        with (self.folder / "stdout").open("wb") as out:
            return self._wait(self._start(out), timeout_seconds)

    def stop_after(self, records: int, stream: str, timeout_seconds: float) -> Usage:
        """Run the program until it has written some records of a stream, then send SIGTERM."""
        start = time.perf_counter()
        process = self._start(subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - it was asked for
        wanted = re.compile(rb'\{"type": ?"RECORD", ?"stream": ?"%s"' % stream.encode())
        # Reading blocks for as long as the program writes nothing, so only a timer can end it.
        timer = threading.Timer(timeout_seconds, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        with process.stdout:
            for line in process.stdout:
                records -= bool(wanted.match(line))
                if not records:
                    process.terminate()  # and read on, or it may block on a full pipe
        timer.cancel()
        return self._wait(process, timeout_seconds, start)

    def _start(self, out: IO[bytes] | int) -> subprocess.Popen[bytes]:
        with (self.folder / "stderr").open("wb") as err:
            return subprocess.Popen(  # noqa: S603 - our own contenders
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.cwd,
                env={**_environment(), **self.env},
                start_new_session=True,  # its own process group, so that children are killed too
            )

    def _wait(
        self, process: subprocess.Popen[bytes], timeout_seconds: float, start: float | None = None
    ) -> Usage:
        start = time.perf_counter() if start is None else start
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout_seconds, kill)
        timer.start()
        try:
            # Popen.wait() does not return the resources of this one process.
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            kill()
            raise
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Usage(
            time.perf_counter() - start,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1024,  # Linux counts in kilobytes
            process.returncode,
            timed_out.is_set(),
        )

"""Runs one program and says what it cost and what it wrote."""

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
    """What a program wrote to its standard output.

    Attributes:
        messages: Singer messages by type.
        size: bytes, all in all.
        state: bytes of STATE messages.
        largest_state: bytes of the largest one.
        largest: bytes of the largest message of any type.
    """

    messages: dict[str, int] = field(default_factory=dict)
    size: int = 0
    state: int = 0
    largest_state: int = 0
    largest: int = 0

    def count(self, kind: str) -> int:
        """Tell how many messages of a type there are."""
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
        """Count lines, one at a time."""
        output = cls()
        for line in lines:
            output.add(line)
        return output


@dataclass(frozen=True)
class Usage:
    """What a program cost.

    Attributes:
        wall: seconds from its start to its end.
        cpu: seconds of CPU time, user and system, of it and the children it waited for.
        peak: bytes of memory of its largest process.
        code: exit code; negative for the number of a signal.
        late: whether it was stopped because its time was over.
    """

    wall: float
    cpu: float
    peak: int
    code: int
    late: bool = False


def _around() -> dict[str, str]:
    """Give the environment, without what would change how Python itself runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        command: what to start.
        folder: where; it writes `stdout` and `stderr` there.
        env: added to the environment.
    """

    command: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def run(self, patience: float) -> Usage:
        """Run it to its end, its output into a file, so that counting costs nobody anything.

        Args:
            patience: seconds after which it is killed.
        """
        with (self.folder / "stdout").open("wb") as out:
            return self._wait(self._start(out), patience)

    def stop_after(self, records: int, stream: str, patience: float) -> Usage:
        """Run it until it has written some records of a stream, then send SIGTERM."""
        begun = time.perf_counter()
        process = self._start(subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - it was asked for
        wanted = re.compile(rb'\{"type": ?"RECORD", ?"stream": ?"%s"' % stream.encode())
        timer = threading.Timer(patience, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        with process.stdout:
            for line in process.stdout:
                records -= bool(wanted.match(line))
                if not records:
                    process.terminate()
        timer.cancel()
        return self._wait(process, patience, begun)

    def _start(self, out: IO[bytes] | int) -> subprocess.Popen[bytes]:
        with (self.folder / "stderr").open("wb") as err:
            return subprocess.Popen(  # noqa: S603 - our own contenders
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.cwd,
                env={**_around(), **self.env},
                start_new_session=True,
            )

    def _wait(
        self, process: subprocess.Popen[bytes], patience: float, begun: float | None = None
    ) -> Usage:
        begun = time.perf_counter() if begun is None else begun
        late = threading.Event()

        def kill() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(patience, kill)
        timer.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            kill()
            raise
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Usage(
            time.perf_counter() - begun,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1024,
            process.returncode,
            late.is_set(),
        )

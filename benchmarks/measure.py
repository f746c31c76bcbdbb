"""The measurement of one program: what it cost and what it wrote."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
    """

    messages: dict[str, int] = field(default_factory=dict)
    size: int = 0
    state: int = 0
    largest_state: int = 0

    def count(self, kind: str) -> int:
        """Return the number of messages of a type."""
        return self.messages.get(kind, 0)

    def add(self, line: bytes) -> None:
        """Count one line."""
        kind = _TYPE.match(line)
        name = kind[1].decode() if kind else "other"
        self.messages[name] = self.messages.get(name, 0) + 1
        self.size += len(line)
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
        code: exit code; the negative number of a signal, such as -9 if it took too long.
    """

    wall: float
    cpu: float
    peak: int
    code: int


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
            return self._run(out, timeout_seconds)

    def stop_after(self, records: int, stream: str, timeout_seconds: float) -> Usage:
        """Run the program until it has written some records of a stream, then send SIGTERM."""
        wanted = re.compile(rb'\{"type": ?"RECORD", ?"stream": ?"%s"' % stream.encode())

        def read(process: subprocess.Popen[bytes]) -> None:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            with process.stdout as lines:
                matching = (line for line in lines if wanted.match(line))
                for _ in islice(matching, records):
                    pass
                os.kill(process.pid, signal.SIGTERM)
                for _ in lines:  # or it may block on a full pipe
                    pass

        return self._run(subprocess.PIPE, timeout_seconds, read)

    def _run(
        self,
        out: IO[bytes] | int,
        timeout_seconds: float,
        read: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
    ) -> Usage:
        start = time.perf_counter()
        with (self.folder / "stderr").open("wb") as err:
            process = subprocess.Popen(  # noqa: S603 - our own contenders
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.cwd,
                env={**_environment(), **self.env},
                start_new_session=True,  # its own process group, so that children are killed too
            )
        # Waiting and reading block for as long as the program does nothing.
        timer = threading.Timer(timeout_seconds, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            read(process)
            # Popen.wait() does not return the resources of this one process.
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Usage(
            time.perf_counter() - start,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1024,  # Linux counts in kilobytes
            process.returncode,
        )


def catalog_of(tap: Sequence[str], *streams: str) -> dict[str, Any]:
    """Return a catalog that selects some streams.

    Args:
        tap: the command of the tap, with its configuration.
        streams: the streams.
    """
    done = subprocess.run([*tap, "--discover"], check=True, capture_output=True, timeout=60)  # noqa: S603 - our own
    catalog: dict[str, Any] = json.loads(done.stdout)
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return catalog

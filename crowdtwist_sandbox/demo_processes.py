"""Processes that never outlive the demo, and the signals that stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_STOP_SECONDS = 10  # between asking a command to stop and killing it
_POLL_SECONDS = 0.01


class Stopped(BaseException):
    """A signal asked the demo to stop; the argument is the signal's number.

    No Exception, so that no `except Exception` of a library swallows it.
    """


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `Stopped`, so that everything is cleaned up."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        # A second signal must not interrupt the cleanup that the first one started.
        for each in previous_handlers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    previous_handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number in previous_handlers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


@contextmanager
def process_group(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: int,
    errors: int = subprocess.STDOUT,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in its own process group, and stop the whole group at the end."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with _deferred_signals():
            process = subprocess.Popen(  # noqa: S603 - the arguments are ours
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        yield process
    finally:
        if process is not None and process.poll() is None:
            _signal(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            _signal(process.pid, signal.SIGKILL)
            process.wait()
            _await_end(process.pid)


@contextmanager
def _deferred_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM to the end of the block.

    A handler that raises between the start of a process and the assignment of its Popen object
    would leave a process that nobody stops.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread only
        return
    received: list[int] = []
    previous_handlers = {
        each: signal.signal(each, lambda number, _frame: received.append(number))
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in previous_handlers.items():
            signal.signal(each, handler)
    for number in received[:1]:
        signal.raise_signal(number)


def _signal(group: int, number: int) -> None:
    # macOS raises PermissionError where others raise ProcessLookupError, for a group that ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _await_end(group: int) -> None:
    """Wait until the killed processes of a group are gone, for ten seconds at most.

    Where no init process reaps orphans, they would stay zombies for ever.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(_POLL_SECONDS)

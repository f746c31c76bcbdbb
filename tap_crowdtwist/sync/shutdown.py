"""Stopping a run: the request by a signal, and the error by which waiting code ends."""

from __future__ import annotations

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue

from tap_crowdtwist.errors import TapError


class StoppedError(TapError):
    """The run was asked to stop.

    The state covers everything that was written. The next run resumes there only if the target
    confirmed that state: until then the runner (such as Meltano) does not keep it.

    Args:
        signum: the signal that requested the stop.
        how: further words for the message, after the name of the signal.
    """

    def __init__(self, signum: int = signal.SIGTERM, how: str = "") -> None:
        name = signal.Signals(signum).name
        super().__init__(
            f"Stopped by {name}{how}; the next run resumes from the last STATE that the target "
            "confirmed"
        )
        self.signum = signum


class StopSignal:
    """A stop request, made by a signal handler and noticed by all code that waits."""

    def __init__(self) -> None:
        self._signum: signal.Signals | None = None
        # Not an Event: a signal handler may interrupt the main thread while that holds the lock of
        # the Event, and would wait for the lock forever. `SimpleQueue.put` is reentrant.
        self._requests: SimpleQueue[None] = SimpleQueue()

    def request_stop(self, signum: int = signal.SIGTERM) -> None:
        """Ask the run to stop."""
        self._signum = signal.Signals(signum)
        self._requests.put(None)

    @property
    def is_requested(self) -> bool:
        """Whether the run was asked to stop."""
        return self._signum is not None

    def raise_if_stopped(self) -> None:
        """Raise if the run was asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self._signum is not None:
            raise StoppedError(self._signum)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds, or until the run is asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        # Not `time.sleep`: a stop ends the waits of all threads at once. Each puts the request back
        # for the next one.
        with suppress(Empty):
            self._requests.put(self._requests.get(timeout=seconds))
        self.raise_if_stopped()

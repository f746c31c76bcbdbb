"""Stopping a run: the request by a signal, and the error by which waiting code ends."""

from __future__ import annotations

import signal
import threading

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
        self._event = threading.Event()
        self._signum = signal.SIGTERM

    def request_stop(self, signum: int = signal.SIGTERM) -> None:
        """Ask the run to stop."""
        self._signum = signal.Signals(signum)
        self._event.set()

    @property
    def is_requested(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

    def raise_if_stopped(self) -> None:
        """Raise if the run was asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self._event.is_set():
            raise StoppedError(self._signum)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds, or until the run is asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        # On an event, not `time.sleep`: a stop ends the waits of all threads at once.
        if self._event.wait(seconds):
            raise StoppedError(self._signum)

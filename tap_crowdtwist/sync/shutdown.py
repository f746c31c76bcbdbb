"""How a run is asked to stop, and how whoever waits learns of it."""

from __future__ import annotations

import signal
import threading

from tap_crowdtwist.errors import TapError


class StoppedError(TapError):
    """The run was asked to stop. What was written is in the state.

    The next run goes on there only if the target confirmed that state: until then the runner
    (Meltano, say) does not keep it.

    Args:
        signum: the signal that asked.
        how: what else there is to say of it.
    """

    def __init__(self, signum: int = signal.SIGTERM, how: str = "") -> None:
        name = signal.Signals(signum).name
        super().__init__(
            f"Stopped by {name}{how}; the next run goes on where the last STATE that the target "
            "confirmed stands"
        )
        self.signum = signum


class StopSignal:
    """A wish to stop: made by a signal handler, noticed by everyone who waits."""

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
        """Go on, unless asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self._event.is_set():
            raise StoppedError(self._signum)

    def sleep(self, seconds: float) -> None:
        """Wait, unless asked to stop.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self._event.wait(seconds):
            raise StoppedError(self._signum)

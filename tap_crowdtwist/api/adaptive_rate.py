"""How fast to ask: the decision alone, without clocks or threads.

CrowdTwist documents its ceiling per program but not how it refuses (429 is in no vendor page), and
the brand's storefront draws on the same budget. So the pace is felt for: a refusal halves it for
a moment, to let the budget recover; then it returns to just below what was refused, and after a
while without refusals tries a little more, in growing steps.
"""

from __future__ import annotations

from collections import deque

DRAIN_SECONDS = 0.5
"""Seconds at half pace after a refusal."""

ECHO_SECONDS = 0.3
"""Seconds after a refusal in which further ones are its echo: they met the same empty budget."""

RECOVERY_STEPS = ((0.85, 1.0), (0.95, 10.0))
"""After draining: parts of the refused pace, and for how many seconds each is held."""

PROBE_INCREASE = 0.02
"""By how much more is tried after the last step; doubled each time that nothing is refused."""

PROBE_SECONDS = 10.0
"""Seconds between two tries for more."""

_LOWEST_RATE = 1 / 60
"""Requests a second. Even a host that refuses everything is asked once a minute."""


class AdaptiveRate:
    """The number of requests a second to send now.

    Args:
        fastest: the most requests a second that are ever allowed.
    """

    def __init__(self, fastest: float) -> None:
        self.rate = fastest
        self._fastest = fastest
        self._refused_rate = fastest
        self._cut = float("-inf")
        self._changed = 0.0
        self._dwell: float | None = None
        self._step = 0
        self._probe = PROBE_INCREASE
        self._departures: deque[float] = deque(maxlen=512)

    def departed(self, now: float) -> float:
        """Note a departure, and give the rate that holds from now on.

        Args:
            now: seconds on a clock that never runs backwards.
        """
        self._departures.append(now)
        while self._dwell is not None and now - self._changed >= self._dwell:
            self._changed += self._dwell
            self._recover()
        return self.rate

    def refused(self, now: float, departed: float) -> bool:
        """Cut the pace, since a request was refused.

        Args:
            now: when the refusal was learnt.
            departed: when that request had departed.

        Returns:
            Whether it was news, and not the echo of a refusal that was already acted on.
        """
        if departed < self._cut + ECHO_SECONDS:
            return False
        sent = sum(departed - 1.0 < moment <= departed for moment in self._departures)
        self._refused_rate = max(min(self.rate, max(sent, self.rate / 4)), _LOWEST_RATE)
        self.rate = max(self._refused_rate / 2, _LOWEST_RATE)
        self._cut = self._changed = now
        self._dwell, self._step, self._probe = DRAIN_SECONDS, 0, PROBE_INCREASE
        return True

    def _recover(self) -> None:
        if self._step < len(RECOVERY_STEPS):
            part, self._dwell = RECOVERY_STEPS[self._step]
            self.rate = self._refused_rate * part
            self._step += 1
        else:
            self.rate *= 1 + self._probe
            self._probe *= 2
            self._dwell = PROBE_SECONDS
        if self.rate >= self._fastest:
            self.rate, self._dwell = self._fastest, None

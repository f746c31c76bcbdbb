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
        max_rate: the most requests a second that are ever allowed.
    """

    def __init__(self, max_rate: float) -> None:
        self.rate = max_rate
        self._max_rate = max_rate
        self._limited_rate = max_rate
        self._limited_at = float("-inf")
        self._changed_at = 0.0
        self._hold_seconds: float | None = None
        self._step = 0
        self._increase = PROBE_INCREASE
        self._departures: deque[float] = deque(maxlen=512)

    def departed(self, now: float) -> float:
        """Note a departure, and give the rate that holds from now on.

        Args:
            now: seconds on a clock that never runs backwards.
        """
        self._departures.append(now)
        while self._hold_seconds is not None and now - self._changed_at >= self._hold_seconds:
            self._changed_at += self._hold_seconds
            self._recover()
        return self.rate

    def rate_limited(self, now: float, departed: float) -> bool:
        """Cut the pace, since a request was refused.

        Args:
            now: when the refusal was learnt.
            departed: when that request had departed.

        Returns:
            Whether it was news, and not the echo of a refusal that was already acted on.
        """
        if departed < self._limited_at + ECHO_SECONDS:
            return False
        sent = sum(departed - 1.0 < moment <= departed for moment in self._departures)
        self._limited_rate = max(min(self.rate, max(sent, self.rate / 4)), _LOWEST_RATE)
        self.rate = max(self._limited_rate / 2, _LOWEST_RATE)
        self._limited_at = self._changed_at = now
        self._hold_seconds, self._step, self._increase = DRAIN_SECONDS, 0, PROBE_INCREASE
        return True

    def _recover(self) -> None:
        if self._step < len(RECOVERY_STEPS):
            part, self._hold_seconds = RECOVERY_STEPS[self._step]
            self.rate = self._limited_rate * part
            self._step += 1
        else:
            self.rate *= 1 + self._increase
            self._increase *= 2
            self._hold_seconds = PROBE_SECONDS
        if self.rate >= self._max_rate:
            self.rate, self._hold_seconds = self._max_rate, None

"""The pace finds a limit that nobody told it, in simulated time."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.adaptive_rate import ECHO_SECONDS, PROBE_SECONDS, AdaptiveRate


@dataclass
class Outcome:
    """What a simulated host saw: when it accepted requests, and how many it refused."""

    accepted: list[float]
    rate_limited: int

    @property
    def refused_part(self) -> float:
        return self.rate_limited / (self.rate_limited + len(self.accepted))

    def rate(self, since: float, until: float) -> float:
        """Accepted requests a second between two moments."""
        return sum(since <= moment < until for moment in self.accepted) / (until - since)


def simulate(
    setting: float, limit: float, latency: float, seconds: float, workers: int = 16, seed: int = 1
) -> Outcome:
    """Let workers ask a host that lets `limit` requests a second pass, that many at once."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    pace = AdaptiveRate(setting)
    ready = [(0.0, worker) for worker in range(workers)]
    refusals: list[tuple[float, float]] = []
    outcome = Outcome([], 0)
    tokens, refilled, gate = limit, 0.0, 0.0
    while ready[0][0] < seconds:
        moment, worker = heapq.heappop(ready)
        departure = max(moment, gate)
        while refusals and refusals[0][0] <= departure:
            pace.rate_limited(*heapq.heappop(refusals))
        gate = departure + 1 / pace.record_departure(departure)
        arrival = departure + latency / 2 * chance.uniform(0.8, 1.2)
        tokens = min(limit, tokens + max(arrival - refilled, 0) * limit)
        refilled = max(arrival, refilled)
        back = arrival + latency / 2
        if tokens >= 1:
            tokens -= 1
            outcome.accepted.append(arrival)
        else:
            outcome.rate_limited += 1
            heapq.heappush(refusals, (back, departure))
        heapq.heappush(ready, (back, worker))
    return outcome


@pytest.mark.parametrize("latency", [0.002, 0.02, 0.1])
@pytest.mark.parametrize("limit", [20.0, 50.0, 100.0])
def test_it_settles_near_a_limit_it_was_not_told(limit: float, latency: float) -> None:
    outcome = simulate(setting=10_000 / 60, limit=limit, latency=latency, seconds=240)
    assert outcome.rate(120, 240) >= 0.9 * limit
    assert outcome.refused_part <= 0.02


def test_it_goes_at_full_speed_where_nothing_is_refused() -> None:
    outcome = simulate(setting=100, limit=1000, latency=0.01, seconds=30)
    assert outcome.rate_limited == 0
    assert outcome.rate(0, 30) == pytest.approx(100, rel=0.01)


def test_a_refusal_halves_the_pace_for_a_moment() -> None:
    pace = AdaptiveRate(100)
    departures = [pace.record_departure(n / 100) and n / 100 for n in range(200)]
    assert pace.rate_limited(2.0, departures[-1])
    assert pace.rate == pytest.approx(50, rel=0.02)


def test_the_echo_of_a_refusal_changes_nothing() -> None:
    pace = AdaptiveRate(100)
    for n in range(200):
        pace.record_departure(n / 100)
    pace.rate_limited(2.0, 1.99)
    rate = pace.rate
    assert not pace.rate_limited(2.1, 1.995)
    assert not pace.rate_limited(2.2, 2.0 + ECHO_SECONDS / 2)
    assert pace.rate == rate


def test_it_recovers_step_by_step_to_its_full_speed_when_the_limit_goes_away() -> None:
    pace = AdaptiveRate(100)
    for n in range(200):
        pace.record_departure(n / 100)
    pace.rate_limited(2.0, 1.99)
    rates = [
        pace.record_departure(2.0 + n) for n in itertools.takewhile(lambda n: n < 200, range(200))
    ]
    assert all(later >= earlier for earlier, later in itertools.pairwise(rates))
    assert rates[-1] == 100
    assert rates[int(PROBE_SECONDS)] < 97


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1, 200),
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=80),
)
def test_whatever_happens_it_never_exceeds_the_fastest_and_never_stops(
    max_rate: float, events: list[tuple[float, bool]]
) -> None:
    pace, now = AdaptiveRate(max_rate), 0.0
    for waited, refused in events:
        now += waited
        assert 0 < pace.record_departure(now) <= max_rate
        if refused:
            pace.rate_limited(now, now)
            assert 0 < pace.rate <= max_rate

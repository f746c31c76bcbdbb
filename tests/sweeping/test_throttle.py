"""`requests_per_minute` is a promise over any minute."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks import FakeClock

from tap_crowdtwist.api.rate_limiter import CATCH_UP_SECONDS, MINUTE_SECONDS, RateLimiter
from tap_crowdtwist.sync.shutdown import StoppedError, StopSignal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def throttle(per_minute: int, clock: FakeClock) -> RateLimiter:
    return RateLimiter(per_minute, clock, clock.sleep)


def busiest(departures: list[float], span: float) -> int:
    """The most departures within a span of seconds, both ends included."""
    first, most = 0, 0
    for last, moment in enumerate(departures):
        while departures[first] < moment - span:
            first += 1
        most = max(most, last - first + 1)
    return most


def busiest_minute(departures: list[float]) -> int:
    return busiest(departures, MINUTE_SECONDS)


@pytest.mark.parametrize("per_minute", [2, 60, 5000, 10_000])
def test_any_minute_stays_within_the_setting_and_uses_nearly_all_of_it(per_minute: int) -> None:
    clock = FakeClock()
    paced = throttle(per_minute, clock)
    departures = [paced.acquire() for _ in range(3 * per_minute)]
    assert busiest_minute(departures) <= per_minute
    if per_minute >= 60:
        assert busiest_minute(departures) >= 0.97 * per_minute


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 3000),
    st.lists(st.floats(0, 90), min_size=1, max_size=20),
    st.lists(st.floats(0, 0.3), min_size=1, max_size=50),
)
def test_idling_and_stalling_never_buy_a_burst(
    per_minute: int, idle: list[float], stalls: list[float]
) -> None:
    clock = FakeClock()
    paced = throttle(per_minute, clock)
    departures = []
    for pause in idle:
        clock.sleep(pause)
        for stall in stalls:
            departures.append(paced.acquire())
            clock.sleep(stall)
    assert busiest_minute(departures) <= per_minute
    assert busiest(departures, 1.0) <= per_minute / MINUTE_SECONDS * (1 + CATCH_UP_SECONDS) + 2


def test_a_retry_after_is_a_pause_for_everyone() -> None:
    clock = FakeClock()
    paced = throttle(6000, clock)
    departed = paced.acquire()
    paced.rate_limited(departed, 7.0)
    assert paced.acquire() >= departed + 7.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 50), st.none() | st.floats(0, 100)), max_size=30))
def test_working_time_stands_still_in_pauses_that_may_overlap(
    events: list[tuple[float, float | None]],
) -> None:
    clock = FakeClock()
    paced = throttle(6000, clock)
    resume = worked = longer = 0.0
    for passed, pause in events:
        worked += max(clock.now + passed - max(resume, clock.now), 0.0)
        clock.sleep(passed)
        longer += paced.rate_limited(clock.now, pause)
        resume = max(resume, clock.now + pause) if pause else resume
        assert paced.unpaused_time() == pytest.approx(worked)
        assert longer == pytest.approx(max(resume, clock.now) - worked)


def test_a_pause_also_holds_those_who_were_waiting_already() -> None:
    clock = FakeClock()
    paced: RateLimiter

    def sleep(seconds: float) -> None:
        if clock.now < 1:
            paced.rate_limited(0.0, 30.0)
        clock.sleep(seconds)

    paced = RateLimiter(60, clock, sleep)
    paced.acquire()
    assert paced.acquire() >= 30.0


def test_waiting_is_counted() -> None:
    clock = FakeClock()
    paced = throttle(60, clock)
    for _ in range(11):
        paced.acquire()
    assert paced.waited == pytest.approx(10 * (MINUTE_SECONDS + CATCH_UP_SECONDS) / 59, rel=0.02)


@pytest.mark.parametrize("pause", [None, 86_400.0])
def test_a_wish_to_stop_wakes_whoever_waits(pause: float | None) -> None:
    stop = StopSignal()
    paced = RateLimiter(1, sleep=stop.sleep)
    paced.rate_limited(paced.acquire(), pause)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            paced.acquire()
        except StoppedError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    stop.request_stop()
    waiting.join(5)
    assert [type(error) for error in raised] == [StoppedError]


def test_a_wish_to_stop_wakes_all_who_wait() -> None:
    stop = StopSignal()
    raised: list[int] = []

    def wait(number: int) -> None:
        try:
            stop.sleep(86_400)
        except StoppedError:
            raised.append(number)

    waiting = [threading.Thread(target=wait, args=(number,)) for number in range(20)]
    for each in waiting:
        each.start()
    stop.request_stop()
    for each in waiting:
        each.join(5)
    assert sorted(raised) == list(range(20))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("interrupted", ["sleep", "request_stop"])
def test_a_signal_may_come_at_any_instant_of_a_wait_or_a_stop(interrupted: str) -> None:
    """A handler runs between any two operations of the main thread, library code included."""

    def run(instant: int) -> tuple[StopSignal, bool]:
        stop = StopSignal()
        operations = 0

        def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            nonlocal operations
            frame.f_trace_opcodes = True
            operations += event == "opcode"
            if operations == instant and event == "opcode":
                stop.request_stop()
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            stop.sleep(0.001) if interrupted == "sleep" else stop.request_stop()
        except StoppedError:
            pass
        finally:
            sys.settrace(before)
        return stop, operations >= instant

    instant, is_within = 1, True
    while is_within:
        stop, is_within = run(instant)
        assert stop.is_requested or not is_within
        instant += 1
    assert instant > 10


def test_workers_share_one_pace() -> None:
    clock = FakeClock()
    paced = throttle(6000, clock)
    departures: list[float] = []

    def work() -> None:
        departures.extend([paced.acquire() for _ in range(200)])

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert len(departures) == 1600
    assert busiest_minute(sorted(departures)) <= 6000
    assert max(departures) >= 1599 * MINUTE_SECONDS / 6000

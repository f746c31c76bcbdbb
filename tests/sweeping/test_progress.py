"""A person can see how far it is, and nothing is said per member."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest
from support.clocks import FakeClock

from tap_crowdtwist.api.request_stats import RequestStats
from tap_crowdtwist.sync.progress import INTERVAL_SECONDS, Progress
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stats() -> RequestStats:
    return RequestStats()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_every_ten_seconds_says_all_there_is_to_know(
    clock: FakeClock, stats: RequestStats, lines: Callable[[], list[str]]
) -> None:
    progress, stream_stats = Progress(stats, clock), StreamStats()
    stats.rate_limited["users"], stats.retried["users"] = 3, 4
    with progress.of("purchases", stream_stats, 1000):
        for _ in range(100):
            clock.sleep(INTERVAL_SECONDS / 40)
            stream_stats.asked += 2
            stream_stats.records += 5
            stats.requests["purchases"] += 3
            progress.tick()
    assert lines() == [
        f"purchases: {done} of 1,000 members, {records} records, 720 requests a minute, "
        f"3 rate-limited and 4 retried so far, about {left} left in this stream"
        for done, records, left in ((80, 200, "1 min 55 s"), (160, 400, "1 min 45 s"))
    ]


def test_hours_are_told_as_hours_and_nothing_is_guessed_from_nothing(
    clock: FakeClock, stats: RequestStats
) -> None:
    progress, stream_stats = Progress(stats, clock), StreamStats()
    with progress.of("users", stream_stats, 10_000):
        clock.sleep(10)
        assert "time left unknown" in progress.line(stream_stats, clock())
        stream_stats.asked = 10
        assert "about 2 h 46 min left" in progress.line(stream_stats, clock())
        stream_stats.asked = 9_990
        assert "about 0 s left" in progress.line(stream_stats, clock())


def test_a_pause_stands_where_the_estimate_does_and_is_no_part_of_it(
    clock: FakeClock, stats: RequestStats, lines: Callable[[], list[str]]
) -> None:
    until = ""
    progress, stream_stats = Progress(stats, clock, lambda: until), StreamStats()

    def pass_minute() -> None:
        for _ in range(240):
            clock.sleep(0.25)
            progress.tick()

    with progress.of("users", stream_stats, 100):
        stream_stats.asked = 50
        pass_minute()
        until = "14:05:00 UTC"
        pass_minute()
        paused = lines()[-6:]
        until = ""
        clock.sleep(INTERVAL_SECONDS)
        progress.tick()
    said = ", paused until 14:05:00 UTC, as CrowdTwist asked (Retry-After)"
    assert [line.endswith(said) for line in paused] == [True] * 6
    assert lines()[-1].endswith("about 1 min 10 s left in this stream")


def test_nothing_is_said_between_sweeps(
    clock: FakeClock, stats: RequestStats, lines: Callable[[], list[str]]
) -> None:
    progress = Progress(stats, clock)
    with progress.of("users", StreamStats(), 10):
        pass
    clock.sleep(60)
    progress.tick()
    assert lines() == []


def test_a_person_who_looks_on_gets_a_bar(
    clock: FakeClock,
    stats: RequestStats,
    lines: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    progress, stream_stats = Progress(stats, clock), StreamStats()
    with progress.of("users", stream_stats, 4):
        for _ in range(4):
            clock.sleep(INTERVAL_SECONDS)
            stream_stats.asked += 1
            progress.tick()
    assert "users: 100%" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    assert lines() == []

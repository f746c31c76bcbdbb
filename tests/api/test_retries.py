"""How long to go on with a request: in tries, in time, and as long as the answer asks to wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.retry import (
    MAX_BACKOFF_SECONDS,
    MAX_PAUSE_SECONDS,
    MAX_RATE_LIMITED,
    RETRY_DEADLINE_SECONDS,
    RetryBudget,
    retry_after,
)

NOW = datetime(2026, 3, 11, 2, 0, tzinfo=timezone.utc)


def test_being_told_to_slow_down_is_bounded_in_tries() -> None:
    retries = RetryBudget(5, 0.0)
    assert [retries.record_rate_limit(0.0) for _ in range(MAX_RATE_LIMITED + 1)] == [
        True
    ] * MAX_RATE_LIMITED + [False]


_EVENTS = st.tuples(st.booleans(), st.sampled_from([0.0, 7.0, 9e3, 9e4]), st.floats(0, 90))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10), st.lists(_EVENTS, max_size=120))
def test_no_attempt_begins_after_its_time_in_which_asked_for_pauses_do_not_count(
    most: int, events: list[tuple[bool, float, float]]
) -> None:
    retries = RetryBudget(most, 0.0)
    now = asked = own_pauses = 0.0
    for was_refused, pause, took in events:
        now += took
        asked += pause
        assert retries.may_pause(pause) is (asked <= MAX_PAUSE_SECONDS)
        if was_refused:  # the clock stands still in its pause
            more = retries.record_rate_limit(now)
        else:
            wait = retries.record_failure(now, pause)
            more = wait is not None
            own_pauses += pause
            now += wait or pause
        time = now - own_pauses
        if not more:
            tries = retries.failures > most or retries.rate_limited_count > MAX_RATE_LIMITED
            assert tries or time > RETRY_DEADLINE_SECONDS - MAX_BACKOFF_SECONDS
            break
        assert time <= RETRY_DEADLINE_SECONDS + 0.001
    assert retries.failures <= most + 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 7 ", 7),
        ("900", 900),
        ("86401", 86401),
        ("9" * 400, float("inf")),
        ("2.5", 2.5),
        ("2.", 2),
        ("3, 3", 3),
        ("3,120 , 7.5", 120),
        ("soon, 3", 3),
        (",", None),
        ("-1", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("1.5.2", None),
        ("soon", None),
        ("٣", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("Wed, 11 Mar 2026 02:01:30", 90),
        ("Wed, 11 Mar 2026 04:01:30 +0200", 90),
        ("Wednesday, 11-Mar-26 02:01:30 GMT", 90),
        ("Wed Mar 11 02:01:30 2026", 90),
        ("Wed, 11 Mar 2026 02:01:30 GMT, Wed, 11 Mar 2026 02:02:00 GMT", 120),
        ("60, Wed, 11 Mar 2026 02:01:30 GMT", 90),
        ("Thu, 11 Mar 2027 02:00:00 GMT", 365 * 86400),
        ("Wed, 11 Mar 99999 02:01:30 GMT", None),
        (f"Wed, 11 Mar {'9' * 30} 02:01:30 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_or_several_of_them(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds


_PARTS = st.sampled_from([*"0123456789:,+- ", "Wed", "Mar", "GMT", "2026", "11", "99999999999"])


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(_PARTS).map("".join))
def test_any_retry_after_is_read_or_left(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0

"""How long to go on with a request: in tries, in time, and as long as the answer asks to wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.retries import PATIENCE, REFUSALS, Retries, retry_after

NOW = datetime(2026, 3, 11, 2, 0, tzinfo=timezone.utc)


def test_being_told_to_slow_down_is_bounded_in_tries() -> None:
    retries = Retries(5, 0.0)
    assert [retries.refused(0.0, None) for _ in range(REFUSALS + 1)] == [True] * REFUSALS + [False]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10),
    st.lists(st.tuples(st.booleans(), st.none() | st.floats(0, 5000), st.floats(0, 90))),
)
def test_whatever_happens_no_attempt_begins_after_its_time(
    most: int, events: list[tuple[bool, float | None, float]]
) -> None:
    retries, now = Retries(most, 0.0), 0.0
    for was_refused, pause, took in events:
        now += took
        if was_refused:
            more, wait = retries.refused(now, pause), pause or 0.0
        else:
            told = retries.failed(now, pause)
            more, wait = told is not None, told or 0.0
            assert wait >= (pause or 0.0) * more
        if not more:
            break
        now += wait
        assert now <= PATIENCE
    assert retries.failures <= most + 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 7 ", 7),
        ("9" * 400, PATIENCE),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("Wed, 11 Mar 2026 02:01:30", 90),
        ("Wed, 11 Mar 2026 04:01:30 +0200", 90),
        ("Wed, 11 Mar 2027 02:01:30 GMT", PATIENCE),
        ("Wed, 11 Mar 99999 02:01:30 GMT", None),
        (f"Wed, 11 Mar {'9' * 30} 02:01:30 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_within_bounds(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds


_PARTS = st.sampled_from([*"0123456789:,+- ", "Wed", "Mar", "GMT", "2026", "11", "99999999999"])


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(_PARTS).map("".join))
def test_any_retry_after_is_read_or_left(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= PATIENCE

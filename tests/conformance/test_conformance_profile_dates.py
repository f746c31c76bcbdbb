"""`crowdtwist-conformance` says on 20 members whether `sweep_members` updated can be used."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.conformance import ADAPTS, CONFIRMED, UNKNOWN, conform, plain
from support.harness import PRESENT

MIDNIGHT = PRESENT - timedelta(hours=2)
"""A second after the present of the sandbox."""

HOURS_LATE = str(8 * 60)
AT_ONCE = (CONFIRMED, "`sweep_members` updated can be used, after one sweep of `all`")
NOT_AT_ALL = (ADAPTS, "`sweep_members` updated would miss rows: use `all`, or `changed` if")


def finding(present: datetime = MIDNIGHT, members: int = 80, **options: Any) -> dict[str, Any]:
    with plain(members=members, **options) as running:
        result = conform(running, present)
    assert result.exit_code == 0
    return result.named("users.date_last_updated")


@pytest.mark.parametrize(
    ("rule", "expected", "observed"),
    [
        ("with_points", AT_ONCE, "no row of 19 members is dated later than their profile"),
        ("20", AT_ONCE, "no row of 19 members is dated later than their profile"),
        (HOURS_LATE, NOT_AT_ALL, "3 of 19 members have a row dated later than their profile"),
        ("without_points", NOT_AT_ALL, "18 of 19 members have a row dated later than their"),
    ],
)
def test_profiles_that_follow_points_within_minutes_are_told_from_others(
    rule: str, expected: tuple[str, str], observed: str
) -> None:
    found = finding(profile_dates=rule)
    assert found["outcome"] == expected[0]
    assert found["advice"].startswith(expected[1])
    assert found["observed"].startswith(observed)


def test_what_happened_after_the_profiles_were_read_does_not_count() -> None:
    """Nine hours earlier: every row that is later than a profile is still to come."""
    assert finding(MIDNIGHT - timedelta(hours=9), profile_dates=HOURS_LATE)["outcome"] == CONFIRMED


def test_a_few_members_are_no_answer() -> None:
    found = finding(members=12)
    assert found["outcome"] == UNKNOWN
    assert found["advice"] == "needs: 10 members with activities"
    assert finding(members=12, profile_dates="without_points")["outcome"] == ADAPTS

"""The check of `date_last_updated`, on which `sweep_members` updated relies.

Every member's newest row is compared with the profile, as a sweep of all members does. But here
profiles are read first, since the other requests need the numbers of the members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.conformance.date_checks import date_column
from tap_crowdtwist.conformance.findings import adapts, confirmed, unknown
from tap_crowdtwist.records.profile_dates import (
    TOLERANCE_SECONDS,
    is_contradicted,
    newest_date,
    profile_date,
)

if TYPE_CHECKING:
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult

_DATED_STREAMS = ("user_activity_history", "redemptions")
"""The streams that CrowdTwist dates; the dates of purchases are the brand's."""

_ENOUGH_MEMBERS = 10
"""Members without a contradiction that are needed for an answer."""


def check_profile_dates(evidence: Evidence) -> CheckResult:
    """Return whether profiles are updated when points change."""
    newest = _newest_rows(evidence)
    are_contradicted = [
        is_contradicted(updated, newest[profile.position])
        for profile in evidence.streams["users"].first
        if profile.position in newest and (updated := profile_date(profile.first_row)) is not None
    ]
    checked, contradicted = len(are_contradicted), sum(are_contradicted)
    if contradicted:
        return adapts(
            f"{contradicted} of {checked} members have a row dated later than their profile",
            "`sweep_members` updated would miss rows: use `all`, or `changed` if the program sends "
            "files; keep `users` full table",
        )
    if checked < _ENOUGH_MEMBERS:
        observed = f"no contradiction in {checked} members" if checked else "no member to compare"
        return unknown(observed, f"{_ENOUGH_MEMBERS} members with activities")
    return confirmed(
        f"no row of {checked} members is dated later than their profile",
        "`sweep_members` updated can be used, after one sweep of `all`, which compares all members",
    )


def _newest_rows(evidence: Evidence) -> dict[int | None, int]:
    """Return the date of each member's newest row in Unix seconds, by position.

    Profiles were read first. What happened since then, or so shortly before that the profile may
    not show it yet, is left out.
    """
    until = evidence.started_at - TOLERANCE_SECONDS
    newest: dict[int | None, int] = {}
    for name in _DATED_STREAMS:
        seen = evidence.streams[name]
        column = date_column(seen.endpoint)
        for page in seen.with_rows:
            date = newest_date(page.rows, column, until)
            if date is not None:
                newest[page.position] = max(newest.get(page.position, date), date)
    return newest

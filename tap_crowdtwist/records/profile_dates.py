"""The comparison of a member's profile with the member's newest row.

`sweep_members` updated reads the rows of members whose profile has a new `date_last_updated`. It is
documented nowhere that points move this date. So it is measured: no row of a member may be dated
later than the profile that was read after it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.records.timestamps import unix_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MARGIN = timedelta(hours=1)
"""How much earlier than the last sweep a profile's date may be, for its member to be read again."""

TOLERANCE_SECONDS = int(MARGIN.total_seconds()) // 2
"""How much later than the profile a row may be dated without contradicting it.

A profile may move late, and to an earlier date than the moment when it moves. Half of the margin
covers each of the two.
"""


def profile_date(profile: Mapping[str, Any]) -> int | None:
    """Return when a profile was last updated, in Unix seconds; None if it does not say so."""
    return unix_seconds(profile.get("date_last_updated"))


def newest_date(
    rows: Iterable[Mapping[str, Any]], name: str, until: int | None = None
) -> int | None:
    """Return the newest date among a member's rows, in Unix seconds; None if there is none.

    Args:
        rows: raw rows.
        name: the property with the date.
        until: later dates do not count.
    """
    dates: list[Any] = [row.get(name) for row in rows]
    # Texts of one member have one form, and ISO dates of one form sort by time. To parse one of
    # them instead of all saves a tenth of what a record costs.
    if len(dates) > 1 and all(type(date) is str for date in dates):
        newest = unix_seconds(max(dates))
        if newest is not None and (until is None or newest <= until):
            return newest
    seconds = [second for date in dates if (second := unix_seconds(date)) is not None]
    return max((second for second in seconds if until is None or second <= until), default=None)


def is_contradicted(profile: int, row: int) -> bool:
    """Return whether a row is dated later than its member's profile, both in Unix seconds."""
    return row - profile > TOLERANCE_SECONDS

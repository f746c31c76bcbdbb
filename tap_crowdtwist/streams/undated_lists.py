"""A test of whether a list requested without dates is complete.

The vendor's page of the redemption history limits a date range to a year and does not say what a
request without one returns: all redemptions, or those of the last year. Both look the same.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import TYPE_CHECKING

from tap_crowdtwist.api import date_filters, deduplication

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.records.normalizer import Row

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 20
"""Members to read both ways before a list without dates counts as complete."""

EARLIEST_DATE = datetime(2009, 1, 1, tzinfo=timezone.utc)
"""Lower bound for members whose date of joining is unknown: CrowdTwist was founded in 2009."""

_YEAR = timedelta(days=366)


class UndatedLists:
    """Reads lists without dates, or by date if those turn out to be incomplete. Thread-safe.

    Until that is decided, members are read one at a time, both ways: rows of a member that was
    read the wrong way would be lost.

    Args:
        endpoint: the resource.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._deciding = Lock()
        self._tried = 0
        self._is_whole: bool | None = None

    def read(
        self, plain: Callable[[], list[Row]], dated: Callable[[], list[Row]], now: datetime
    ) -> list[Row]:
        """Read all rows of one member.

        Args:
            plain: reads them without dates.
            dated: reads them in windows of a year, from when the member joined.
            now: the current time.
        """
        if self._is_whole is None:
            with self._deciding:
                # Another thread may have decided while this one waited for the lock.
                if self._is_whole is None:
                    return self._try(plain, dated, now - _YEAR)
        return plain() if self._is_whole else dated()

    def _try(
        self, plain: Callable[[], list[Row]], dated: Callable[[], list[Row]], year_ago: datetime
    ) -> list[Row]:
        rows = plain()
        # A row older than a year proves that the list is not cut at one.
        if any(date_filters.is_earlier(row, self._endpoint.dated, year_ago) for row in rows):
            self._is_whole = True
            return rows
        everything = deduplication.merge_rows([rows, dated()], self._endpoint.key)
        self._tried += 1
        if len(everything) > len(rows):
            self._is_whole = False
            logger.warning(
                "%s: requests without dates do not return all rows; from now on each member is "
                "read in windows of a year, from when it joined (one more request for the profile, "
                "and one for each further year)",
                self._endpoint.name,
            )
        elif self._tried >= SAMPLE_SIZE:
            self._is_whole = True
        return everything

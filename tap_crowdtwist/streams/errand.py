"""One member to ask about, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.records import Row

DELETED_AT = "_sdc_deleted_at"
"""By what name targets know when a row was deleted."""


class Errand(NamedTuple):
    """One member to ask about, and from when on; owed, if an earlier sweep failed to read them."""

    position: int
    since: datetime | None
    owed: bool


class Haul(NamedTuple):
    """What came of an errand: raw rows and when they came, or why there are none."""

    rows: list[Row]
    extracted: datetime
    error: ApiError | None

    @property
    def deleted(self) -> int:
        """How many of the rows say that the member is deleted."""
        return sum(DELETED_AT in row for row in self.rows)

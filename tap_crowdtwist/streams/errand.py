"""One member to ask about, and what came of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.records import Row

DELETED_AT = "_sdc_deleted_at"
"""By what name targets know when a row was deleted."""


class Turn(enum.Enum):
    """Why a member is asked about."""

    FIRST = "its place in the roster has come"
    OWED = "an earlier run failed to read it"
    AGAIN = "it was read from the bookmark, and may be new to the roster"


class Errand(NamedTuple):
    """One member to ask about, and from when on."""

    position: int
    since: datetime | None
    turn: Turn = Turn.FIRST


class Haul(NamedTuple):
    """What came of an errand: raw rows, from when on and when they came, or why there are none."""

    rows: list[Row]
    since: datetime | None
    extracted: datetime
    error: ApiError | None = None

    @property
    def deleted(self) -> int:
        """How many of the rows say that the member is deleted."""
        return sum(DELETED_AT in row for row in self.rows)

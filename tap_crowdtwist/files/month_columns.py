"""Folding of the month columns of a points expiration file into one list.

The file is wide: each month has a group of columns, and the months vary from day to day. The
documentation names `redperiod_expiration_date_pre1` and says that others follow, so names are read
permissively: any known member with the label of a month before or behind it, and any other member
whose label is the last word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tap_crowdtwist.records.normalizer import Row

_MONTHLY = re.compile(r"redperiod_(.+)", re.ASCII | re.IGNORECASE | re.DOTALL)
_KNOWN = re.compile(
    r"(?:^|_)(expiration_date|points_expired|points_expiring|points_redeemed)(?:_|$)", re.ASCII
)


class MonthColumn(NamedTuple):
    """The parts of the name of a month column.

    Attributes:
        month: the label of the month, in lower case: `pre1` is the month before.
        member: the property of that month that the column holds, in lower case.
    """

    month: str
    member: str


@lru_cache(maxsize=1024)
def month_column(name: str) -> MonthColumn | None:
    """Return the parts of a column's name, or None if it is not a month column."""
    match = _MONTHLY.fullmatch(name)
    if match is None:
        return None
    rest = match[1].lower()
    if known := _KNOWN.search(rest):
        around = rest[: known.start()], rest[known.end() :]
        month, member = "_".join(filter(None, around)), known[1]
    else:
        member, _, month = rest.rpartition("_")
    return MonthColumn(month, member) if month and member else None


def fold(row: Row) -> Row:
    """Return a row with `redemption_periods`, one object per month, instead of its month columns.

    Months appear in the order of the columns. Months whose cells are all empty are left out. If two
    columns hold the same property of a month, the second stays in the row under its own name.
    """
    folded: Row = {}
    periods: dict[str, Row] = {}
    for name, value in row.items():
        column = month_column(name)
        if column is None:
            folded[name] = value
        elif value is not None:
            period = periods.setdefault(column.month, {"month": column.month})
            if column.member in period:
                folded[name] = value
            else:
                period[column.member] = value
    folded["redemption_periods"] = list(periods.values()) or None
    return folded

"""The section about cohorts: who stays active after joining."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from crowdtwist_report import charts
from crowdtwist_report.content import Figure, Notes, Section, absent
from crowdtwist_report.formatting import month
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

_ROWS = 24
_MONTHS = 13
_NARROW_MONTHS = (0, 1, 2, 3, 6, 9, 12)
# Smaller cohorts would be hidden for the most part.
_TYPICAL_SIZE = 40


def cohorts_section(marts: Marts) -> Section:
    """Return the section that follows the members who joined at the same time."""
    rows = [row for row in marts.tables["cohort_retention"] if row["months_since"] < _MONTHS]
    return Section(
        "cohorts",
        "Who stays active after joining",
        "Each row is the members who joined at the same time; read it from left to right to see"
        " which percentage of them was active in the month of joining, one month later, and so on.",
        _cohorts(rows),
    )


_NO_COHORTS = (
    "No cohort has enough members with activities. Select the streams `users` and"
    " `user_activity_history`."
)


def _cohorts(rows: Sequence[Row]) -> tuple[Block, ...]:
    period, cohorts = _group(rows)
    sizes = {name: cohort[0][0] for name, cohort in cohorts.items()}
    hidden = hidden_cells(sizes, [list(sizes)])
    shown = [name for name in cohorts if name not in hidden][-_ROWS:]
    shares = [
        (name, since, _share(*cell)) for name in shown for since, cell in cohorts[name].items()
    ]
    if not shares:
        return absent(_NO_COHORTS)
    caption = f"Active members in percent, by {period} of joining and months since"
    svgs = charts.heat_map(shares, _NARROW_MONTHS, f"{caption}, in {len(shown)} rows.")
    note = f"A dot stands for fewer than {MINIMUM} active members."
    return (Figure(caption, svgs), Notes((note,)))


Cohorts = dict[str, dict[int, tuple[int, int]]]
"""For each cohort and number of months since: members, and how many of them were active."""


def _group(rows: Sequence[Row]) -> tuple[str, Cohorts]:
    """Return the cohorts by the shortest period that makes them large enough, and its name."""
    cohorts: Cohorts = {}
    for name, label in _PERIODS.items():
        cohorts = _by_period(rows, label)
        if cohorts and median(cohort[0][0] for cohort in cohorts.values()) >= _TYPICAL_SIZE:
            return name, cohorts
    return name, cohorts


def _by_period(rows: Sequence[Row], label: Callable[[date], str]) -> Cohorts:
    cohorts: Cohorts = {}
    for row in rows:
        cohort = cohorts.setdefault(label(row["joined_month"]), {})
        members, active = cohort.get(row["months_since"], (0, 0))
        cohort[row["months_since"]] = (members + row["members"], active + row["active_members"])
    return cohorts


def _quarter(day: date) -> str:
    return f"Q{(day.month + 2) // 3} {day.year}"


def _year(day: date) -> str:
    return str(day.year)


_PERIODS: dict[str, Callable[[date], str]] = {"month": month, "quarter": _quarter, "year": _year}


def _share(members: int, active: int) -> float | None:
    return None if 0 < active < MINIMUM else active / members

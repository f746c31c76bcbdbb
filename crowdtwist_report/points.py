"""The section about the movements of points, month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_report import charts
from crowdtwist_report.content import (
    Cell,
    Figure,
    Notes,
    Section,
    Table,
    absent,
    number_cell,
)
from crowdtwist_report.formatting import day, month, number
from crowdtwist_report.months import add_months, months_between
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

MOVEMENTS = {
    "earned": ("Earned", "earning_members"),
    "redeemed": ("Redeemed", "redeeming_members"),
    "expired": ("Expired", "expiring_members"),
    "deducted": ("Deducted", "deducting_members"),
    "unexplained": ("Unexplained", "unexplained_members"),
}
"""Each movement with its heading, and the column that counts its members."""
YEAR = 12
_CHART_MONTHS = 24


def months_of(marts: Marts) -> list[Row]:
    """Return the last months, without a gap and each with enough members to be shown.

    A month in which fewer than 5 members had a movement is added to the one before it, else its
    points would be the difference of two balances.
    """
    months: list[Row] = []
    for row in filter(_largest_count, marts.tables["program_monthly"]):
        if months and min(_largest_count(row), _largest_count(months[-1])) < MINIMUM:
            months[-1] = _joined(months[-1], row)
        else:
            months.append({"from": row["month"], **row})
    enough = [row for row in months if _largest_count(row) >= MINIMUM]
    return _newest(_without_gaps(enough, marts.summary["day"]), _CHART_MONTHS)


def year_of(months: Sequence[Row]) -> Sequence[Row]:
    """Return the months of the last year."""
    return _newest(months, YEAR)


def _newest(months: Sequence[Row], count: int) -> list[Row]:
    return [row for row in months if row["month"] > add_months(months[-1]["month"], -count)]


def _without_gaps(months: Sequence[Row], last: date) -> list[Row]:
    """Return the months and, without movements, those between them and up to the last one."""
    filled = []
    stops = [*(row["from"] for row in months[1:]), add_months(last, 1)]
    for row, stop in zip(months, stops, strict=False):
        still = dict.fromkeys([*MOVEMENTS, *(column for _, column in MOVEMENTS.values())], 0)
        gap = months_between(add_months(row["month"], 1), stop)
        filled += [
            row,
            *({**row, **still, "month": at, "from": at, "opening": row["closing"]} for at in gap),
        ]
    return filled


def label_of(row: Row) -> str:
    """Return the name of a month, or of several that are shown together."""
    last = month(row["month"])
    return last if row["from"] == row["month"] else f"{month(row['from'])} \N{EN DASH} {last}"


def hidden_movements(months: Sequence[Row]) -> set[tuple[Any, str]]:
    """Return which movements of which months must not be shown.

    The movements of a month add up to the change of its balance. The months of a movement do not
    add up to a number that is shown: a total with a hidden month is hidden, too.
    """
    members: dict[tuple[Any, str], int] = {}
    sums = []
    for row in months:
        line = {
            (row["month"], movement): row[column] for movement, (_, column) in MOVEMENTS.items()
        }
        members |= line
        sums.append(list(line))
    return hidden_cells(members, sums)


def roll_forward_section(marts: Marts) -> Section:
    """Return the section with the movements of each month."""
    months = months_of(marts)
    blocks = _roll_forward(months, marts.summary["day"]) if months else absent(_NO_HISTORY)
    return Section(
        "points",
        "Points, month by month",
        "Bars above the line are points that members earned, bars below it are points that left"
        " their balances; what is left at the end of a month is the balance below.",
        blocks,
    )


_NO_HISTORY = (
    "There are no movements of points, or of too few members to show. Select the stream"
    " `user_activity_history`, and `points_expiration` for expiries."
)


_ABOUT_MOVEMENTS = (
    "Deducted are points that were taken back, such as for returns. Unexplained is what balances"
    " hold beyond the history that was read: what happened before it, and expiries older than"
    " three months at the first sync."
)


def _roll_forward(months: Sequence[Row], today: date) -> tuple[Block, ...]:
    hidden = hidden_movements(months)
    last = months[-1]
    period = f"{label_of(months[0])} to {label_of(last)}"
    balances = [(label_of(row), "balance", int(row["closing"])) for row in months]
    message = (
        f"Balance, {period}: from {number(months[0]['closing'])} to {number(last['closing'])}"
        " points."
    )
    running = f"{month(today)} is counted up to {day(today)} only."
    return (
        *_movement_figure(months, hidden, period),
        Figure(
            "Points that members held at the end of each month",
            charts.line(balances, "balance", message),
        ),
        _movement_table(year_of(months), hidden),
        Notes((running, _ABOUT_MOVEMENTS)),
    )


def _movement_figure(
    months: Sequence[Row], hidden: set[tuple[Any, str]], period: str
) -> tuple[Block, ...]:
    points = [
        (label_of(row), name, int(row[name]))
        for row in months
        for name in MOVEMENTS
        if row[name] and (row["month"], name) not in hidden
    ]
    if not points:
        return ()
    shown = {name for _, name, _ in points}
    legend = {name: heading for name, (heading, _) in MOVEMENTS.items() if name in shown}
    message = (
        f"Points by month, {period}: {', '.join(legend.values()).lower()}."
        f" The table below has the numbers of the last {YEAR} months."
    )
    labels = list(map(label_of, months))
    svgs = charts.stacked_bars(labels, points, list(legend), message)
    caption = "Movements of points by month; what is about too few members is left out"
    return (Figure(caption, svgs, tuple(legend.items())),)


def _movement_table(months: Sequence[Row], hidden: set[tuple[Any, str]]) -> Table:
    rows = []
    for row in reversed(months):
        cells = [Cell(label_of(row)), number_cell(row["opening"])]
        for name in MOVEMENTS:
            is_hidden = (row["month"], name) in hidden
            cells.append(number_cell(row[name], is_hidden=is_hidden))
        cells.append(number_cell(row["closing"]))
        rows.append(cells)
    return Table(
        "Opening balance, movements and closing balance, newest month first",
        ("Month", "Opening", *(heading for heading, _ in MOVEMENTS.values()), "Closing"),
        rows,
    )


def _largest_count(row: Row) -> int:
    counts: list[int] = [row[column] for _, column in MOVEMENTS.values()]
    return max(counts)


def _joined(earlier: Row, later: Row) -> Row:
    joined = {**later, "from": earlier["from"], "opening": earlier["opening"]}
    for movement, (_, column) in MOVEMENTS.items():
        joined[movement] = earlier[movement] + later[movement]
        # The members of both months together are at least the larger number.
        joined[column] = max(earlier[column], later[column])
    return joined

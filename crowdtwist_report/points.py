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
from crowdtwist_report.formatting import month, number
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Return the months, each with enough members to be shown.

    A month in which fewer than 5 members had a movement is added to the one before it, else its
    points would be the difference of two balances.
    """
    months: list[Row] = []
    for row in marts.tables["program_monthly"]:
        is_small = _largest_count(row) < MINIMUM
        if months and (is_small or _largest_count(months[-1]) < MINIMUM):
            months[-1] = _joined(months[-1], row)
        else:
            months.append({"from": row["month"], **row})
    return months


def label_of(row: Row) -> str:
    """Return the name of a month, or of several that are shown together."""
    last = month(row["month"])
    return last if row["from"] == row["month"] else f"{month(row['from'])} \N{EN DASH} {last}"


def hidden_movements(months: Sequence[Row]) -> set[tuple[Any, str]]:
    """Return which movements of which months must not be shown.

    A month's movements add up to the change of the balance, and the last months to the
    totals of the year.
    """
    members: dict[tuple[Any, str], int] = {}
    lines = []
    for row in months:
        line = []
        for movement, (_, column) in MOVEMENTS.items():
            cell = (row["month"], movement)
            members[cell] = row[column]
            line.append(cell)
        lines.append(line)
    year = months[-YEAR:]
    for movement in MOVEMENTS:
        line = [(row["month"], movement) for row in year]
        lines.append(line)
    return hidden_cells(members, lines)


def roll_forward_section(marts: Marts) -> Section:
    """Return the section with the movements of each month."""
    months = months_of(marts)[-_CHART_MONTHS:]
    blocks = _roll_forward(months) if months else absent(_NO_HISTORY)
    return Section(
        "points",
        "Points, month by month",
        "Bars above the line are points that members earned, bars below it are points that left"
        " their balances; what is left at the end of a month is the balance below.",
        blocks,
    )


_NO_HISTORY = (
    "There are no movements of points. Select the stream `user_activity_history`, and"
    " `points_expiration` for expiries."
)


_ABOUT_MOVEMENTS = (
    "Numbers that are hidden in the table are missing in the chart, too.",
    (
        "Deducted are points that were taken back, such as for returns. Unexplained is what"
        " balances hold beyond the history that was read: what happened before it, and expiries"
        " older than three months at the first sync."
    ),
)


def _roll_forward(months: Sequence[Row]) -> tuple[Block, ...]:
    hidden = hidden_movements(months)
    present = [name for name in MOVEMENTS if any(row[name] for row in months)]
    points = [
        (label_of(row), name, int(row[name]))
        for row in months
        for name in present
        if (row["month"], name) not in hidden
    ]
    balances = [(label_of(row), "balance", int(row["closing"])) for row in months]
    last = months[-1]
    period = f"{label_of(months[0])} to {label_of(last)}"
    return (
        Figure(
            "Movements of points by month",
            charts.stacked_bars(points, present, _message_of_movements(months, hidden, period)),
            tuple((name, MOVEMENTS[name][0]) for name in present),
        ),
        Figure(
            "Points that members held at the end of each month",
            charts.line(
                balances,
                "balance",
                f"Balance, {period}: from {number(months[0]['closing'])} to"
                f" {number(last['closing'])} points.",
            ),
        ),
        _movement_table(months[-YEAR:], hidden),
        Notes(_ABOUT_MOVEMENTS),
    )


def _message_of_movements(months: Sequence[Row], hidden: set[tuple[Any, str]], period: str) -> str:
    shown = [row for row in months if (row["month"], "earned") not in hidden]
    best = max(shown or months, key=lambda row: row["earned"])
    return (
        f"Points earned, redeemed, expired and deducted by month, {period}. Most were earned in"
        f" {label_of(best)}. The table below has the numbers of the last {YEAR} months."
    )


def _movement_table(months: Sequence[Row], hidden: set[tuple[Any, str]]) -> Table:
    present = [name for name in MOVEMENTS if any(row[name] for row in months)]

    headings = [MOVEMENTS[name][0] for name in present]
    rows = []
    for row in reversed(months):
        cells = [Cell(label_of(row)), number_cell(row["opening"])]
        for name in present:
            is_hidden = (row["month"], name) in hidden
            cells.append(number_cell(row[name], is_hidden=is_hidden))
        cells.append(number_cell(row["closing"]))
        rows.append(cells)
    return Table(
        "Opening balance, movements and closing balance, newest month first",
        ("Month", "Opening", *headings, "Closing"),
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

"""Sections about points: their movements month by month, and their expiry."""

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
    number_cells,
)
from crowdtwist_report.formatting import month, number, title
from crowdtwist_report.grouping import group_totals
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
_RULES = {
    "redemption_period": (
        "The redemption period ends",
        "points that were not redeemed in the time the program gives",
    ),
    "inactivity": (
        "The member stays inactive",
        "the whole balance of members, if they do nothing until then",
    ),
}


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
    members = {
        (row["month"], movement): row[column]
        for row in months
        for movement, (_, column) in MOVEMENTS.items()
    }
    of_month = [[(row["month"], movement) for movement in MOVEMENTS] for row in months]
    year = months[-YEAR:]
    of_movement = [[(row["month"], movement) for row in year] for movement in MOVEMENTS]
    return hidden_cells(members, of_month + of_movement)


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


def expiring_section(marts: Marts) -> Section:
    """Return the section with the points that will expire, a chart for each rule."""
    first = marts.summary["day"].replace(day=1)
    rows = [row for row in marts.tables["points_expiring"] if row["month"] >= first]
    months = sorted({row["month"] for row in rows})[:YEAR]
    known = [row for row in rows if row["month"] in months]
    present = {row["rule_type"] for row in known}
    rules = [*(rule for rule in _RULES if rule in present), *sorted(present - _RULES.keys())]
    figures = (figure for rule in rules for figure in _expiring(rule, known))
    return Section(
        "expiring",
        "Points about to expire",
        "These points expire in the month shown unless members act before. A program can have two"
        " rules, and the same point can fall under both, so never add the two together.",
        (*figures, _expiring_table(months, rules, known)) if rules else absent(_NO_EXPIRIES),
    )


_NO_EXPIRIES = (
    "No points are about to expire. If your program lets points expire, select the stream"
    " `points_expiration`."
)


def _expiring(rule: str, rows: Sequence[Row]) -> tuple[Block, ...]:
    shown = [row for row in rows if row["rule_type"] == rule and row["members"] >= MINIMUM]
    if not shown:
        return ()
    name, meaning = _RULES.get(rule, (title(rule), "points under this rule of the program"))
    points = [(month(row["month"]), "expired", int(row["points"])) for row in shown]
    most = max(shown, key=lambda row: row["points"])
    message = (
        f"{name}. Points that expire by month; most in {month(most['month'])}:"
        f" {number(most['points'])} points of {number(most['members'])} members."
    )
    return (Figure(f"{name}: {meaning}", charts.stacked_bars(points, ["expired"], message)),)


def _expiring_table(months: Sequence[date], rules: Sequence[str], rows: Sequence[Row]) -> Table:
    names = ("points", "members")
    groups = group_totals(rows, ("month", "rule_type"), names)
    columns = ["Month"]
    cells = {at: [Cell(month(at))] for at in months}
    for rule in rules:
        columns += [_RULES.get(rule, (title(rule),))[0], "Members"]
        for at in months:
            totals = groups.get((at, rule), {"points": 0, "members": 0})
            is_hidden = 0 < totals["members"] < MINIMUM
            cells[at] += number_cells(totals, names, is_hidden=is_hidden)
    caption = "Points that expire, and members who lose them, by month and rule"
    return Table(caption, tuple(columns), list(cells.values()))


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

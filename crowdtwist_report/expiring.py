"""The section about points that will expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report import charts
from crowdtwist_report.content import Cell, Figure, Section, Table, absent, number_cells
from crowdtwist_report.formatting import month, number, title
from crowdtwist_report.grouping import group_totals
from crowdtwist_report.suppression import MINIMUM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

_MONTHS = 12
_FIRST_RULE = "redemption_period"
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


def expiring_section(marts: Marts) -> Section:
    """Return the section with the points that will expire, a chart for each rule."""
    first = marts.summary["day"].replace(day=1)
    rows = [row for row in marts.tables["points_expiring"] if row["month"] >= first]
    months = sorted({row["month"] for row in rows})[:_MONTHS]
    known = [row for row in rows if row["month"] in months]
    present = {row["rule_type"] for row in known}
    rules = sorted(present, key=lambda rule: (rule != _FIRST_RULE, rule))
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

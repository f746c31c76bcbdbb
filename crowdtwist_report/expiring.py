"""The section about points that will expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report import charts
from crowdtwist_report.content import Cell, Figure, Section, Table, absent, number_cell
from crowdtwist_report.formatting import month, number
from crowdtwist_report.months import add_months, months_between
from crowdtwist_report.suppression import MINIMUM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

# The rule of inactivity gives a year from now, which ends in the thirteenth month.
_MONTHS = 13
_LATER = "Later"
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
    first = add_months(marts.summary["day"], 0)
    rows = [row for row in marts.tables["points_expiring"] if row["month"] >= first]
    return Section(
        "expiring",
        "Points about to expire",
        "These points expire in the month shown unless members act before. A program can have two"
        " rules, and the same point can fall under both, so never add the two together.",
        _expiring(rows, months_between(first, add_months(first, _MONTHS)))
        if rows
        else absent(_NO_EXPIRIES),
    )


_NO_EXPIRIES = (
    "No points are about to expire. If your program lets points expire, select the stream"
    " `points_expiration`."
)


def _expiring(rows: Sequence[Row], months: Sequence[date]) -> tuple[Block, ...]:
    last = max(row["month"] for row in rows)
    labels = [month(at) for at in months if at <= last]
    rules = [rule for rule in _RULES if any(row["rule_type"] == rule for row in rows)]
    near = [row for row in rows if row["month"] <= months[-1]]
    later = [row for row in rows if row["month"] > months[-1]]
    figures = (figure for rule in rules for figure in _figure(rule, labels, near))
    return (*figures, _table(labels, rules, near, later))


def _figure(rule: str, labels: Sequence[str], rows: Sequence[Row]) -> tuple[Block, ...]:
    shown = [row for row in rows if row["rule_type"] == rule and row["members"] >= MINIMUM]
    if not shown:
        return ()
    name, meaning = _RULES[rule]
    points = [(month(row["month"]), "expired", int(row["points"])) for row in shown]
    most = max(shown, key=lambda row: row["points"])
    message = (
        f"{name}. Points that expire by month; most in {month(most['month'])}:"
        f" {number(most['points'])} points of {number(most['members'])} members."
    )
    svgs = charts.stacked_bars(labels, points, ["expired"], message)
    return (Figure(f"{name}: {meaning}", svgs),)


def _table(
    labels: Sequence[str], rules: Sequence[str], near: Sequence[Row], later: Sequence[Row]
) -> Table:
    columns = [heading for rule in rules for heading in (_RULES[rule][0], "Members")]
    found = {(month(row["month"]), row["rule_type"]): row for row in near}
    nothing = {"points": 0, "members": 0}
    rows = [
        [
            Cell(label),
            *(cell for rule in rules for cell in _cells(found.get((label, rule), nothing))),
        ]
        for label in labels
    ]
    if later:
        cells = (cell for rule in rules for cell in _later_cells(rule, later))
        rows.append([Cell(_LATER), *cells])
    caption = "Points that expire, and members who lose them, by month and rule"
    return Table(caption, ("Month", *columns), rows)


def _cells(row: Row) -> list[Cell]:
    is_hidden = 0 < row["members"] < MINIMUM
    return [number_cell(row[name], is_hidden=is_hidden) for name in ("points", "members")]


def _later_cells(rule: str, later: Sequence[Row]) -> list[Cell]:
    own = [row for row in later if row["rule_type"] == rule]
    # The same members can be in several months, so how many they are is not known.
    members = max((row["members"] for row in own), default=0)
    points = number_cell(sum(row["points"] for row in own), is_hidden=0 < members < MINIMUM)
    return [points, number_cell(None)]

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
        _expiring(rows, first) if rows else absent(_NO_EXPIRIES),
    )


_NO_EXPIRIES = (
    "No points are about to expire. If your program lets points expire, select the stream"
    " `points_expiration`."
)


Totals = dict[str, dict[str, tuple[int, int]]]
"""For each rule and month: points, and members who lose them."""


def _expiring(rows: Sequence[Row], first: date) -> tuple[Block, ...]:
    later = add_months(first, _MONTHS)
    last = max(row["month"] for row in rows)
    months = months_between(first, min(later, add_months(last, 1)))
    labels = [*map(month, months), *[_LATER] * (last >= later)]
    totals = _totals(rows, later)
    blocks: list[Block] = []
    for rule, own in totals.items():
        blocks += _figure(rule, labels, own)
    return (*blocks, _table(labels, totals))


def _totals(rows: Sequence[Row], later: date) -> Totals:
    totals: Totals = {}
    for row in sorted(rows, key=lambda row: list(_RULES).index(row["rule_type"])):
        label = month(row["month"]) if row["month"] < later else _LATER
        own = totals.setdefault(row["rule_type"], {})
        points, members = own.get(label, (0, 0))
        # The same members can be in several months, so they are not added up.
        own[label] = (points + row["points"], max(members, row["members"]))
    return totals


def _figure(
    rule: str, labels: Sequence[str], totals: dict[str, tuple[int, int]]
) -> tuple[Block, ...]:
    bars = [
        (label, "expired", int(points))
        for label, (points, members) in totals.items()
        if members >= MINIMUM
    ]
    if not bars:
        return ()
    name, meaning = _RULES[rule]
    label, _, most = max(bars, key=lambda bar: bar[2])
    message = f"{name}. Points that expire by month; most in {label}: {number(most)}."
    svgs = charts.stacked_bars(labels, bars, ["expired"], message)
    return (Figure(f"{name}: {meaning}", svgs),)


def _table(labels: Sequence[str], totals: Totals) -> Table:
    columns = ["Month"]
    rows = {label: [Cell(label)] for label in labels}
    for rule, own in totals.items():
        columns += [_RULES[rule][0], "Members"]
        for label, cells in rows.items():
            points, members = own.get(label, (0, 0))
            is_hidden = 0 < members < MINIMUM
            known = None if label == _LATER else members
            cells.append(number_cell(points, is_hidden=is_hidden))
            cells.append(number_cell(known, is_hidden=is_hidden))
    caption = "Points that expire, and members who lose them, by month and rule"
    return Table(caption, tuple(columns), list(rows.values()))

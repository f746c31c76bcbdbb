"""The section about what outstanding points may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report import charts
from crowdtwist_report.content import (
    HIDDEN,
    Cell,
    Figure,
    Notes,
    Section,
    Table,
    absent,
)
from crowdtwist_report.formatting import (
    money,
    month,
    number,
    percent,
    plain_decimal,
    tier_title,
)
from crowdtwist_report.grouping import column, group_totals
from crowdtwist_report.suppression import hidden_cells
from crowdtwist_report.tiers import hidden_tiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

_CHART_MONTHS = 36
_SOURCES = {
    "variable": "set by you",
    "cohort": "measured from points of the same year of issue",
    "program": "measured from the whole program",
}


def liability_section(marts: Marts) -> Section:
    """Return the section with the liability, its assumptions, and what others would give."""
    lots = [row for row in marts.tables["points_liability"] if row["outstanding"]]
    return Section(
        "liability",
        "What outstanding points may cost",
        "Not every outstanding point will be redeemed: what is expected to be never redeemed is"
        " called breakage. These are estimates under the assumptions listed, not accounts.",
        _liability(marts, lots) if lots else absent(_NO_POINTS),
    )


_NO_POINTS = "No points are outstanding. Select the streams `users` and `user_activity_history`."


def _liability(marts: Marts, lots: Sequence[Row]) -> tuple[Block, ...]:
    return (
        Notes(_assumptions(marts.summary)),
        *_issue_figure(lots),
        _tier_table(marts, lots),
        _scenarios(marts),
    )


def _assumptions(summary: Row) -> tuple[str, ...]:
    rate, value = summary["expected_redemption_rate"], summary["point_value"]
    redemption = (
        "How many points will be redeemed is not known, because none have left a balance yet. Set"
        " `expected_redemption_rate`."
        if rate is None
        else f"Of outstanding points, {percent(rate)} are expected to be redeemed"
        f" ({_SOURCES[summary['rate_source']]})."
    )
    worth = (
        "No value of a point is set, so there are no amounts. Set `point_value`, and `currency`."
        if value is None
        else f"A redeemed point costs {money(plain_decimal(value), summary['currency'])}."
    )
    order = "The oldest points of a member are taken to be spent first."
    return redemption, worth, order


def _issue_figure(lots: Sequence[Row]) -> tuple[Block, ...]:
    groups = group_totals(lots, ("issue_month",), ("members", "outstanding"))
    hidden = hidden_cells(column(groups, "members"), [list(groups)])
    points = {key[0]: int(totals["outstanding"]) for key, totals in groups.items()}
    shown = [issued for issued in sorted(points) if (issued,) not in hidden][-_CHART_MONTHS:]
    if not shown:
        return ()
    most = max(shown, key=lambda issued: points[issued])
    message = (
        "Outstanding points by the month in which they were earned,"
        f" {month(shown[0])} to {month(shown[-1])}. Most are of {month(most)}:"
        f" {number(points[most])}."
    )
    bars = [(month(issued), "balance", points[issued]) for issued in shown]
    svgs = charts.stacked_bars(list(map(month, shown)), bars, ["balance"], message)
    return (Figure("Outstanding points by the month in which they were earned", svgs),)


_COLUMNS = {
    "Outstanding": "outstanding",
    "Expected to be redeemed": "expected_redeemed",
    "Breakage": "breakage",
    "Amount": "amount",
}


def _tier_table(marts: Marts, lots: Sequence[Row]) -> Table:
    hidden = hidden_tiers(marts.tables["tiers"])
    columns = _columns(marts)
    rows = []
    # Each tier has a row: if a hidden one had none, its partner could be computed.
    for tier in marts.tables["tiers"]:
        own = [row for row in lots if row["tier"] == tier["tier"]]
        cells = [HIDDEN] * len(columns) if tier["tier"] in hidden else _sums(own, marts, columns)
        rows.append([Cell(tier_title(tier["tier"])), *cells])
    rows.append([Cell("Total"), *_sums(lots, marts, columns)])
    return Table("Outstanding points by tier", ("Tier", *columns), rows, marked=len(rows) - 1)


def _columns(marts: Marts) -> list[str]:
    """Return the headings of the tables: without a value of a point, there is no amount."""
    count = len(_COLUMNS) - (marts.summary["point_value"] is None)
    return list(_COLUMNS)[:count]


def _sums(rows: Sequence[Row], marts: Marts, headings: Sequence[str]) -> list[Cell]:
    currencies = {"Amount": marts.summary["currency"]}
    cells = []
    for heading in headings:
        values = [row[_COLUMNS[heading]] for row in rows]
        total = None if None in values else sum(values)
        cells.append(Cell(money(number(total), currencies.get(heading))))
    return cells


def _scenarios(marts: Marts) -> Table:
    columns = _columns(marts)[1:]
    rows: dict[str, list[Cell]] = {}
    used = percent(marts.summary["expected_redemption_rate"])
    for row in marts.tables["liability_scenarios"]:
        rate = percent(row["expected_redemption_rate"])
        # The rate used can be rounded to one of the others, which it replaces.
        if row["is_used"] or rate != used:
            rows[rate] = [Cell(rate), *_sums([row], marts, columns)]
    if used in rows:
        rows[used][0] = Cell(f"{used} (used here)")
    caption = "What other assumptions would give"
    marked = [*rows, used].index(used)
    return Table(caption, ("Redeemed in the end", *columns), list(rows.values()), marked)

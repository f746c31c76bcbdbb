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
        *_scenarios(marts),
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
    svgs = charts.stacked_bars([month(issued) for issued in shown], bars, ["balance"], message)
    return (Figure("Outstanding points by the month in which they were earned", svgs),)


def _tier_table(marts: Marts, lots: Sequence[Row]) -> Table:
    hidden = hidden_tiers(marts.tables["tiers"])
    columns = ("Outstanding", *_amounts(marts))
    rows = []
    for tier in [row["tier"] for row in marts.tables["tiers"]]:
        own = [row for row in lots if row["tier"] == tier]
        cells = [HIDDEN] * len(columns) if tier in hidden else _sums(own, marts, columns)
        if own or tier in hidden:
            rows.append([Cell(tier_title(tier)), *cells])
    rows.append([Cell("Total"), *_sums(lots, marts, columns)])
    return Table("Outstanding points by tier", ("Tier", *columns), rows, marked=len(rows) - 1)


_COLUMNS = {
    "Outstanding": "outstanding",
    "Expected to be redeemed": "expected_redeemed",
    "Breakage": "breakage",
    "Amount": "amount",
}


def _amounts(marts: Marts) -> list[str]:
    """Return the headings of what a table says of outstanding points."""
    is_valued = marts.summary["point_value"] is not None
    return ["Expected to be redeemed", "Breakage", *["Amount"] * is_valued]


def _sums(rows: Sequence[Row], marts: Marts, headings: Sequence[str]) -> list[Cell]:
    cells = []
    for heading in headings:
        values = [row[_COLUMNS[heading]] for row in rows]
        total = number(None if None in values else sum(values))
        currency = marts.summary["currency"] if heading == "Amount" else None
        cells.append(Cell(money(total, currency)))
    return cells


def _scenarios(marts: Marts) -> tuple[Block, ...]:
    scenarios = marts.tables["liability_scenarios"]
    used = {percent(row["expected_redemption_rate"]) for row in scenarios if row["is_used"]}
    columns = _amounts(marts)
    rows: list[list[Cell]] = []
    marked = None
    for row in scenarios:
        rate = percent(row["expected_redemption_rate"])
        if row["is_used"]:
            marked, name = len(rows), f"{rate} (used here)"
        elif rate in used:
            continue
        else:
            name = rate
        rows.append([Cell(name), *_sums([row], marts, columns)])
    caption = "What other assumptions would give"
    table = Table(caption, ("Redeemed in the end", *columns), rows, marked)
    return (table,) if rows else ()

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
    number_cells,
)
from crowdtwist_report.formatting import money, month, number, percent, plain_decimal, title
from crowdtwist_report.grouping import column, group_totals
from crowdtwist_report.suppression import hidden_cells
from crowdtwist_report.tiers import hidden_tiers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

_CHART_MONTHS = 36
_SOURCES = {
    "variable": "set by you",
    "cohort": "measured from points of the same year of issue",
    "program": "measured from the whole program",
}
_SUMMED = ("outstanding", "expected_redeemed", "breakage")


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
    source = _SOURCES.get(summary["rate_source"], "measured")
    redemption = (
        "How many points will be redeemed is not known, because none have left a balance yet. Set"
        " `expected_redemption_rate`."
        if rate is None
        else f"Of outstanding points, {percent(rate)} are expected to be redeemed ({source})."
    )
    worth = (
        "No value of a point is set, so there are no amounts. Set `point_value`, and `currency`."
        if value is None
        else f"A redeemed point costs {title(summary['currency'] or '')} {plain_decimal(value)}."
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
    svgs = charts.stacked_bars(bars, ["balance"], message)
    return (Figure("Outstanding points by the month in which they were earned", svgs),)


def _tier_table(marts: Marts, lots: Sequence[Row]) -> Table:
    hidden = hidden_tiers(marts.tables["tiers"])
    currency = marts.summary["currency"]
    tiers = [row["tier"] for row in marts.tables["tiers"]]
    rows = []
    for tier in [*tiers, None]:
        own = [row for row in lots if tier in (row["tier"], None)]
        if own:
            name = Cell("All tiers" if tier is None else title(tier))
            cells = [HIDDEN] * 4 if tier in hidden else _sums(own, currency)
            rows.append([name, *cells])
    columns = ("Tier", "Outstanding", "Expected to be redeemed", "Breakage", "Amount")
    return Table("Outstanding points by tier", columns, rows, marked=len(rows) - 1)


def _sums(rows: Sequence[Row], currency: str | None) -> list[Cell]:
    def total(name: str) -> Decimal | None:
        values = [row[name] for row in rows]
        return None if None in values else sum(values)

    return [
        *(Cell(number(total(name))) for name in _SUMMED),
        Cell(money(total("amount"), currency)),
    ]


def _scenarios(marts: Marts) -> tuple[Block, ...]:
    scenarios = marts.tables["liability_scenarios"]
    if not scenarios:
        return ()
    currency = marts.summary["currency"]
    rows: list[list[Cell]] = []
    used = None
    for row in scenarios:
        rate = percent(row["expected_redemption_rate"])
        if row["is_used"]:
            used = len(rows)
            rate += " (used here)"
        cells = number_cells(row, ("expected_redeemed", "breakage"))
        rows.append([Cell(rate), *cells, Cell(money(row["amount"], currency))])
    columns = ("Redeemed in the end", "Expected to be redeemed", "Breakage", "Amount")
    return (Table("What other assumptions would give", columns, rows, marked=used),)

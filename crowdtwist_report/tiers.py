"""The section about tiers and the moves between them."""

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
    number_cell,
    number_cells,
)
from crowdtwist_report.formatting import month, number, percent, title
from crowdtwist_report.grouping import column, group_totals
from crowdtwist_report.suppression import hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

STATUSES = ("active_members", "dormant_members", "never_activated_members")
_MOVE_MONTHS = 12
_MOVE_ROWS = 10


def hidden_statuses(rows: Sequence[Row]) -> set[tuple[int, str]]:
    """Return which counts by status to hide; rows are known by their position.

    The statuses of a row add up to its members, the rows to the whole program.
    """
    numbers = range(len(rows))
    members = {(number, status): rows[number][status] for number in numbers for status in STATUSES}
    of_row = [[(number, status) for status in STATUSES] for number in numbers]
    of_status = [[(number, status) for number in numbers] for status in STATUSES]
    return hidden_cells(members, of_row + of_status * (len(rows) > 1))


def hidden_tiers(tiers: Sequence[Row]) -> set[str]:
    """Return the tiers whose numbers must not be shown; all tiers add up to the program."""
    members = {row["tier"]: row["members"] for row in tiers}
    return hidden_cells(members, [list(members)])


def tiers_section(marts: Marts) -> Section:
    """Return the section with the tiers and the moves between them."""
    tiers = marts.tables["tiers"]
    blocks = (_tier_table(tiers), *_moves(marts)) if tiers else absent(_NO_TIERS)
    return Section(
        "tiers",
        "Tiers, and moves between them",
        "How many members each tier has, lowest tier first, and how many moved up or down. Many"
        " dormant members in a high tier are members that the program is about to lose.",
        blocks,
    )


_NO_TIERS = "No member has a tier. Select the stream `users`, whose `tier_info` has it."


def _tier_table(tiers: Sequence[Row]) -> Table:
    hidden = hidden_tiers(tiers)
    statuses = hidden_statuses(tiers)
    total = sum(row["members"] for row in tiers)

    def row_of(position: int, row: Row) -> list[Cell]:
        name = title(row["tier"])
        floor = number_cell(row["floor"])
        if row["tier"] in hidden:
            return [Cell(name), floor, *[HIDDEN] * 6]
        share = row["members"] / total
        cells = [Cell(name, share), floor, number_cell(row["members"]), Cell(percent(share))]
        for status in STATUSES:
            is_hidden = (position, status) in statuses
            cells += number_cells(row, [status], is_hidden=is_hidden)
        return [*cells, number_cell(row["balance"])]

    columns = (
        "Tier",
        "From",
        "Members",
        "Share",
        "Active",
        "Dormant",
        "Never active",
        "Points held",
    )
    rows = [row_of(position, row) for position, row in enumerate(tiers)]
    return Table("Members of each tier; “From” is the score it begins at", columns, rows)


def _moves(marts: Marts) -> tuple[Block, ...]:
    moves = [row for row in marts.tables["tier_moves_monthly"] if row["members"]]
    if not moves:
        return (Notes((_NO_MOVES,), is_absent=True),)
    months = sorted({row["month"] for row in moves})[-_MOVE_MONTHS:]
    recent = [row for row in moves if row["month"] in months]
    figures = _move_figure(months, recent)
    return (*figures, _move_table(recent), Notes((_ABOUT_MOVES,)))


_NO_MOVES = (
    "No move is known yet. CrowdTwist only tells the present tier, so moves show from the second"
    " build on, or from the stream `live_users` of Live Push."
)
_ABOUT_MOVES = "A member who moves twice in a month counts twice in moves, once in members."


def _move_figure(months: Sequence[date], moves: Sequence[Row]) -> tuple[Block, ...]:
    groups = group_totals(moves, ("direction", "month"), ("moves", "members"))
    hidden = hidden_cells(column(groups, "members"), [])
    points: list[charts.Point] = []
    totals = {"up": 0, "down": 0}
    for at in months:
        for direction, sign in (("up", 1), ("down", -1)):
            key = (direction, at)
            shown = groups.get(key, {"moves": 0})["moves"] * (key not in hidden)
            points.append((month(at), direction, sign * int(shown)))
            totals[direction] += shown
    if not sum(totals.values()):
        return ()
    up, down = (number(total) for total in totals.values())
    message = f"Moves between tiers by month: {up} up and {down} down in all that is shown."
    svgs = charts.stacked_bars(points, list(totals), message)
    legend = (("up", "Moved up"), ("down", "Moved down"))
    return (Figure("Moves up and down by month", svgs, legend),)


def _move_table(moves: Sequence[Row]) -> Table:
    names = ("moves", "members")
    groups = group_totals(moves, ("from_tier", "to_tier"), names)
    hidden = hidden_cells(column(groups, "members"), [list(groups)])
    largest = sorted(groups, key=lambda pair: (pair in hidden, -groups[pair]["moves"], pair))
    rows = []
    for pair in largest[:_MOVE_ROWS]:
        name = " \N{RIGHTWARDS ARROW} ".join(map(title, pair))
        rows.append([Cell(name), *number_cells(groups[pair], names, is_hidden=pair in hidden)])
    caption = f"Moves of the last {_MOVE_MONTHS} months, most frequent first"
    return Table(caption, ("Move", "Moves", "Members"), rows)

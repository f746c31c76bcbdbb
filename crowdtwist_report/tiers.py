"""The section about tiers and the moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report.content import (
    HIDDEN,
    Cell,
    Notes,
    Section,
    Table,
    absent,
    number_cell,
    number_cells,
    rows_left_out,
)
from crowdtwist_report.formatting import NO_TIER, percent, tier_title
from crowdtwist_report.months import add_months
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    has_tiers = any(row["tier"] != NO_TIER for row in tiers)
    blocks = (_tier_table(tiers), *_moves(marts)) if has_tiers else absent(_NO_TIERS)
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
        name = tier_title(row["tier"])
        floor = number_cell(row["floor"])
        if row["tier"] in hidden:
            return [Cell(name), floor, *[HIDDEN] * 5]
        share = row["members"] / total
        cells = [Cell(name, share), floor, number_cell(row["members"]), Cell(percent(share))]
        for status in STATUSES:
            is_hidden = (position, status) in statuses
            cells += number_cells(row, [status], is_hidden=is_hidden)
        return cells

    columns = ("Tier", "From", "Members", "Share", "Active", "Dormant", "Never active")
    rows = [row_of(position, row) for position, row in enumerate(tiers)]
    return Table("Members of each tier; “From” is the score it begins at", columns, rows)


def _moves(marts: Marts) -> tuple[Block, ...]:
    moves = marts.tables["tier_moves_monthly"]
    if not moves:
        return (Notes((_NO_MOVES,), is_absent=True),)
    before = add_months(marts.summary["day"], -_MOVE_MONTHS)
    return _move_table([row for row in moves if row["month"] > before])


_NO_MOVES = (
    "No move is known yet. CrowdTwist only tells the present tier, so moves show from the second"
    " build on, or from the stream `live_users` of Live Push."
)
_ABOUT_MOVES = (
    f"Moves between tiers are those of the last {_MOVE_MONTHS} months. A member who moves twice"
    " counts twice."
)


def _move_table(rows: Sequence[Row]) -> tuple[Block, ...]:
    moves: dict[tuple[str, str], int] = {}
    members: dict[tuple[str, str], int] = {}
    for row in rows:
        pair = (row["from_tier"], row["to_tier"])
        moves[pair] = moves.get(pair, 0) + row["moves"]
        # The same members can move in several months.
        members[pair] = max(members.get(pair, 0), row["members"])
    shown = [pair for pair in moves if members[pair] >= MINIMUM]
    cells = [
        [Cell(" \N{RIGHTWARDS ARROW} ".join(map(tier_title, pair))), number_cell(moves[pair])]
        for pair in sorted(shown, key=lambda pair: (-moves[pair], pair))[:_MOVE_ROWS]
    ]
    table = Table("Moves between tiers, most frequent first", ("Move", "Moves"), cells)
    left_out = rows_left_out(len(moves) - len(shown))
    return (*[table] * bool(cells), Notes((_ABOUT_MOVES,)), *left_out)

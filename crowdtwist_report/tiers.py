"""The section about tiers and the moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_report import charts
from crowdtwist_report.content import HIDDEN, Cell, Figure, Notes, Section, Table, absent
from crowdtwist_report.formatting import month, number, percent, title
from crowdtwist_report.suppression import hidden_cells

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
        floor = Cell(number(row["floor"]))
        if row["tier"] in hidden:
            return [Cell(name), floor, *[HIDDEN] * 6]
        cells = [
            HIDDEN if (position, status) in statuses else Cell(number(row[status]))
            for status in STATUSES
        ]
        share = row["members"] / total
        return [
            Cell(name, share),
            floor,
            Cell(number(row["members"])),
            Cell(percent(share)),
            *cells,
            Cell(number(row["balance"])),
        ]

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


def _move_figure(months: Sequence[Any], moves: Sequence[Row]) -> tuple[Block, ...]:
    members = {(at, way): 0 for at in months for way in ("up", "down")}
    counts = dict(members)
    for row in moves:
        key = (row["month"], row["direction"])
        if key in members:
            members[key] += row["members"]
            counts[key] += row["moves"]
    hidden = hidden_cells(members, [])
    sign = {"up": 1, "down": -1}
    points = [
        (month(at), way, 0 if (at, way) in hidden else sign[way] * int(count))
        for (at, way), count in counts.items()
    ]
    if not any(value for _, _, value in points):
        return ()
    up, down = (
        number(sum(abs(value) for _, shown, value in points if shown == way)) for way in sign
    )
    message = f"Moves between tiers by month: {up} up and {down} down in all that is shown."
    svgs = charts.stacked_bars(points, list(sign), message)
    legend = (("up", "Moved up"), ("down", "Moved down"))
    return (Figure("Moves up and down by month", svgs, legend),)


def _move_table(moves: Sequence[Row]) -> Table:
    members: dict[tuple[str, str], int] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in moves:
        pair = (row["from_tier"], row["to_tier"])
        members[pair] = members.get(pair, 0) + row["members"]
        counts[pair] = counts.get(pair, 0) + row["moves"]
    hidden = hidden_cells(members, [list(members)])
    largest = sorted(counts, key=lambda pair: (pair in hidden, -counts[pair], pair))[:_MOVE_ROWS]

    def cells(pair: tuple[str, str]) -> list[Cell]:
        name = Cell(" \N{RIGHTWARDS ARROW} ".join(title(tier) for tier in pair))
        if pair in hidden:
            return [name, HIDDEN, HIDDEN]
        return [name, Cell(number(counts[pair])), Cell(number(members[pair]))]

    return Table(
        f"Moves of the last {_MOVE_MONTHS} months, most frequent first",
        ("Move", "Moves", "Members"),
        [cells(pair) for pair in largest],
    )

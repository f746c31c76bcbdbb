"""Sections about what the program offers: activities and rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report.content import Cell, Section, Table, absent, number_cells, rows_left_out
from crowdtwist_report.formatting import title
from crowdtwist_report.suppression import hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

TOP = 10


def activities_section(marts: Marts) -> Section:
    """Return the section with the activities that gave most points."""
    rows = marts.tables["activity_performance"]
    return Section(
        "activities",
        "What members earn points for",
        f"The {TOP} activities that gave most points. A completion is one entry in the history of"
        " a member.",
        _blocks(rows, "activity", "completions")
        if rows
        else absent("There are no activities. Select the stream `user_activity_history`."),
    )


def rewards_section(marts: Marts) -> Section:
    """Return the section with the rewards on which most points were spent."""
    rows = marts.tables["reward_performance"]
    return Section(
        "rewards",
        "What members spend points on",
        f"The {TOP} rewards that took most points, of all that members have redeemed so far.",
        _blocks(rows, "reward", "redemptions")
        if rows
        else absent("There are no redemptions. Select the stream `redemptions`."),
    )


def _blocks(rows: Sequence[Row], kind: str, count: str) -> tuple[Block, ...]:
    places = range(len(rows))
    hidden = hidden_cells({place: rows[place]["members"] for place in places}, [places])
    shown = [rows[place] for place in places if place not in hidden]
    largest = sorted(shown, key=lambda row: -row["points"])[:TOP]
    table = (_table(largest, kind, count),) if largest else ()
    return (*table, *rows_left_out(len(hidden)))


def _table(rows: Sequence[Row], kind: str, count: str) -> Table:
    most = rows[0]["points"] or 1
    cells = [
        [
            Cell(title(row[kind]), float(row["points"] / most)),
            *number_cells(row, ("points", count, "members")),
        ]
        for row in rows
    ]
    columns = (kind.capitalize(), "Points", count.capitalize(), "Members")
    return Table(f"Points by {kind}; the bars compare them", columns, cells)

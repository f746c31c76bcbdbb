"""Sections about what the program offers: activities and rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report.content import Cell, Notes, Section, Table, absent, number_cells
from crowdtwist_report.formatting import title
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_report.marts import Marts, Row

TOP = 10


def activities_section(marts: Marts) -> Section:
    """Return the section with the activities that gave most points."""
    rows = marts.tables["activity_performance"]
    days = marts.summary["activity_days"]
    return Section(
        "activities",
        "What members earn points for",
        f"The {TOP} activities that gave most points, and what they gave in the last {days} days:"
        " an activity whose recent numbers are small has lost its pull.",
        (_table(rows, "activity", "completions", days), Notes((_ABOUT_ACTIVITIES,)))
        if rows
        else absent("There are no activities. Select the stream `user_activity_history`."),
    )


_ABOUT_ACTIVITIES = "A completion is one entry in the history of a member."


def rewards_section(marts: Marts) -> Section:
    """Return the section with the rewards on which most points were spent."""
    rows = marts.tables["reward_performance"]
    days = marts.summary["activity_days"]
    return Section(
        "rewards",
        "What members spend points on",
        f"The {TOP} rewards that took most points, and what they took in the last {days} days.",
        (_table(rows, "reward", "redemptions", days),)
        if rows
        else absent("There are no redemptions. Select the stream `redemptions`."),
    )


def _table(rows: Sequence[Row], kind: str, count: str, days: int) -> Table:
    places = range(len(rows))
    hidden = hidden_cells({place: rows[place]["members"] for place in places}, [places])
    largest = sorted(places, key=lambda place: (place in hidden, -rows[place]["points"]))[:TOP]
    most = max((rows[place]["points"] for place in largest if place not in hidden), default=0) or 1

    table = []
    for place in largest:
        row = rows[place]
        is_hidden = place in hidden
        share = None if is_hidden else float(row["points"] / most)
        is_recent_hidden = is_hidden or 0 < row["recent_members"] < MINIMUM
        cells = [Cell(title(row[kind]), share)]
        cells += number_cells(row, ("points", count, "members"), is_hidden=is_hidden)
        recent = ("recent_points", "recent_members")
        cells += number_cells(row, recent, is_hidden=is_recent_hidden)
        table.append(cells)
    columns = (
        kind.capitalize(),
        "Points",
        count.capitalize(),
        "Members",
        f"Points, {days} days",
        f"Members, {days} days",
    )
    return Table(f"Points by {kind}; the bars compare them", columns, table)

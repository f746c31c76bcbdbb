"""Sections about what the program offers: activities and rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report.content import HIDDEN, Cell, Notes, Section, Table, absent
from crowdtwist_report.formatting import number, title
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

    def cells(place: int) -> list[Cell]:
        row = rows[place]
        name = title(row[kind])
        if place in hidden:
            return [Cell(name), *[HIDDEN] * 5]
        return [
            Cell(name, float(row["points"] / most)),
            Cell(number(row["points"])),
            Cell(number(row[count])),
            Cell(number(row["members"])),
            *_recent(row),
        ]

    columns = (
        kind.capitalize(),
        "Points",
        count.capitalize(),
        "Members",
        f"Points, {days} days",
        f"Members, {days} days",
    )
    return Table(
        f"Points by {kind}; the bars compare them", columns, [cells(place) for place in largest]
    )


def _recent(row: Row) -> list[Cell]:
    if 0 < row["recent_members"] < MINIMUM:
        return [HIDDEN, HIDDEN]
    return [Cell(number(row["recent_points"])), Cell(number(row["recent_members"]))]

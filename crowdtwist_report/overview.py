"""Sections about the report itself: the program at a glance, and what the tests found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_report.content import Cell, Notes, Section, Table, Tile, Tiles, absent
from crowdtwist_report.formatting import money, month, number, percent, short_number
from crowdtwist_report.points import YEAR, hidden_movements, months_of, year_of
from crowdtwist_report.suppression import MINIMUM, hidden_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row


def glance_section(marts: Marts) -> Section:
    """Return the section with the most important numbers."""
    months = months_of(marts)
    return Section(
        "glance",
        "The program at a glance",
        f"The size of the program and what moved in the last {YEAR} months. A member is active who"
        f" did something in the {marts.summary['activity_days']} days before this report.",
        (Tiles(_member_tiles(marts)), *([Tiles(_year_tiles(months))] if months else [])),
    )


def _member_tiles(marts: Marts) -> tuple[Tile, ...]:
    summary = marts.summary
    members = summary["members"]
    active = summary["active_members"]
    amount = summary["amount"]
    share, note = percent(active / members), f"{number(active)} of {number(members)}"
    if hidden_cells({"active": active, "others": members - active}, []):
        share, note = "hidden", "too few members to show"
    outstanding = sum(row["outstanding"] for row in marts.tables["points_liability"])
    per_member = f"{number(outstanding / members)} per member"
    tiles = (
        Tile("Members", short_number(members), "in the program today"),
        Tile("Active members", share, note),
        Tile("Points outstanding", short_number(outstanding), per_member),
    )
    if amount is None:
        return tiles
    value = money(short_number(amount), summary["currency"])
    return (*tiles, Tile("Estimated liability", value, "under the assumptions below"))


def _year_tiles(months: Sequence[Row]) -> tuple[Tile, ...]:
    year = year_of(months)
    hidden = {movement for _, movement in hidden_movements(year)}
    period = f"{month(year[0]['from'])} \N{EN DASH} {month(year[-1]['month'])}"
    points = {
        name: abs(sum(row[name] for row in year)) for name in ("earned", "redeemed", "expired")
    }
    is_earned_shown = points["earned"] and "earned" not in hidden
    tiles = []
    for name, total in points.items():
        value, note = short_number(total), period
        if is_earned_shown and name != "earned":
            note = f"{percent(total / points['earned'])} of those earned"
        if name in hidden:
            value, note = "hidden", "because some of its months are"
        tiles.append(Tile(f"Points {name}", value, note))
    return tuple(tiles)


def checks_section(marts: Marts) -> Section:
    """Return the section with the tests of the dbt project that found exceptions."""
    failed = {name: count for name, count in marts.failures.items() if count}
    return Section(
        "checks",
        "Can these numbers be trusted?",
        "Each time the numbers are built, they are tested against each other and against what the"
        " program itself says. What did not agree is listed here, for those who look after the"
        " data.",
        (*_checks(failed, len(marts.failures)), *_completeness(marts.summary)),
    )


def _completeness(summary: Row) -> tuple[Block, ...]:
    text = (
        "Nothing says whether all members were read. Each run tells it in the stream `sync_runs`,"
        " if that stream is selected."
    )
    return (Notes((text,)),) if summary["is_complete"] is None else ()


def _checks(failed: dict[str, int], total: int) -> tuple[Block, ...]:
    if not total:
        return absent(
            "No results of tests are stored. Build with `dbt build`, which also runs the tests,"
            " rather than with `dbt run`."
        )
    if not failed:
        return (Notes((f"All of the {number(total)} stored tests passed.",)),)
    rows = [[Cell(sentence_of(name)), _count_of(count)] for name, count in failed.items()]
    return (
        Notes((f"{number(len(failed))} of {number(total)} stored tests found exceptions.",)),
        Table("Tests with exceptions", ("What should be true", "Exceptions"), rows),
    )


def _count_of(exceptions: int) -> Cell:
    """Return a number of exceptions, which can be members."""
    return Cell(f"fewer than {MINIMUM}" if exceptions < MINIMUM else number(exceptions))


def sentence_of(test: str) -> str:
    """Return the name of a test as a sentence."""
    return test.replace("_", " ").capitalize()

"""Sections about the report itself: the program at a glance, and what the tests found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crowdtwist_report.content import Cell, Notes, Section, Table, Tile, Tiles, absent
from crowdtwist_report.formatting import month, number, percent, short_number, title
from crowdtwist_report.points import YEAR, label_of, months_of
from crowdtwist_report.tiers import hidden_statuses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_report.content import Block
    from crowdtwist_report.marts import Marts, Row

_HASH = re.compile(r"_*[0-9a-f]{32}$")
_GENERIC_TESTS = {
    "not_null": "No value is missing",
    "unique": "No row occurs twice",
    "accepted_values": "Every value is one of those known",
    "relationships": "Every row refers to one that exists",
}


def glance_section(marts: Marts) -> Section:
    """Return the section with the most important numbers."""
    year = months_of(marts)[-YEAR:]
    return Section(
        "glance",
        "The program at a glance",
        f"The size of the program and what moved in the last {YEAR} months. A member is active who"
        f" did something in the {marts.summary['activity_days']} days before this report.",
        tuple(Tiles(tiles) for tiles in (_member_tiles(marts.summary), _year_tiles(year)) if tiles),
    )


def _member_tiles(summary: Row) -> tuple[Tile, ...]:
    members = summary["members"]
    active = summary["active_members"]
    share, note = percent(active / members), f"{number(active)} of {number(members)}"
    if hidden_statuses([summary]):
        share, note = "hidden", "too few members to show"
    per_member = summary["balance"] / members
    tiles = (
        Tile("Members", short_number(members), "in the program today"),
        Tile("Active members", share, note),
        Tile(
            "Points outstanding",
            short_number(summary["balance"]),
            f"{number(per_member)} per member",
        ),
    )
    if summary["amount"] is None:
        return tiles
    currency = title(summary["currency"]) if summary["currency"] else ""
    value = f"{currency} {short_number(summary['amount'])}".strip()
    return (*tiles, Tile("Estimated liability", value, "under the assumptions below"))


def _year_tiles(months: Sequence[Row]) -> tuple[Tile, ...]:
    if not months:
        return ()
    earned, redeemed, expired = (
        abs(sum(row[name] for row in months)) for name in ("earned", "redeemed", "expired")
    )
    period = f"{month(months[0]['from'])} \N{EN DASH} {label_of(months[-1])}"
    return (
        Tile("Points earned", short_number(earned), period),
        Tile("Points redeemed", short_number(redeemed), _share_of_earned(redeemed, earned)),
        Tile("Points expired", short_number(expired), _share_of_earned(expired, earned)),
    )


def _share_of_earned(points: int, earned: int) -> str:
    return f"{percent(points / earned)} of those earned" if earned else "none were earned"


def checks_section(marts: Marts) -> Section:
    """Return the section with the tests of the dbt project that found exceptions."""
    failed = {name: count for name, count in marts.failures.items() if count}
    return Section(
        "checks",
        "Can these numbers be trusted?",
        "Each time the numbers are built, they are tested against each other and against what the"
        " program itself says. What did not agree is listed here, for those who look after the"
        " data.",
        _checks(failed, len(marts.failures)),
    )


def _checks(failed: dict[str, int], total: int) -> tuple[Block, ...]:
    if not total:
        return absent(
            "No results of tests are stored. Build with `dbt build`, which also runs the tests,"
            " rather than with `dbt run`."
        )
    if not failed:
        return (Notes((f"All of the {number(total)} stored tests passed.",)),)
    rows = [[Cell(sentence_of(name)), Cell(number(count))] for name, count in failed.items()]
    return (
        Notes((f"{number(len(failed))} of {number(total)} stored tests found exceptions.",)),
        Table("Tests with exceptions", ("What should be true", "Exceptions"), rows),
    )


def sentence_of(test: str) -> str:
    """Return the name of a test as a sentence."""
    name = _HASH.sub("", test)
    name = re.sub(r"^(assert|test|source)_", "", name)
    for prefix, sentence in _GENERIC_TESTS.items():
        if name.startswith(f"{prefix}_"):
            return f"{sentence}: {name.removeprefix(prefix).replace('_', ' ').strip()}"
    words = name.replace("_", " ").strip()
    return f"{words[:1].upper()}{words[1:]}"

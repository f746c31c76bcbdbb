"""What each section of the report shows, and what it hides."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from support.marts import MadeUpMarts, month_before

from crowdtwist_report import formatting
from crowdtwist_report.cohorts import cohorts_section
from crowdtwist_report.content import Notes, Table, Tiles
from crowdtwist_report.expiring import expiring_section
from crowdtwist_report.liability import liability_section
from crowdtwist_report.offers import activities_section, rewards_section
from crowdtwist_report.overview import checks_section, glance_section, sentence_of
from crowdtwist_report.page import as_of_sentence, render_page
from crowdtwist_report.points import months_of, roll_forward_section
from crowdtwist_report.tiers import tiers_section

if TYPE_CHECKING:
    from collections.abc import Callable

    from crowdtwist_report.content import Section
    from crowdtwist_report.marts import Marts

SECRET = 987_654_321


def table_of(section: Section, index: int = 0) -> Table:
    return [block for block in section.blocks if isinstance(block, Table)][index]


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


@pytest.mark.parametrize(
    ("mart", "make", "stream"),
    [
        ("program_monthly", roll_forward_section, "user_activity_history"),
        ("points_liability", liability_section, "user_activity_history"),
        ("points_expiring", expiring_section, "points_expiration"),
        ("tiers", tiers_section, "users"),
        ("tier_moves_monthly", tiers_section, "live_users"),
        ("cohort_retention", cohorts_section, "user_activity_history"),
        ("activity_performance", activities_section, "user_activity_history"),
        ("reward_performance", rewards_section, "redemptions"),
    ],
)
def test_a_section_without_data_says_which_stream_to_select(
    mart: str, make: Callable[[Marts], Section], stream: str
) -> None:
    marts = MadeUpMarts()
    marts.empty(mart)

    (notes,) = (
        block for block in make(marts.read()).blocks if isinstance(block, Notes) and block.is_absent
    )
    assert f"`{stream}`" in notes.texts[0]


def test_a_page_of_members_alone_can_be_made() -> None:
    marts = MadeUpMarts()
    marts.empty(*(name for name in marts.tables if name not in {"program_summary", "tiers"}))
    marts.failures.clear()

    assert "No results of tests are stored" in render_page(marts.read(), "Loyalty program")


@pytest.mark.parametrize(
    ("mart", "make"),
    [
        ("activity_performance", activities_section),
        ("reward_performance", rewards_section),
        ("points_expiring", expiring_section),
    ],
)
def test_points_of_few_members_are_hidden(mart: str, make: Callable[[Marts], Section]) -> None:
    marts = MadeUpMarts()
    marts.tables[mart][3] |= {"members": 4, "points": SECRET, "recent_points": SECRET}
    if mart == "points_expiring":
        del marts.tables[mart][3]["recent_points"]

    section = make(marts.read())

    assert f"{SECRET:,}" not in str(section)


def test_a_tier_of_few_members_is_hidden_and_so_is_one_from_which_it_could_be_computed() -> None:
    marts = MadeUpMarts()
    marts.tables["tiers"][3] |= {
        "members": 4,
        "active_members": 4,
        "dormant_members": 0,
        "never_activated_members": 0,
    }

    rows = texts(table_of(tiers_section(marts.read())))

    assert [row[0] for row in rows if row[2] == "hidden"] == ["Gold", "Platinum"]
    liability = texts(table_of(liability_section(marts.read())))
    assert [row[0] for row in liability if row[1] == "hidden"] == ["Gold", "Platinum"]


def test_a_movement_of_few_members_takes_another_of_its_month_and_of_its_kind_with_it() -> None:
    section = roll_forward_section(MadeUpMarts().read())

    rows = {row[0]: row for row in texts(table_of(section))}
    hidden = {
        name: [
            column
            for column, text in zip(table_of(section).columns, row, strict=True)
            if text == "hidden"
        ]
        for name, row in rows.items()
    }
    assert {name: columns for name, columns in hidden.items() if columns} == {
        "Jul 2026": ["Expired", "Deducted"],
        "Dec 2025": ["Expired", "Deducted"],
    }


def test_a_month_with_few_members_is_shown_together_with_another() -> None:
    marts = MadeUpMarts()
    small = marts.tables["program_monthly"][10]
    before = marts.tables["program_monthly"][9]
    small |= {name: 2 for name in small if name.endswith("ing_members")}

    (joined,) = (row for row in months_of(marts.read()) if row["from"] != row["month"])

    assert (joined["from"], joined["month"]) == (before["month"], small["month"])
    assert joined["earned"] == before["earned"] + small["earned"]
    assert (joined["opening"], joined["closing"]) == (before["opening"], small["closing"])


def test_an_active_share_of_few_members_is_hidden() -> None:
    marts = MadeUpMarts()
    marts.summary["dormant_members"] = 3

    tiles = glance_section(marts.read()).blocks[0]

    assert isinstance(tiles, Tiles)
    assert [tile.value for tile in tiles.tiles if tile.label == "Active members"] == ["hidden"]


def test_small_cohorts_are_shown_by_quarter_or_year() -> None:
    marts = MadeUpMarts()
    for row in marts.tables["cohort_retention"]:
        row |= {"members": 20, "active_members": 10}
    assert "by quarter of joining" in str(cohorts_section(marts.read()))

    for row in marts.tables["cohort_retention"]:
        row |= {"members": 5, "active_members": 2}
    assert "by year of joining" in str(cohorts_section(marts.read()))


def test_the_rules_of_expiry_are_never_added_up() -> None:
    section = expiring_section(MadeUpMarts().read())
    table = table_of(section)

    assert "never add the two together" in section.lead
    assert table.columns == (
        "Month",
        "The redemption period ends",
        "Members",
        "The member stays inactive",
        "Members",
    )
    assert texts(table)[0][0] == "Nov 2026"


def test_past_expiries_are_not_about_to_happen() -> None:
    marts = MadeUpMarts()
    marts.tables["points_expiring"][0]["month"] = month_before(1)

    assert texts(table_of(expiring_section(marts.read())))[0][0] == "Nov 2026"


def test_without_a_value_of_a_point_there_are_no_amounts() -> None:
    marts = MadeUpMarts()
    marts.summary.update(point_value=None, amount=None, currency=None)
    for mart in ("points_liability", "liability_scenarios"):
        for row in marts.tables[mart]:
            row["amount"] = None

    section = liability_section(marts.read())

    assert "Set `point_value`, and `currency`." in str(section.blocks[0])
    assert {row[-1] for row in texts(table_of(section))} == {"\N{EN DASH}"}
    assert "Estimated liability" not in str(glance_section(marts.read()))


@pytest.mark.parametrize(
    ("is_complete", "reason", "expected"),
    [
        (True, None, "; all of them were read."),
        (False, "3 members failed", "; not all of them were read: 3 members failed."),
        (None, None, "is not known; select the stream `sync_runs` to know."),
    ],
)
def test_the_page_says_whether_all_members_were_read(
    is_complete: object, reason: str | None, expected: str
) -> None:
    marts = MadeUpMarts()
    marts.summary.update(is_complete=is_complete, incomplete_reason=reason)

    sentence = as_of_sentence(marts.summary)

    assert sentence.startswith(
        "Members were read from 20 Nov 2026, 02:00 UTC to 20 Nov 2026, 05:41 UTC"
    )
    assert sentence.endswith(expected)


def test_tests_that_found_exceptions_are_listed_in_words() -> None:
    section = checks_section(MadeUpMarts().read())

    assert texts(table_of(section)) == [["Balance equals the profile", "3"]]
    assert "1 of 3 stored tests" in str(section.blocks[0])


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("not_null_members_user_id", "No value is missing: members user id"),
        ("unique_points_ledger_line_id", "No row occurs twice: points ledger line id"),
        ("assert_closing_is_opening_plus_movements", "Closing is opening plus movements"),
        ("accepted_values_members_" + "0a" * 16, "Every value is one of those known: members"),
    ],
)
def test_names_of_tests_become_sentences(test: str, sentence: str) -> None:
    assert sentence_of(test) == sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.number(-1234567), "\N{MINUS SIGN}1,234,567"),
        (formatting.number(None), "\N{EN DASH}"),
        (formatting.short_number(9_999_999), "9,999,999"),
        (formatting.short_number(26_543_210), "26.5 million"),
        (formatting.percent(0.824), "82%"),
        (formatting.month(date(2026, 3, 5)), "Mar 2026"),
        (formatting.day(date(2026, 3, 5)), "5 Mar 2026"),
        (formatting.title("  two\n\x00lines "), "two lines"),
        (formatting.title(None), "(without a title)"),
        (formatting.title("x" * 100), "x" * 80 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_numbers_dates_and_titles_are_written_for_people(text: Any, expected: str) -> None:
    assert text == expected

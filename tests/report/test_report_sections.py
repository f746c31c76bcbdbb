"""What each section of the report shows, and what it hides."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support.marts import MadeUpMarts, month_before

from crowdtwist_report import charts, formatting
from crowdtwist_report.cohorts import cohorts_section
from crowdtwist_report.content import Figure, Notes, Table, Tile, Tiles
from crowdtwist_report.expiring import expiring_section
from crowdtwist_report.liability import liability_section
from crowdtwist_report.offers import activities_section, rewards_section
from crowdtwist_report.overview import checks_section, glance_section
from crowdtwist_report.page import completeness_of, render_page
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


def tile_of(marts: MadeUpMarts, label: str) -> Tile:
    blocks = glance_section(marts.read()).blocks
    (tile,) = (
        tile
        for block in blocks
        if isinstance(block, Tiles)
        for tile in block.tiles
        if tile.label == label
    )
    return tile


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
    marts.tables[mart][3] |= {"members": 4, "points": SECRET}

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


def test_a_movement_of_few_members_takes_another_of_its_month_with_it() -> None:
    marts = MadeUpMarts()
    marts.tables["program_monthly"][19]["deducting_members"] = 3

    section = roll_forward_section(marts.read())

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
    }


@pytest.mark.parametrize("ago", [2, 13])
def test_a_total_of_the_year_with_a_hidden_month_is_hidden(ago: int) -> None:
    marts = MadeUpMarts()
    for row in marts.tables["program_monthly"]:
        row["deducting_members"] = 3 * (row["month"] == month_before(ago))

    tiles = [tile_of(marts, f"Points {name}").value for name in ("earned", "redeemed", "expired")]

    assert [value == "hidden" for value in tiles] == [False, False, ago == 2]


@pytest.mark.parametrize("counts", [0, 2])
def test_without_a_month_of_enough_members_there_is_no_chart_of_points(counts: int) -> None:
    marts = MadeUpMarts()
    row = marts.tables["program_monthly"][0]
    row |= {name: counts for name in row if name.endswith("_members")}
    marts.tables["program_monthly"] = [row]

    section = roll_forward_section(marts.read())

    assert [type(block) for block in section.blocks] == [Notes]
    assert len(glance_section(marts.read()).blocks) == 1


def test_a_chart_without_a_bar_to_show_is_left_out() -> None:
    marts = MadeUpMarts()
    for row in marts.tables["program_monthly"]:
        row |= {"earning_members": 9, "deducting_members": 3, "redeeming_members": 2}
        row |= {"expiring_members": 0, "unexplained_members": 0, "expired": 0, "unexplained": 0}

    section = roll_forward_section(marts.read())

    (figure,) = (block for block in section.blocks if isinstance(block, Figure))
    assert "at the end of each month" in figure.caption


def test_a_year_has_its_months_even_if_nothing_moved_in_some() -> None:
    marts = MadeUpMarts()
    months = marts.tables["program_monthly"]
    del months[13], months[-1]

    rows = texts(table_of(roll_forward_section(marts.read())))

    assert [row[0] for row in rows][::11] == ["Nov 2026", "Dec 2025"]
    assert len(rows) == 12
    assert set(rows[0][2:-1]) == {"0"}
    assert tile_of(marts, "Points earned").note == "Dec 2025 \N{EN DASH} Nov 2026"


def test_the_chart_of_movements_names_those_that_it_shows() -> None:
    marts = MadeUpMarts()
    for row in marts.tables["program_monthly"]:
        row |= {"deducted": 0, "deducting_members": 0}

    (figure, *_) = roll_forward_section(marts.read()).blocks

    assert isinstance(figure, Figure)
    assert "Nov 2026: earned, redeemed, expired, unexplained." in figure.svgs[0]


def test_activities_show_all_time_only_since_recent_numbers_would_give_older_ones_away() -> None:
    section = activities_section(MadeUpMarts().read())

    assert table_of(section).columns == ("Activity", "Points", "Completions", "Members")


def test_rows_of_few_members_are_counted_and_not_named() -> None:
    marts = MadeUpMarts()
    names = [row["activity"] for row in marts.tables["activity_performance"]]
    for row in marts.tables["activity_performance"][5:7]:
        row["members"] = 2

    section = activities_section(marts.read())

    assert names[5] not in str(section)
    assert "Rows left out: 3" in str(section)


def test_moves_of_one_member_in_many_months_are_hidden() -> None:
    marts = MadeUpMarts()
    lost = {"from_tier": "Gold", "to_tier": "Bronze", "moves": 1, "members": 1}
    found = {"from_tier": "Bronze", "to_tier": "Gold", "moves": 9, "members": 8}
    marts.tables["tier_moves_monthly"] = [
        {"month": month_before(months), **pair} for pair in (lost, found) for months in range(10)
    ]

    section = tiers_section(marts.read())

    assert texts(table_of(section, 1)) == [["Bronze \N{RIGHTWARDS ARROW} Gold", "90"]]
    assert "Rows left out: 1" in str(section)


def test_moves_are_those_of_the_last_twelve_months() -> None:
    marts = MadeUpMarts()
    pair = {"from_tier": "Bronze", "to_tier": "Gold", "moves": 9, "members": 8}
    marts.tables["tier_moves_monthly"] = [
        {"month": month_before(months), **pair} for months in (12, 11, 0)
    ]

    assert texts(table_of(tiers_section(marts.read()), 1))[0][1] == "18"


def test_a_program_without_tiers_has_no_table_of_them() -> None:
    marts = MadeUpMarts()
    marts.tables["tiers"] = [{**marts.tables["tiers"][0], "tier": "none", "floor": None}]

    assert "No member has a tier." in str(tiers_section(marts.read()))


def test_a_hidden_tier_without_points_has_a_row_too() -> None:
    marts = MadeUpMarts()
    marts.tables["tiers"][3]["members"] = 4
    lots = marts.tables["points_liability"]
    marts.tables["points_liability"] = [row for row in lots if row["tier"] != "Gold"]

    rows = texts(table_of(liability_section(marts.read())))

    assert [row[0] for row in rows if row[1] == "hidden"] == ["Gold", "Platinum"]


def test_points_outstanding_are_the_same_in_the_tile_and_in_the_table() -> None:
    marts = MadeUpMarts()
    del marts.tables["points_liability"][3:]
    marts.tables["points_liability"][0]["outstanding"] += 400

    total = texts(table_of(liability_section(marts.read())))[-1]

    assert total[:2] == ["Total", tile_of(marts, "Points outstanding").value]
    assert "Points held" not in str(tiers_section(marts.read()))


def test_a_point_has_a_value_without_a_currency() -> None:
    marts = MadeUpMarts()
    marts.summary["currency"] = None

    assert "A redeemed point costs 0.008." in str(liability_section(marts.read()))
    assert "title" not in tile_of(marts, "Estimated liability").value


def test_a_rate_that_is_rounded_to_another_stands_once() -> None:
    marts = MadeUpMarts()
    rate = {"expected_redemption_rate": Decimal("0.4983")}
    for row in [marts.summary, *marts.tables["liability_scenarios"]]:
        if row.get("is_used", True):
            row.update(rate)

    rates = [row[0] for row in texts(table_of(liability_section(marts.read()), 1))]

    assert rates == ["50% (used here)", "60%", "70%", "80%", "90%", "100%"]


def test_expiries_of_the_thirteenth_month_are_shown_and_those_after_it_together() -> None:
    marts = MadeUpMarts()
    expiry = {"rule_type": "inactivity", "points": 7000, "members": 30}
    marts.tables["points_expiring"] = [
        {"month": month_before(-months), **expiry} for months in (2, 12, 13, 14)
    ]

    section = expiring_section(marts.read())

    rows = texts(table_of(section))
    assert [row[0] for row in rows[::12]] == ["Nov 2026", "Nov 2027"]
    assert rows[12:] == [["Nov 2027", "7,000", "30"], ["Later", "14,000", "\N{EN DASH}"]]


def test_a_rule_that_only_few_members_fall_under_has_no_chart() -> None:
    marts = MadeUpMarts()
    for row in marts.tables["points_expiring"]:
        row["members"] = 4 if row["rule_type"] == "inactivity" else 40

    figures = [
        block for block in expiring_section(marts.read()).blocks if isinstance(block, Figure)
    ]

    assert ["redemption period" in figure.caption for figure in figures] == [True]


def test_without_a_rate_there_is_none_that_is_used() -> None:
    marts = MadeUpMarts()
    marts.summary["expected_redemption_rate"] = None
    scenarios = marts.tables["liability_scenarios"]
    marts.tables["liability_scenarios"] = [row for row in scenarios if not row["is_used"]]

    section = liability_section(marts.read())

    assert "Set `expected_redemption_rate`." in str(section.blocks[0])
    assert [row[0] for row in texts(table_of(section, 1))][:2] == ["50%", "60%"]
    assert "used here" not in str(section)


def test_both_charts_of_expiries_have_the_same_months() -> None:
    marts = MadeUpMarts()
    expiries = marts.tables["points_expiring"]
    marts.tables["points_expiring"] = [
        row
        for row in expiries
        if (row["month"] < month_before(-3)) == (row["rule_type"] == "inactivity")
    ]

    section = expiring_section(marts.read())

    figures = [block for block in section.blocks if isinstance(block, Figure)]
    axes = [re.findall(r">([A-Z][a-z]{2} 20\d\d)</text>", figure.svgs[0]) for figure in figures]

    assert len(axes) == 2
    assert axes[0] == axes[1]


def test_a_single_bar_is_not_as_wide_as_the_chart() -> None:
    wide, _ = charts.stacked_bars(["Nov 2026"], [("Nov 2026", "expired", 5)], ["expired"], "5")

    (bar,) = re.findall(r'd="M([\d.]+),[\d.]+h([\d.]+)v[\d.]+h[^"]+" class="fill-expired"', wide)
    assert float(bar[1]) <= 40


def test_cohorts_of_different_size_have_no_common_mean() -> None:
    assert "average" not in str(cohorts_section(MadeUpMarts().read()))


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
    marts.summary.update(members=61, active_members=58)

    assert tile_of(marts, "Active members").value == "hidden"


def test_an_active_share_is_shown_however_the_others_divide() -> None:
    marts = MadeUpMarts()
    marts.summary.update(members=61, active_members=51)

    assert tile_of(marts, "Active members").value == "84%"


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
    assert "Amount" not in str(section)
    assert "Estimated liability" not in str(glance_section(marts.read()))


@pytest.mark.parametrize(
    ("is_complete", "reason", "expected"),
    [
        (True, None, "All of them were read."),
        (False, "3 members failed", "Not all of them were read: 3 members failed."),
        (None, None, "Whether all of them were read is not known."),
    ],
)
def test_the_page_says_whether_all_members_were_read(
    is_complete: object, reason: str | None, expected: str
) -> None:
    marts = MadeUpMarts()
    marts.summary.update(is_complete=is_complete, incomplete_reason=reason)

    _, _, sentence = completeness_of(marts.summary)

    assert sentence.startswith(
        "Members were read from 20 Nov 2026, 02:00 UTC to 20 Nov 2026, 05:41 UTC"
    )
    assert sentence.endswith(f". {expected}")
    assert ("`sync_runs`" in str(checks_section(marts.read()))) == (is_complete is None)


def test_tests_that_found_exceptions_are_listed_in_words() -> None:
    section = checks_section(MadeUpMarts().read())

    assert texts(table_of(section)) == [["Balance matches profile", "31"]]
    assert "1 of 3 stored tests" in str(section.blocks[0])


def test_exceptions_that_can_be_few_members_are_not_counted() -> None:
    marts = MadeUpMarts()
    marts.failures["balance_matches_profile"] = 1

    assert texts(table_of(checks_section(marts.read()))) == [
        ["Balance matches profile", "fewer than 5"]
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.number(-1234567), "\N{MINUS SIGN}1,234,567"),
        (formatting.number(-0.4), "0"),
        (formatting.number(None), "\N{EN DASH}"),
        (formatting.short_number(9_999_999), "9,999,999"),
        (formatting.short_number(26_543_210), "26.5 million"),
        (formatting.percent(0.824), "82%"),
        (formatting.percent(0.004), "under 1%"),
        (formatting.percent(0), "0%"),
        (formatting.month(date(2026, 3, 5)), "Mar 2026"),
        (formatting.day(date(2026, 3, 5)), "5 Mar 2026"),
        (formatting.title("  two\n\x00lines "), "two lines"),
        (formatting.title("\U0001faea"), "\U0001faea"),
        (formatting.title(None), "(without a title)"),
        (formatting.tier_title("none"), "No tier"),
        (formatting.title("x" * 100), "x" * 80 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_numbers_dates_and_titles_are_written_for_people(text: Any, expected: str) -> None:
    assert text == expected

"""Points expiration files are wide: months become a list, and no row or cell gets lost."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from support.push_files import check_valid, name_of, one, put, read, table

from tap_crowdtwist.files.month_columns import fold, month_column

if TYPE_CHECKING:
    from pathlib import Path

STREAM = "push_points_expiration"
MEMBER = {"user_id": "7", "email_address": "m7@members.test", "third_party_id": ""}
INACTIVITY = {
    "message_date": "1773100000",
    "inactivity_last_qualified_date": "1741564000",
    "inactivity_exp_date": "1775000000",
    "inactivity_points_exp": "310",
}
MONTHS = {
    "redperiod_expiration_date_pre1": "2026-02-28",
    "redperiod_points_expired_pre1": "40",
    "redperiod_points_redeemed_pre1": "15",
    "redperiod_expiration_date_cur": "2026-03-31",
    "redperiod_points_expiring_cur": "55",
}
PERIODS = [
    {
        "month": "pre1",
        "expiration_date": "2026-02-28T00:00:00Z",
        "points_expired": 40,
        "points_expiring": None,
        "points_redeemed": 15,
    },
    {
        "month": "cur",
        "expiration_date": "2026-03-31T00:00:00Z",
        "points_expired": None,
        "points_expiring": 55,
        "points_redeemed": None,
    },
]

WORDS = st.lists(
    st.sampled_from(["points", "expired", "expiring", "redeemed", "date", "pre1", "3", "é", "cur"]),
    min_size=1,
    max_size=4,
).map("_".join)
MEMBERS = st.sampled_from(
    ["expiration_date", "points_expired", "points_expiring", "points_redeemed", "month", "rate"]
)
LABELS = st.sampled_from(["pre1", "pre_1", "cur", "3", "next12", "2026_03"])
NAMES = st.one_of(
    st.builds("redperiod_{}_{}".format, MEMBERS, LABELS),
    st.builds("redperiod_{}_{}".format, LABELS, MEMBERS),
    st.builds("REDPERIOD_{}_{}".format, MEMBERS.map(str.upper), LABELS),
    st.builds("redperiod_{}".format, WORDS),
    st.builds("redperiod_{}".format, st.text(max_size=20)),
)


def cells_of(folded: dict[str, Any]) -> list[str]:
    """Every cell of a row that was folded, but for the labels of months."""
    periods = folded["redemption_periods"] or []
    inside = [value for period in periods for member, value in period.items() if member != "month"]
    beside = [value for name, value in folded.items() if name != "redemption_periods"]
    return sorted(value for value in inside + beside if value is not None)


@given(names=st.lists(NAMES, unique=True, max_size=30), empty=st.sets(st.integers(0, 29)))
def test_any_month_columns_fold_without_loss(names: list[str], empty: set[int]) -> None:
    row = {name: None if n in empty else f"cell {n}" for n, name in enumerate(names)}
    folded = fold({"user_id": "7", **row})
    assert cells_of(folded) == sorted(["7", *(cell for cell in row.values() if cell)])
    for name, cell in row.items():
        if cell is None or name in folded:
            continue
        month, member = month_column(name) or ("", "")
        periods = [each for each in folded["redemption_periods"] if each["month"] == month]
        assert [period[member] for period in periods] == [cell]


@given(labels=st.lists(LABELS, unique=True, min_size=1), data=st.data())
def test_documented_members_of_any_month_are_found(labels: list[str], data: st.DataObject) -> None:
    documented = ["expiration_date", "points_expired", "points_expiring", "points_redeemed"]
    pairs = list(product(labels, documented))
    shuffled = data.draw(st.permutations(pairs))
    row = {f"redperiod_{member}_{label}": f"{label} {member}" for label, member in shuffled}
    periods = fold(row)["redemption_periods"]
    assert {period["month"]: period for period in periods} == {
        label: {"month": label} | {member: f"{label} {member}" for member in documented}
        for label in labels
    }


def test_both_groups_are_typed(tmp_path: Path) -> None:
    (record,) = one(tmp_path, table(MEMBER | INACTIVITY | MONTHS), STREAM).records[STREAM]
    assert record["inactivity_points_exp"] == 310
    assert record["inactivity_exp_date"] == "2026-03-31T23:33:20Z"
    assert record["redemption_periods"] == PERIODS
    assert record["additional_properties"] is None


def test_months_are_the_same_in_any_case(tmp_path: Path) -> None:
    for day, spell in enumerate((str.lower, str.upper), 9):
        row = {spell(name): value for name, value in {**MEMBER, **MONTHS}.items()}
        put(tmp_path, name_of("POINTS_EXPIRATION", day), table(row))
    rows = read(tmp_path, STREAM).records[STREAM]
    assert [row["redemption_periods"] for row in rows] == [PERIODS, PERIODS]


def test_members_of_a_month_with_unknown_names_are_kept(tmp_path: Path) -> None:
    row = MEMBER | {"redperiod_rate_cur": "2", "redperiod_note": "n", "redperiod_month_cur": "3"}
    (record,) = one(tmp_path, table(row), STREAM).records[STREAM]
    (period,) = record["redemption_periods"]
    assert {name: value for name, value in period.items() if value} == {"month": "cur", "rate": "2"}
    assert record["additional_properties"] == {"redperiod_note": "n", "redperiod_month_cur": "3"}


def test_a_cell_of_a_month_that_does_not_fit_is_kept_raw(tmp_path: Path) -> None:
    row = MEMBER | {"redperiod_points_expired_pre1": "many"}
    (record,) = one(tmp_path, table(row), STREAM).records[STREAM]
    assert record["redemption_periods"][0]["points_expired"] is None
    raw = [{"month": "pre1", "points_expired": "many"}]
    assert record["additional_properties"] == {"redemption_periods": raw}


def test_both_groups_come_and_go_from_day_to_day(tmp_path: Path) -> None:
    kinds = [MEMBER, MEMBER | INACTIVITY, MEMBER | MONTHS, MEMBER | INACTIVITY | MONTHS]
    order = [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3, 0]  # each kind after each other one
    assert len(set(pairwise(order))) == 12
    records: list[dict[str, Any]] = []
    state = None
    for days in (range(1, 7), range(7, 14)):
        for day in days:
            put(tmp_path, name_of("POINTS_EXPIRATION", day), table(kinds[order[day - 1]]))
        result = read(tmp_path, STREAM, state=state)
        check_valid(result)
        state = result.state
        records += result.records[STREAM]
    for kind, record in zip(order, records, strict=True):
        assert record["redemption_periods"] == (PERIODS if kind >= 2 else None)
        assert record["inactivity_points_exp"] == (310 if kind % 2 else None)


def test_other_columns_may_still_not_go(tmp_path: Path) -> None:
    put(tmp_path, name_of("POINTS_EXPIRATION", 1), table(MEMBER | MONTHS))
    put(tmp_path, name_of("POINTS_EXPIRATION", 2), table({"user_id": "7"} | MONTHS))
    result = read(tmp_path, STREAM, code=1)
    assert "lacks columns that earlier files have: email_address, third_party_id;" in result.stderr


def test_no_two_rows_have_one_key(tmp_path: Path) -> None:
    rows = [MEMBER | INACTIVITY | {"inactivity_points_exp": str(n)} for n in (1, 2, 2)]
    for day in (1, 2):
        put(tmp_path, name_of("POINTS_EXPIRATION", day), table(*rows))
    result = read(tmp_path, STREAM)
    keys = result.schemas[STREAM][0]["key_properties"]
    records = result.records[STREAM]
    assert len({tuple(record[key] for key in keys) for record in records}) == len(records) == 6


def test_a_row_without_the_member_s_number_is_kept(tmp_path: Path) -> None:
    (record,) = one(tmp_path, table(MEMBER | INACTIVITY | {"user_id": ""}), STREAM).records[STREAM]
    assert (record["user_id"], record["email_address"]) == (None, "m7@members.test")

"""A row that comes without an id gets one that is its own, and the same in every reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.records import surrogate_keys, timestamps, values

if TYPE_CHECKING:
    import random

STABLE = {
    "user_id": values.integer,
    "at": timestamps.normalize_timestamp,
    "points": values.integer,
    "title": values.text,
}


def ids(*rows: dict[str, Any]) -> list[str]:
    """Give the ids that copies of the rows get, in the order of the rows."""
    copies = [dict(row) for row in rows]
    surrogate_keys.assign_ids(copies, "order_id", STABLE)
    return [row["id"] for row in copies]


ROW = {"user_id": 7, "at": 1_700_000_000, "points": 5, "title": "Mug"}


@pytest.mark.parametrize(
    ("own", "expected"), [("A-1", "A-1"), (" A-1 ", "A-1"), (41, "41"), (41.0, "41"), ("41", "41")]
)
def test_an_id_of_the_api_is_kept_as_text(own: Any, expected: str) -> None:
    assert ids({**ROW, "order_id": own}) == [expected]


@pytest.mark.parametrize("own", [None, "", "  ", True, False, [], {"a": 1}, 1.5])
def test_what_is_no_id_is_passed_over_for_a_hash(own: Any) -> None:
    assert ids({**ROW, "order_id": own}) == ids(ROW)


def test_the_hash_is_the_same_on_every_machine_and_in_every_release() -> None:
    assert ids(ROW) == ["b2161a0928eb0fcbafaa1946b1d78755-0"]


@pytest.mark.parametrize(
    "drift",
    [
        {"user_id": "7"},
        {"at": "1700000000"},
        {"at": "2023-11-14T22:13:20Z"},
        {"at": "2023-11-14T17:13:20.000-05:00"},
        {"points": "5"},
        {"points": 5.0},
        {"title": "Mug "},
    ],
)
def test_the_hash_does_not_depend_on_the_form_of_a_value(drift: dict[str, Any]) -> None:
    assert ids({**ROW, **drift}) == ids(ROW)


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize("name", STABLE)
def test_a_blank_is_the_same_as_no_value(name: str, blank: Any) -> None:
    without = {key: value for key, value in ROW.items() if key != name}
    assert ids({**ROW, name: blank}) == ids(without)


@pytest.mark.parametrize(
    "other",
    [
        {"user_id": 8},
        {"at": 1_700_000_001},
        {"points": -5},
        {"points": None},
        {"points": "many"},
        {"title": "mug"},
        {"title": None, "points": "Mug"},
    ],
)
def test_rows_that_differ_in_a_stable_field_have_different_ids(other: dict[str, Any]) -> None:
    assert ids({**ROW, **other}) != ids(ROW)


def test_fields_that_may_change_do_not_change_the_id() -> None:
    assert ids({**ROW, "notes": "late", "id": "old"}) == ids(ROW)


def test_equal_rows_are_numbered() -> None:
    first, second = ids(ROW, ROW)
    assert first[:-2] == second[:-2]
    assert {first[-2:], second[-2:]} == {"-0", "-1"}


def test_equal_rows_keep_their_numbers_in_any_order() -> None:
    rows = [{**ROW, "notes": note} for note in ("b", "a", None)]
    assert ids(*rows) == list(reversed(ids(*reversed(rows))))


def test_equal_rows_keep_their_numbers_in_any_form() -> None:
    plain = [{**ROW, "flag": flag, "seen": 10 + flag, "notes": "n"} for flag in (0, 1)]
    drift = [
        {**ROW, "points": "5", "flag": "false", "seen": "1970-01-01T00:00:10Z", "notes": "n "},
        {
            **ROW,
            "at": "1700000000",
            "flag": True,
            "seen": "11",
            "extra": {"a": None},
            "tags": [],
            "notes": "n",
        },
    ]
    assert ids(*plain) == ids(*drift)


def test_what_is_nested_orders_equal_rows_too() -> None:
    rows = [{**ROW, "extra": {"tags": [{"n": n}]}} for n in (2, 1)]
    assert ids(*rows) == list(reversed(ids(*reversed(rows))))


def test_ids_of_the_api_and_hashes_stand_side_by_side() -> None:
    assert ids({**ROW, "order_id": 9}, ROW) == ["9", *ids(ROW)]


scalars = st.none() | st.integers(-9, 9) | st.sampled_from(["", "a", "5", "2026-01-01"])
rows_of_a_member = st.lists(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys((*STABLE, "notes", "flag", "order_id"), scalars)
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of_a_member, seed=st.randoms(use_true_random=False))
def test_ids_are_the_same_for_the_same_rows_in_any_order(
    rows: list[dict[str, Any]], seed: random.Random
) -> None:
    places = list(range(len(rows)))
    seed.shuffle(places)
    there = sorted(zip(ids(*rows), map(repr, rows), strict=True))
    back = [rows[place] for place in places]
    assert sorted(zip(ids(*back), map(repr, back), strict=True)) == there


@settings(max_examples=60, deadline=None)
@given(rows=rows_of_a_member)
def test_ids_that_the_tap_makes_are_unique(rows: list[dict[str, Any]]) -> None:
    made = [made for made in ids(*rows) if len(made) > 32]
    assert len(made) == len(set(made))


def entries(*rows: tuple[str, Any]) -> list[str]:
    """Give the entries that rows of a rule and a date get, in the order of the rows."""
    made = [{"rule_type": rule, "expiration_date": date} for rule, date in rows]
    surrogate_keys.assign_entries(made)
    return [row["entry"] for row in made]


PERIOD, IDLE = "redemption_period", "inactivity"


def test_entries_are_named_by_month_and_numbered_where_that_is_not_enough() -> None:
    assert entries(
        (PERIOD, "2026-06-30T00:00:00.000Z"),
        (PERIOD, "2026-05-31T23:59:59Z"),
        (PERIOD, None),
        (PERIOD, "2026-05-15"),
        (IDLE, "2027-03-09T11:30:00Z"),
        (PERIOD, "soon"),
        (IDLE, "2027-01-01T00:00:00Z"),
    ) == ["2026-06", "2026-05/2", "undated", "2026-05", "1", "undated/2", "2"]


@pytest.mark.parametrize(
    "date", [1_780_185_600, "1780185600", "2026-05-30T20:00:00-04:00", " 2026-05-31 ", "20260531"]
)
def test_a_month_is_the_same_in_any_form_of_its_date(date: Any) -> None:
    assert entries((PERIOD, date)) == ["2026-05"]


DATES = st.none() | st.integers() | st.text(max_size=12) | st.dates().map(str) | st.lists(st.none())


@given(
    rows=st.lists(st.tuples(st.sampled_from([PERIOD, IDLE]), DATES), max_size=9),
    later=st.lists(st.dates().map(str), min_size=9, max_size=9),
)
def test_keys_of_entries_are_unique_and_do_not_move_with_inactivity_dates(
    rows: list[tuple[str, Any]], later: list[str]
) -> None:
    named = entries(*rows)
    found = [(rule, entry) for (rule, _), entry in zip(rows, named, strict=True)]
    assert len(set(found)) == len(found)
    moved = [
        (rule, other if rule == IDLE else date)
        for (rule, date), other in zip(rows, later, strict=False)
    ]
    assert entries(*moved) == named

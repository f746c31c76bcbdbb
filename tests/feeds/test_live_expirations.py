"""Points expiration of Live Push: flat or in the API's arrays, one row per entry, none lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.live_events import Captures

if TYPE_CHECKING:
    from pathlib import Path

STREAM = "live_points_expiration"
RULES = ("redemption_period", "inactivity")
Row = dict[str, Any]

MEMBER = {"user_id": 88001, "email_address": "ada@example.test", "third_party_id": "A-1"}
MONTHS = [
    {"expiration_date": "2026-03-31T00:00:00Z", "points_expired": 0, "points_expiring": 75},
    {"expiration_date": "2026-04-30T00:00:00Z", "points_expired": 0, "points_expiring": 20},
]
IDLE = {
    "last_qualified_date": "2025-12-01T09:30:00Z",
    "expiration_date": "2026-12-01T09:30:00Z",
    "points_expiring": 95,
}
NESTED = {
    **MEMBER,
    "redemption_period_points_expiration": MONTHS,
    "inactivity_points_expiration": [IDLE],
}


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path)


def camel(value: Any) -> Any:
    if isinstance(value, list):
        return [camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        (head := name.split("_"))[0] + "".join(map(str.capitalize, head[1:])): camel(each)
        for name, each in value.items()
    }


def rows_of(captures: Captures, *events: Row, **settings: Any) -> list[Row]:
    captures.add(STREAM, *events)
    return captures.read(STREAM, **settings).records[STREAM]


def told(row: Row, names: Row) -> Row:
    return {name: row[name] for name in names}


@pytest.mark.parametrize("event", [NESTED, camel(NESTED)], ids=["snake", "camel"])
def test_each_entry_of_the_arrays_is_a_row_with_its_rule_and_member(
    captures: Captures, event: Row
) -> None:
    rows = rows_of(captures, event)

    assert [row["rule_type"] for row in rows] == [RULES[0], RULES[0], RULES[1]]
    for row, entry in zip(rows, [*MONTHS, IDLE], strict=True):
        assert told(row, MEMBER) == MEMBER
        assert told(row, entry) == entry
        assert row["additional_properties"] is None
    root = rows[0]["event_id"].partition("-")[0]
    assert [row["event_id"] for row in rows] == [
        f"{root}-redemption_period-1",
        f"{root}-redemption_period-2",
        f"{root}-inactivity-1",
    ]


@pytest.mark.parametrize("event", [{**MEMBER, **IDLE}, camel({**MEMBER, **IDLE})])
def test_a_flat_event_is_one_row(captures: Captures, event: Row) -> None:
    (row,) = rows_of(captures, event)
    assert told(row, MEMBER | IDLE) == MEMBER | IDLE
    assert row["rule_type"] is None
    assert len(row["event_id"]) == 32


def test_an_event_sent_again_has_the_same_ids(captures: Captures, tmp_path: Path) -> None:
    first = rows_of(captures, NESTED, NESTED)
    (tmp_path / "later").mkdir()
    again = rows_of(Captures(tmp_path / "later"), dict(reversed(NESTED.items())))
    assert [row["event_id"] for row in first] == [row["event_id"] for row in again]


def test_an_event_without_entries_is_a_row_all_the_same(captures: Captures) -> None:
    empty = {**MEMBER, "redemption_period_points_expiration": []}
    null = {**MEMBER, "redemption_period_points_expiration": None}
    rows = rows_of(captures, empty, null)
    assert [row["user_id"] for row in rows] == [88001, 88001]
    assert all(row["rule_type"] is row["additional_properties"] is None for row in rows)


def test_an_entry_outside_an_array_is_an_entry(captures: Captures) -> None:
    (row,) = rows_of(captures, {**MEMBER, "inactivity_points_expiration": IDLE})
    assert (row["rule_type"], told(row, IDLE)) == ("inactivity", IDLE)


def test_what_is_no_entry_is_kept_as_it_came(captures: Captures) -> None:
    name = "redemption_period_points_expiration"
    rows = rows_of(captures, {**MEMBER, name: [MONTHS[0], "soon"]}, {**MEMBER, name: "later"})
    assert [row["points_expiring"] for row in rows] == [75, None]
    assert [row["additional_properties"] for row in rows] == [{name: ["soon"]}, {name: ["later"]}]


def test_the_member_is_hashed_in_every_row_and_so_is_the_number(captures: Captures) -> None:
    kept = rows_of(captures, NESTED)
    hidden = rows_of(captures, sensitive_data="hash", hash_key="0123456789abcdef")
    assert len({row["email_address"] for row in hidden}) == 1
    assert not {row["event_id"] for row in kept} & {row["event_id"] for row in hidden}
    assert len({row["event_id"] for row in hidden}) == 3


entries = st.fixed_dictionaries(
    {},
    optional={
        "expiration_date": st.sampled_from(["1780000000", "2026-03-31T00:00:00.000Z", None]),
        "points_expiring": st.integers(0, 9),
        "points_redeemed": st.integers(0, 9),
        "new_property": st.integers(),
    },
)
arrays = st.lists(entries | st.none() | st.integers(1, 9), max_size=4) | entries | st.none()
events = st.fixed_dictionaries(
    {"user_id": st.integers(1, 9)},
    optional={
        **{f"{rule}_points_expiration": arrays for rule in RULES},
        "points_expiring": st.integers(0, 9) | st.none(),
        "message_date": st.just("1770000000"),
    },
)


def entries_in(event: Row) -> int:
    values = [event.get(f"{rule}_points_expiration") for rule in RULES]
    return sum(
        isinstance(item, dict)
        for value in values
        for item in (value if isinstance(value, list) else [value])
    )


@settings(max_examples=25, deadline=None)
@given(sent=st.lists(events, min_size=1, max_size=9, unique_by=repr))
def test_no_entry_is_lost_and_no_two_rows_share_an_id(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Row]
) -> None:
    rows = rows_of(Captures(tmp_path_factory.mktemp("live")), *sent)
    expected = 0
    for event in sent:
        count = entries_in(event)
        expected += count + (not count or event.get("points_expiring") is not None)
    assert len(rows) == expected
    assert len({row["event_id"] for row in rows}) == len(rows)

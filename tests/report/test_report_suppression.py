"""What counts so few members that it would be about single persons is hidden."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crowdtwist_report.suppression import MINIMUM, hidden_cells

TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 12), min_size=width, max_size=width), min_size=1, max_size=5
    )
)


def test_cells_of_one_to_four_members_are_hidden_and_no_others_without_a_total() -> None:
    members = dict(enumerate([0, 1, 4, 5, 300]))

    assert hidden_cells(members, []) == {1, 2}


def test_the_smallest_other_cell_is_hidden_where_a_total_would_give_one_away() -> None:
    assert hidden_cells({"a": 3, "b": 80, "c": 7}, ["abc"]) == {"a", "c"}


def test_two_hidden_cells_of_perhaps_the_same_few_members_take_a_third_with_them() -> None:
    assert hidden_cells({"a": 3, "b": 3, "c": 60, "d": 50}, ["abcd"]) == {"a", "b", "d"}


def test_an_empty_cell_is_hidden_where_no_other_is_left() -> None:
    assert hidden_cells({"a": 4, "b": 0, "c": 9}, ["ab"]) == {"a", "b"}


def test_what_a_column_hides_is_not_given_away_by_a_row() -> None:
    members = {"a1": 2, "a2": 9, "b1": 6, "b2": 30}

    assert hidden_cells(members, [["a1", "a2"], ["b1", "b2"], ["a1", "b1"], ["a2", "b2"]]) == set(
        members
    )


@given(TABLES)
def test_no_hidden_cell_can_be_computed_from_totals_of_rows_and_columns(
    table: list[list[int]],
) -> None:
    members = {(y, x): count for y, row in enumerate(table) for x, count in enumerate(row)}
    rows = [[(y, x) for x in range(len(table[0]))] for y in range(len(table))]
    lines = [*rows, *map(list, zip(*rows, strict=True))]

    hidden = hidden_cells(members, lines)

    assert {cell for cell, count in members.items() if 0 < count < MINIMUM} <= hidden
    for line in lines:
        inside = [cell for cell in line if cell in hidden]
        others = [cell for cell in line if cell not in hidden]
        if inside and others:
            assert len(inside) > 1
            assert max(members[cell] for cell in inside) >= MINIMUM

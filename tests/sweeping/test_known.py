"""A member who is new to the roster is never taken for one who was read before."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.roster import Roster
from tap_crowdtwist.state.known import BUCKETS, Sketch, newcomers

IDS = st.sets(st.integers(1, 5000), min_size=1, max_size=200)


def remembered(roster: Roster) -> Sketch:
    """A sketch that has been through a state file."""
    sketch = Sketch.load(json.loads(json.dumps(Sketch.of(roster).dump())))
    assert sketch is not None
    return sketch


@settings(max_examples=150, deadline=None)
@given(IDS, IDS)
def test_whoever_joined_is_new(before: set[int], after: set[int]) -> None:
    is_new = newcomers(remembered(Roster(before)), Roster(after))
    assert all(is_new(member) for member in after - before)


@settings(max_examples=100, deadline=None)
@given(IDS, st.sets(st.integers(5001, 9000), max_size=50))
def test_nobody_else_is_new_when_members_join_above_the_largest_id(
    before: set[int], joined: set[int]
) -> None:
    is_new = newcomers(remembered(Roster(before)), Roster(before | joined))
    assert {member for member in before | joined if is_new(member)} == joined


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.text("abcdef@.", min_size=1), min_size=1, max_size=100), st.text("xyz", min_size=1)
)
def test_ids_of_other_types_work_too(before: set[str], joined: str) -> None:
    roster = Roster(before, "email")
    assert not any(map(newcomers(remembered(roster), roster), roster))
    assert newcomers(remembered(roster), Roster(before | {joined}, "email"))(joined)


def test_a_change_among_old_ids_costs_a_256th_of_the_roster() -> None:
    before = range(10, 200_000, 10)
    is_new = newcomers(remembered(Roster(before)), Roster([*before, 15, 25]))
    asked_anew = sum(map(is_new, before))
    assert 0 < asked_anew <= 3 * 2 * len(before) / BUCKETS


def test_the_sketch_has_one_size() -> None:
    sizes = {len(json.dumps(Sketch.of(Roster(range(1, n))).dump())) for n in (1001, 9001)}
    assert len(sizes) == 1
    assert sizes.pop() < 2000


def test_what_is_not_a_sketch_is_none() -> None:
    for stored in (None, {}, {"sums": "@"}, {"sums": "AAAA"}, {"sums": 7}, {"sums": None}):
        assert Sketch.load(stored) is None


def test_an_empty_roster_has_a_sketch_and_no_newcomers() -> None:
    empty = Roster([])
    assert newcomers(Sketch.of(empty), Roster([5]))(5)
    assert not [member for member in empty if newcomers(Sketch.of(empty), empty)(member)]

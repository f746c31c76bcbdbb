"""A member whom the last complete sweep did not read is never taken for one that it did read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.state.roster_digest import ROWS, RosterDigest

IDS = st.sets(st.integers(1, 5000), max_size=200)


def digest_of(*members: int) -> RosterDigest:
    """A digest that has been through a state file."""
    digest = RosterDigest()
    for member in members:
        digest.add(member)
    loaded = RosterDigest.load(json.loads(json.dumps(digest.dump())))
    assert loaded is not None
    return loaded


@settings(max_examples=150, deadline=None)
@given(IDS, IDS)
def test_whoever_was_not_read_is_new(before: set[int], after: set[int]) -> None:
    is_new = digest_of(*before).new_member_test(digest_of(*after))
    assert (is_new is None) is (before == after)
    assert is_new is None or all(map(is_new, after - before))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 5000), unique=True), st.integers(0, 5000), st.data())
def test_neither_order_nor_parts_make_a_difference(
    members: list[int], cut: int, data: st.DataObject
) -> None:
    turned = data.draw(st.permutations(members))
    assert digest_of(*members) == digest_of(*turned[:cut]) | digest_of(*turned[cut:])


@pytest.mark.parametrize(("joined", "share"), [(10, 0.006), (50, 0.1), (200, 0.64), (500, 0.97)])
def test_how_many_others_are_taken_for_new_with_those_who_are(joined: int, share: float) -> None:
    before = range(10, 200_000, 10)
    is_new = digest_of(*before).new_member_test(digest_of(*before, *range(5, 5 + 20 * joined, 20)))
    assert is_new is not None
    assert sum(map(is_new, before)) / len(before) == pytest.approx(share, rel=0.15, abs=0.003)


def test_the_digest_has_one_size() -> None:
    sizes = {len(json.dumps(digest_of(*range(1001, n)).dump())) for n in (1100, 9001)}
    assert len(sizes) == 1
    assert sizes.pop() < 1450


def test_what_is_not_a_digest_is_none() -> None:
    for stored in (None, {}, {"sums": "@"}, {"sums": "AAAA"}, {"sums": 7}, {"sums": None}):
        assert RosterDigest.load(stored) is None
    whole = digest_of(1).dump()
    assert RosterDigest.load(whole | {"largest": "x"}) is None
    assert ROWS > 1

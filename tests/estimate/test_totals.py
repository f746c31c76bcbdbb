"""The interval of a total holds the true total, also if a few members have most of the rows."""

from __future__ import annotations

from random import Random

import pytest

from tap_crowdtwist.estimate.totals import Total, total_of
from tap_crowdtwist.members.roster import Roster, Shard

HEAVY_EVERY = 97
"""One member in so many has ten to twenty times the rows of the others, as in the sandbox."""


def rows_of(random: Random, member: int) -> int:
    return random.randint(650, 900) if member % HEAVY_EVERY == 0 else random.randint(30, 80)


@pytest.mark.parametrize("members", [1_000, 2_000, 20_000])
def test_the_interval_holds_the_truth_in_95_of_100_samples(members: int) -> None:
    random = Random(1)  # noqa: S311 - nothing secret
    rows = [rows_of(random, member) for member in range(members)]
    totals = [total_of(random.sample(rows, 500), members) for _ in range(1_000)]
    held = sum(total.low <= sum(rows) <= total.high for total in totals)
    assert 0.93 <= held / len(totals) <= 0.99


def test_a_sample_of_100_would_be_too_small_for_such_rows() -> None:
    random = Random(1)  # noqa: S311 - nothing secret
    rows = [rows_of(random, member) for member in range(2_000)]
    totals = [total_of(random.sample(rows, 100), len(rows)) for _ in range(1_000)]
    assert sum(total.low <= sum(rows) <= total.high for total in totals) < 750


def test_a_total_of_all_members_is_exact() -> None:
    assert total_of([1, 2, 30], 3) == Total(33.0, 0.0)


def test_equal_members_leave_nothing_uncertain() -> None:
    assert total_of([2, 2, 2], 1_000) == Total(2_000.0, 0.0)


def test_an_interval_does_not_reach_below_0() -> None:
    assert total_of([0, 0, 30], 1_000).low == 0


def test_nobody_costs_nothing() -> None:
    assert total_of([], 0) == Total(0.0)


def test_margins_add_up() -> None:
    assert Total(5, 1) + Total(7, 2) == Total(12, 3)


def test_a_sample_does_not_depend_on_the_order_of_the_roster() -> None:
    members = list(range(1_000, 2_000))
    sample = Roster(members).sample(50)
    assert len(sample) == 50
    assert list(Roster(reversed(members)).sample(50)) == list(sample)


def test_a_larger_sample_holds_a_smaller_one() -> None:
    roster = Roster(range(1_000))
    assert set(roster.sample(10)) < set(roster.sample(100))


def test_a_member_that_joins_takes_the_place_of_one_at_most() -> None:
    before, after = (set(Roster(range(size)).sample(100)) for size in (1_000, 1_001))
    assert len(before - after) <= 1


def test_a_sample_is_spread_over_the_roster() -> None:
    positions = [int(member) // 100 for member in Roster(range(1_000)).sample(200)]
    assert all(10 <= positions.count(tenth) <= 30 for tenth in range(10))


def test_a_sample_is_spread_over_the_shards() -> None:
    sample = Roster(range(10_000)).sample(400)
    parts = [sum(map(Shard(number, 4).holds, sample)) for number in (1, 2, 3, 4)]
    assert all(70 <= part <= 130 for part in parts)


def test_a_sample_that_is_larger_than_the_roster_is_the_roster() -> None:
    roster = Roster(["b@x.example", "a@x.example"], "email")
    assert list(roster.sample(10)) == list(roster)


def test_a_sample_keeps_shard_type_and_pseudonyms() -> None:
    roster = Roster((f"{n}@x.example" for n in range(100)), "email", Shard(1, 2), str.upper)
    sample = roster.sample(5)
    assert (sample.id_type, sample.shard, sample.kind) == ("email", Shard(1, 2), roster.kind)
    assert sample.ids_read == 100

"""A sweep is loaded as it was dumped, and resumed only if its bounds still suffice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.state import SweepPlan, SweepState
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep_begin import is_resumable
from tap_crowdtwist.state.sweep_storage import dump, load

if TYPE_CHECKING:
    from tap_crowdtwist.state.sweep import SweepMembers

NOW = datetime(2026, 11, 20, 2, tzinfo=timezone.utc)
DAY = timedelta(days=1)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - given a zone by the strategy
COUNTS = st.integers(0, 10**7)
NUMBERS = st.integers(1, 10**12)


@st.composite
def digests(draw: st.DrawFn) -> RosterDigest:
    """A digest of a few members."""
    digest = RosterDigest()
    for member in draw(st.lists(NUMBERS, max_size=3)):
        digest.add(member)
    return digest


@st.composite
def failed_members(draw: st.DrawFn) -> FailedMembers:
    """Members that failed, as they are in a sweep that has just been loaded."""
    tokens = draw(st.sets(NUMBERS, max_size=5))
    since = draw(st.none() | TIMES) if tokens else None
    return FailedMembers(tokens, since, overflowed=draw(st.booleans()))


@st.composite
def sweeps(draw: st.DrawFn) -> SweepState:
    """A sweep with any value of each attribute that a state holds."""
    sweep = SweepState(
        draw(TIMES),
        draw(st.none() | TIMES),
        draw(st.none() | NUMBERS | st.text(min_size=1)),
        draw(failed_members()),
        read_digest=draw(st.none() | digests()),
        asked=draw(COUNTS),
        missing=draw(COUNTS),
        not_configured=draw(COUNTS),
        files=draw(st.none() | st.just({"push": {"first": 20523}, "feeds": ["PROFILE"]})),
        members=draw(st.sampled_from(["all", "changed", "updated"])),
        version=draw(st.none() | NUMBERS),
        roster_checksum=draw(st.none() | st.integers(1, 2**32 - 1)),
        doubt=draw(st.text()),
    )
    if sweep.read_digest is not None:
        sweep.new_members, sweep.failed_digest = draw(digests()), draw(digests())
    return sweep


@settings(max_examples=200, deadline=None)
@given(sweeps())
def test_a_sweep_is_loaded_as_it_was_dumped(sweep: SweepState) -> None:
    assert load(json.loads(json.dumps(dump(sweep)))) == sweep


def test_what_is_empty_takes_no_room() -> None:
    sweep = SweepState(NOW, None, read_digest=None)
    assert dump(sweep) == {"started_at": "2026-11-20T02:00:00Z"}


def test_members_that_failed_in_this_run_are_loaded_as_those_of_an_earlier_one() -> None:
    sweep = SweepState(NOW, NOW - DAY, failed=FailedMembers({5}, NOW - DAY, {7}, None))
    loaded = load(dump(sweep))
    assert loaded.failed == FailedMembers({5, 7}, None)


def test_a_digest_that_is_damaged_counts_as_lost() -> None:
    sweep = SweepState(NOW, None)
    damaged = {**dump(sweep), "read_digest": {"sums": "?"}}
    assert load(damaged).read_digest is None


def plan(members: SweepMembers = "all") -> SweepPlan:
    return SweepPlan("toys", NOW, "order_date", None, DAY, members=members)


@pytest.mark.parametrize(
    ("began", "now", "resumes"),
    [
        (NOW - DAY, NOW - DAY, True),
        (NOW - 2 * DAY, NOW - DAY, True),
        (None, NOW - DAY, True),
        (None, None, True),
        (NOW - DAY, NOW - 2 * DAY, False),
        (NOW - DAY, None, False),
    ],
)
def test_a_sweep_is_resumed_only_with_a_bound_that_is_early_enough(
    began: datetime | None, now: datetime | None, *, resumes: bool
) -> None:
    assert is_resumable(dump(SweepState(NOW, began)), plan(), now) is resumes


MODES: tuple[SweepMembers, ...] = ("all", "changed", "updated")


@pytest.mark.parametrize("began", MODES)
@pytest.mark.parametrize("now", MODES)
def test_a_sweep_is_resumed_by_one_of_its_kind_and_one_of_updated_members_never(
    began: SweepMembers, now: SweepMembers
) -> None:
    stored = dump(SweepState(NOW, None, members=began))
    assert is_resumable(stored, plan(now), None) is (began == now != "updated")


def test_failed_members_alone_are_no_sweep() -> None:
    failed: dict[str, Any] = FailedMembers({5}).dump()
    assert not is_resumable(failed, plan(), None)

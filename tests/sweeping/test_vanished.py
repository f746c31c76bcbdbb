"""`vanished_rows: forget`: what the messages say, and every case in which nothing is forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.harness import entry_of, select
from support.mortal_writer import CrashError
from support.vanished_rows import DAY, NOW, PURCHASES, RECEIPTS, Outcome, Program, Target, run

MEMBERS = 20
LATER = NOW + DAY
FIRST = int(NOW.timestamp() * 1000)
SECOND = int(LATER.timestamp() * 1000)


def program(members: int = MEMBERS) -> Program:
    """Two receipts of each member."""
    return Program({member: {member * 10, member * 10 + 1} for member in range(1, members + 1)})


def assert_kept(outcome: Outcome, because: str) -> None:
    """Check that nothing is forgotten, and that the summary says why in one sentence."""
    assert not outcome.activated
    assert because in outcome.vanished
    sentences = [line for line in outcome.said.splitlines() if line.startswith("Rows that no")]
    assert sentences == [f"Rows that no longer exist stay in receipts: {outcome.vanished}"]
    assert json.dumps(outcome.vanished) in outcome.said  # the JSON line has it too


def test_a_second_complete_sweep_forgets_what_is_no_more() -> None:
    subject, target = program(), Target()
    first = run(subject)
    target.load(first.messages)
    assert_kept(first, "knows of no complete sweep before")
    assert first.versions() == {FIRST}
    subject.receipts[3].discard(30)
    second = run(subject, first.state, now=LATER)
    target.load(second.messages)
    assert second.versions() == {SECOND}
    assert second.activated == {RECEIPTS: [SECOND]}
    assert second.vanished == "forgotten"
    assert "Rows that no longer exist" not in second.said
    kinds = [message["type"] for message in second.messages]
    last = len(kinds) - kinds[::-1].index("RECORD")
    assert kinds[last : last + 3] == ["STATE", "ACTIVATE_VERSION", "STATE"]
    assert target.rows() == subject.rows


def test_nothing_has_a_version_unless_asked_for() -> None:
    subject = program()
    first = run(subject, vanished_rows="keep")
    second = run(subject, first.state, vanished_rows="keep", now=LATER)
    for outcome in (first, second):
        assert outcome.versions() == {None}
        assert not outcome.activated
        assert "version" not in outcome.state["bookmarks"][RECEIPTS]["roster"]
        assert not outcome.vanished
        assert "vanished" not in outcome.said


def test_a_sweep_keeps_its_version_across_interruptions() -> None:
    subject, target = program(), Target()
    state = run(subject).state
    subject.receipts[3].discard(30)
    versions: set[int | None] = set()
    for number in range(3):
        cut = run(subject, state, life=20, now=LATER + number * DAY)
        assert isinstance(cut.error, CrashError)
        versions |= cut.versions()
        target.load(cut.messages)
        state = cut.state
    last = run(subject, state, now=LATER + 9 * DAY)
    target.load(last.messages)
    assert versions | last.versions() == {SECOND}
    assert last.activated == {RECEIPTS: [SECOND]}
    assert target.rows() == subject.rows


def test_a_version_never_goes_back_with_the_clock() -> None:
    subject, target = program(), Target()
    first = run(subject, now=LATER)
    target.load(first.messages)
    subject.receipts[3].discard(30)
    second = run(subject, first.state, now=NOW)
    target.load(second.messages)
    assert second.activated == {RECEIPTS: [SECOND + 1]}
    assert target.rows() == subject.rows


def test_incremental_streams_never_forget() -> None:
    subject, both = program(), (PURCHASES, RECEIPTS)
    first = run(subject, streams=both)
    second = run(subject, first.state, now=LATER, streams=both)
    assert second.versions(PURCHASES) == {None}
    assert second.versions(RECEIPTS) == {SECOND}
    assert second.activated == {RECEIPTS: [SECOND]}


def test_histories_never_forget_whatever_the_catalog_says() -> None:
    """From a later `start_date` on, they lack rows that are still there."""
    subject, catalog = program(), select(PURCHASES)
    entry_of(catalog, PURCHASES)["replication_method"] = "FULL_TABLE"
    for each in entry_of(catalog, PURCHASES)["metadata"]:
        if not each["breadcrumb"]:
            each["metadata"]["forced-replication-method"] = "FULL_TABLE"
            each["metadata"]["replication-method"] = "FULL_TABLE"
    first = run(subject, catalog=catalog)
    second = run(subject, first.state, now=LATER, catalog=catalog, start_date="2026-02-20")
    assert first.messages
    assert second.versions(PURCHASES) == {None}
    assert not second.activated


# When nothing is forgotten


def after_one(subject: Program) -> dict[str, Any]:
    return run(subject).state


def test_not_while_a_member_failed_and_then_with_the_next_sweep() -> None:
    subject, target = program(), Target()
    first = run(subject)
    target.load(first.messages)
    subject.failing = {4}
    failed = run(subject, first.state, now=LATER)
    target.load(failed.messages)
    assert_kept(failed, "members failed")
    assert target.rows() == subject.rows
    subject.failing = set()
    mended = run(subject, failed.state, now=LATER + DAY)
    assert mended.vanished == "forgotten"


def test_not_where_a_listing_disagrees_with_its_total() -> None:
    subject = program()
    state = after_one(subject)
    subject.cut = {4}
    assert_kept(run(subject, state, now=LATER), "not certain to be whole")


def test_not_where_rows_without_a_key_were_left_out() -> None:
    subject = program()
    state = after_one(subject)
    subject.without_id = {4}
    assert_kept(run(subject, state, now=LATER), "without a key")


@pytest.mark.parametrize("fault", ["cut", "without_id"])
def test_a_doubt_of_an_interrupted_run_holds_for_the_sweep(fault: str) -> None:
    subject = program()
    state = after_one(subject)
    subject.set_fault(fault, {2})
    cut = run(subject, state, life=20, now=LATER)
    assert isinstance(cut.error, CrashError)
    subject.set_fault(fault, set())
    resumed = run(subject, cut.state, now=LATER)
    assert not resumed.activated
    assert resumed.vanished in {
        "a list is not certain to be whole",
        "rows without a key were left out",
    }
    assert run(subject, resumed.state, now=LATER + DAY).vanished == "forgotten"


def test_not_with_shards() -> None:
    subject = program()
    state: dict[str, Any] = {}
    for number in range(2):
        outcome = run(subject, state, shard="1/2", now=NOW + number * DAY)
        assert outcome.versions() == {None}
        assert_kept(outcome, "one shard of several")
        state = outcome.state


@pytest.mark.parametrize(("left", "forgets"), [(18, True), (17, False), (1, False)])
def test_not_where_the_roster_is_smaller_than_nine_tenths(left: int, *, forgets: bool) -> None:
    subject = program()
    state = after_one(subject)
    for number in range(3):  # a mistake that is made again is none the less one
        outcome = run(subject, state, roster=range(1, left + 1), now=LATER + number * DAY)
        state = outcome.state
        if forgets:
            assert outcome.vanished == "forgotten"
        else:
            assert_kept(outcome, f"({left} members, and 20 before)")
    assert run(subject, state, now=LATER + 9 * DAY).vanished == "forgotten"


def test_a_mistaken_roster_is_not_accepted_with_a_sweep_that_began_without_versions() -> None:
    subject = program()
    state = after_one(subject)
    state = run(subject, state, life=12, now=LATER, vanished_rows="keep").state
    for number in range(2):
        outcome = run(subject, state, roster=[MEMBERS], now=LATER + number * DAY)
        state = outcome.state
    assert_kept(outcome, "(1 members, and 20 before)")


def test_a_smaller_roster_is_accepted_by_a_run_that_keeps() -> None:
    subject = program()
    state = after_one(subject)
    half = range(1, MEMBERS // 2)
    accepted = run(subject, state, roster=half, now=LATER, vanished_rows="keep")
    outcome = run(subject, accepted.state, roster=half, now=LATER + DAY)
    assert outcome.vanished == "forgotten"


def test_not_where_crowdtwist_knows_far_fewer_of_the_roster() -> None:
    """A key of another program, and a `max_missing_ratio` that accepts it."""
    subject = program()
    state = after_one(subject)
    assert_kept(run(Program({}), state, roster=range(1, MEMBERS + 1), now=LATER), "(0 members")


def test_not_where_more_are_missing_than_max_missing_ratio_allows() -> None:
    subject = program()
    state = after_one(subject)
    for member in range(1, 12):
        del subject.receipts[member]
    outcome = run(subject, state, roster=range(1, MEMBERS + 1), now=LATER, max_missing_ratio=0.5)
    assert outcome.error is not None
    assert not outcome.activated


def test_not_where_the_stream_was_skipped() -> None:
    subject = program(30)
    state = after_one(subject)
    subject.lacking = set(subject.receipts)
    assert_kept(run(subject, state, now=LATER), "the stream was skipped")


def test_not_where_the_program_lost_the_stream_under_way() -> None:
    """Receipts that are switched off for an hour are still there when they are back."""
    subject = program(30)
    state = after_one(subject)
    subject.lacking = set(subject.receipts) - {1}
    assert_kept(run(subject, state, now=LATER), "told that the program lacks this")


@pytest.mark.parametrize(
    ("lacking_until_the_end", "because"),
    [(True, "the stream was skipped"), (False, "told that the program lacks this")],
)
def test_not_where_members_before_the_interruption_lacked_the_stream(
    because: str, *, lacking_until_the_end: bool
) -> None:
    """Too few are asked by each run to take the stream for one that the program lacks."""
    subject, target = program(30), Target(hard=True)
    first = run(subject)
    target.load(first.messages)
    subject.lacking = set(subject.receipts)
    cut = run(subject, first.state, life=10, now=LATER)
    if not lacking_until_the_end:
        subject.lacking = set()
    resumed = run(subject, cut.state, now=LATER)
    target.load([*cut.messages, *resumed.messages])
    assert_kept(resumed, because)
    assert target.rows() == subject.rows


def test_not_with_another_roster_than_the_sweep_began_with() -> None:
    """Who is back in the roster, before the cursor, was not read by this sweep."""
    subject, target = program(), Target()
    first = run(subject)
    target.load(first.messages)
    others = set(subject.receipts) - {2}
    cut = run(subject, first.state, roster=others, life=20, now=LATER)
    target.load(cut.messages)
    resumed = run(subject, cut.state, now=LATER)
    target.load(resumed.messages)
    assert_kept(resumed, "the roster changed while the sweep was interrupted")
    assert target.rows() == subject.rows


@pytest.mark.parametrize("order", [("keep", "forget"), ("forget", "keep", "forget")])
def test_not_where_a_part_of_the_sweep_had_no_version(order: tuple[str, ...]) -> None:
    subject, target = program(), Target()
    first = run(subject)
    target.load(first.messages)
    state = first.state
    for setting in order[:-1]:
        cut = run(subject, state, life=12, now=LATER, vanished_rows=setting)
        assert isinstance(cut.error, CrashError)
        target.load(cut.messages)
        state = cut.state
    last = run(subject, state, now=LATER, vanished_rows=order[-1])
    target.load(last.messages)
    assert_kept(last, "began without table versions")
    assert target.rows() == subject.rows


def test_not_where_a_map_sends_another_stream_into_the_table() -> None:
    subject, both = program(), (PURCHASES, RECEIPTS)
    maps = {"*": {"__alias__": "'all'"}}
    state = run(subject, streams=both, stream_maps=maps).state
    outcome = run(subject, state, streams=both, stream_maps=maps, now=LATER)
    assert_kept(outcome, "writes another stream into the same table")


def test_every_table_that_maps_make_of_a_stream_forgets() -> None:
    subject, maps = program(), {"copies": {"__source__": RECEIPTS}}
    state = run(subject, stream_maps=maps).state
    outcome = run(subject, state, stream_maps=maps, now=LATER)
    assert outcome.activated == {RECEIPTS: [SECOND], "copies": [SECOND]}


@pytest.mark.parametrize("forgets_unversioned", [True, False])
def test_one_member_again_empties_no_table(*, forgets_unversioned: bool) -> None:
    subject, target = program(), Target(hard=True, forgets_unversioned=forgets_unversioned)
    first = run(subject)
    target.load(first.messages)
    again = run(subject, roster=[3], now=LATER)
    target.load(again.messages)
    assert_kept(again, "knows of no complete sweep before")
    assert target.rows() == subject.rows
    subject.receipts[3].discard(30)
    second = run(subject, first.state, now=LATER + DAY)
    target.load(second.messages)
    assert target.rows() == subject.rows


def test_a_roster_of_whom_many_were_always_missing_does_not_count_as_shrunk() -> None:
    subject = program()
    roster = range(1, 2 * MEMBERS)
    state = run(subject, roster=roster, vanished_rows="keep").state
    assert run(subject, state, roster=roster, now=LATER).vanished == "forgotten"


@pytest.mark.parametrize(("left", "is_whole"), [(0, True), (1, False)])
def test_a_stream_that_is_left_alone_with_another_roster_is_not_whole(
    left: int, *, is_whole: bool
) -> None:
    """Who is back in the roster when a run goes on was not asked in what it leaves alone."""
    subject = program()
    roster = range(1 + left, MEMBERS + 1)
    whole = run(subject, roster=roster, vanished_rows="keep")
    cut = run(subject, roster=roster, vanished_rows="keep", life=len(whole.messages) - 1)
    assert isinstance(cut.error, CrashError)
    assert cut.state["bookmarks"][RECEIPTS]["whole_since"]
    resumed = run(subject, cut.state, vanished_rows="keep")
    assert resumed.all_stats[RECEIPTS].skip_reason
    assert bool(resumed.state["bookmarks"][RECEIPTS]["whole_since"]) is is_whole

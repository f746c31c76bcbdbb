"""What a program lacks when all members are swept, and has later, and the other way round."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from support.changed_members import Brand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_CONFIGURED = {"not_configured": True}
LACKED = "the program lacked this; the next sweep of all members looks again"


@pytest.fixture
def brand(tmp_path: Path) -> Iterator[Brand]:
    """A brand that has never been read."""
    with Brand(tmp_path, members=30) as brand:
        brand.deliver(0)
        yield brand


def scan(brand: Brand, *, receipts: bool) -> None:
    """Let the program begin, or cease, to scan receipts; what it has it keeps."""
    engine = brand.running.engine
    engine.options = dataclasses.replace(engine.options, receipt_scanning=receipts)


def test_a_resource_that_the_program_lacks_does_not_hold_up_the_others(brand: Brand) -> None:
    scan(brand, receipts=False)
    assert not brand.run("all").said
    assert brand.note("receipts") == NOT_CONFIGURED
    for _ in range(3):
        brand.pass_day()
        outcome = brand.run()
        assert not outcome.said
        assert not brand.lacks()
        assert outcome.members("users")
        assert outcome.requests["receipts"] == 0
        assert outcome.summary["receipts"]["skip_reason"] == LACKED
        assert brand.note("receipts") == NOT_CONFIGURED


def test_a_stream_that_is_skipped_as_lacking_is_warned_of(
    brand: Brand, capsys: pytest.CaptureFixture[str]
) -> None:
    scan(brand, receipts=False)
    brand.run("all", streams=("receipts",))
    message = "receipts has no rows: The program does not use this feature\n"
    assert capsys.readouterr().err.count(message) == 1
    brand.pass_day()
    brand.run(streams=("receipts",))
    assert capsys.readouterr().err.count(f"receipts is skipped: {LACKED}") == 1


def test_a_resource_that_comes_later_is_read_by_the_next_sweep_of_all(brand: Brand) -> None:
    scan(brand, receipts=False)
    assert not brand.run("all").said
    scan(brand, receipts=True)
    brand.pass_day()
    assert not brand.run().said
    assert list(brand.lacks()) == ["receipts"], "or else the next sweep had nothing to do"
    assert not brand.run("all").said
    assert not brand.lacks()
    brand.pass_day()
    outcome = brand.run()
    assert not outcome.said
    assert outcome.requests["receipts"] == len(outcome.members("users"))
    assert not brand.lacks()


def test_what_goes_and_comes_back_is_read_again(brand: Brand) -> None:
    assert not brand.run("all").said
    scan(brand, receipts=False)
    for _ in range(4):
        brand.pass_day()
        assert not brand.run().said
        assert not brand.lacks()
    scan(brand, receipts=True)
    assert brand.lacks()
    brand.pass_day()
    if LACKED in brand.run().summary["receipts"]["skip_reason"]:
        assert not brand.run("all").said
    assert not brand.lacks()


def test_few_who_lack_a_resource_stay_due(brand: Brand) -> None:
    assert not brand.run("all").said
    scan(brand, receipts=False)
    noted = brand.note("receipts")
    brand.pass_day()
    few = brand.run(streams=("receipts",))
    assert 0 < few.requests["receipts"] < 25
    assert brand.note("receipts") == noted
    scan(brand, receipts=True)
    assert not brand.run().said
    assert not brand.lacks()


def test_few_who_lack_a_resource_do_not_hide_a_member_that_failed(brand: Brand) -> None:
    assert not brand.run("all").said
    brand.pass_day()
    brand.running.set_faults("bad_gateway=1")
    assert "failed in `receipts`" in brand.run(streams=("receipts",), max_retries=0).said
    brand.running.set_faults("")
    scan(brand, receipts=False)
    brand.run(streams=("receipts",))
    assert brand.entry("receipts")["sweep"]["failed"]["count"]
    scan(brand, receipts=True)
    assert not brand.run().said
    assert not brand.lacks()


def test_many_who_lack_a_resource_speak_for_the_program(brand: Brand) -> None:
    assert not brand.run("all").said
    scan(brand, receipts=False)
    for _ in range(12):
        brand.pass_day()
        assert not brand.run(streams=("receipts",)).said
    assert brand.note("receipts") == NOT_CONFIGURED
    assert brand.run(streams=("receipts",)).requests["receipts"] == 0
    scan(brand, receipts=True)
    assert not brand.run("all").said
    assert not brand.lacks()


def test_members_before_an_interruption_count_too(brand: Brand) -> None:
    """Neither part of the sweep asks 25 members; together they ask all of them."""
    scan(brand, receipts=False)
    assert brand.run("all", streams=("receipts",), life=14).crashed
    asked = brand.entry("receipts")["sweep"]["asked"]
    assert 0 < asked == brand.entry("receipts")["sweep"]["not_configured"] < 25
    resumed = brand.run("all", streams=("receipts",))
    assert not resumed.said
    assert resumed.requests["receipts"] < 25
    assert brand.note("receipts") == NOT_CONFIGURED


def test_those_who_are_deleted_say_nothing_of_the_program(brand: Brand) -> None:
    """A member who is gone has not got the resource, and does not lack it either."""
    scan(brand, receipts=False)
    roster = ["999999999", *brand.running.roster()]
    assert not brand.run("all", user_ids=roster).said
    assert brand.note("receipts") == NOT_CONFIGURED


@pytest.mark.parametrize("members", [10, 30])
def test_who_failed_before_does_not_make_every_run_fail(tmp_path: Path, members: int) -> None:
    """Nobody asks a member that failed as long as the stream is skipped."""
    with Brand(tmp_path, members=members) as brand:
        brand.deliver(0)
        brand.running.set_faults("bad_gateway@3")
        assert "1 member failed" in brand.run("all", streams=("receipts",)).said
        brand.running.set_faults("")
        scan(brand, receipts=False)
        for run in ("all", "changed", "all"):
            brand.pass_day()
            assert not brand.run(run, streams=("receipts",)).said
        scan(brand, receipts=True)
        assert not brand.run("all").said
        assert not brand.lacks()


@pytest.mark.parametrize("members", [10, 30])
def test_who_fails_does_not_hide_what_the_others_lack(tmp_path: Path, members: int) -> None:
    """Nobody was read, so a sweep of changed members would leave out the others."""
    with Brand(tmp_path, members=members) as brand:
        brand.deliver(0)
        scan(brand, receipts=False)
        brand.running.set_faults("bad_gateway@3")
        assert "members that failed: 1" in brand.run("all", streams=("receipts",)).said
        brand.running.set_faults("")
        assert brand.note("receipts") == NOT_CONFIGURED
        scan(brand, receipts=True)
        brand.pass_day()
        outcome = brand.run(streams=("receipts",))
        assert not outcome.said
        assert outcome.summary["receipts"]["skip_reason"] == LACKED
        assert not brand.run("all").said
        assert not brand.lacks()


def test_few_of_whom_one_fails_and_the_others_lack_a_resource_stay_due(brand: Brand) -> None:
    assert not brand.run("all").said
    scan(brand, receipts=False)
    brand.pass_day()
    brand.pass_day()
    brand.running.set_faults("bad_gateway@1")
    assert "1 member failed" in brand.run(streams=("receipts",)).said
    brand.running.set_faults("")
    scan(brand, receipts=True)
    assert brand.lacks(streams=("receipts",)), "or else the next sweep had nothing to do"
    assert not brand.run(streams=("receipts",)).said
    assert not brand.lacks(streams=("receipts",))


def test_a_sweep_that_ends_in_a_skip_does_not_come_back(brand: Brand) -> None:
    """Meltano may merge a state into an older one, which brings back keys that are gone.

    Members before the old cursor would be taken for read, and a sweep of all members for begun.
    """
    scan(brand, receipts=False)
    assert brand.run("all", streams=("receipts",), life=14).crashed
    interrupted = brand.entry("receipts")["sweep"]
    assert interrupted["after"]
    brand.pass_day()
    assert not brand.run("all", streams=("receipts",)).said
    brand.entry("receipts")["sweep"] = interrupted
    brand.pass_day()
    assert not brand.run(streams=("receipts",)).said
    brand.entry("receipts")["sweep"] = interrupted
    scan(brand, receipts=True)
    assert not brand.run("all", streams=("receipts",)).said
    assert not brand.lacks(streams=("receipts",))

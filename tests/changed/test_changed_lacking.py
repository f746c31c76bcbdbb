"""What a program lacks when all members are swept, and has later, and the other way round."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from support.changed_members import Brand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HAS_IT_NOW = (
    "Setting `sweep_members`: the program has `receipts` now, and lacked it when all members were "
    "swept; run once with `sweep_members` all"
)


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
    for _ in range(3):
        brand.pass_day()
        outcome = brand.run()
        assert not outcome.said
        assert not brand.lacks()
        assert outcome.requests["receipts"] == len(outcome.members("users"))


def test_a_resource_that_comes_later_asks_for_a_full_sweep(brand: Brand) -> None:
    scan(brand, receipts=False)
    assert not brand.run("all").said
    brand.pass_day()
    assert not brand.run().said
    scan(brand, receipts=True)
    brand.pass_day()
    assert HAS_IT_NOW in brand.run().said
    assert brand.lacks(), "or else nothing had to be asked for"
    assert "set, which `receipts` had not" in brand.run().said
    assert not brand.run("all").said
    assert not brand.run().said
    assert not brand.lacks()


def test_a_crash_at_the_first_answer_forgets_nothing(brand: Brand) -> None:
    scan(brand, receipts=False)
    assert not brand.run("all").said
    scan(brand, receipts=True)
    brand.pass_day()
    for life in range(4, 200, 12):
        if not brand.run(streams=("receipts",), life=life).crashed:
            break
    assert brand.run(streams=("receipts",)).said
    assert not brand.run("all").said
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
    if brand.run().said:
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


def test_many_who_lack_a_resource_speak_for_the_program(brand: Brand) -> None:
    assert not brand.run("all").said
    scan(brand, receipts=False)
    for _ in range(12):
        brand.pass_day()
        assert not brand.run(streams=("receipts",)).said
    assert brand.note("receipts")["lacks_resource"]
    assert brand.run(streams=("receipts",)).requests["receipts"] == 0
    scan(brand, receipts=True)
    brand.pass_day()
    assert HAS_IT_NOW in brand.run(streams=("receipts",)).said


def test_those_who_are_deleted_say_nothing_of_the_program(brand: Brand) -> None:
    """A member who is gone has not got the resource, and does not lack it either."""
    scan(brand, receipts=False)
    roster = ["999999999", *brand.running.roster()]
    assert not brand.run("all", user_ids=roster).said
    assert brand.note("receipts")["lacks_resource"]

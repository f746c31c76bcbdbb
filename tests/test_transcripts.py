"""Golden transcripts: all that a target and a terminal get, in a few typical runs.

`REGENERATE_TRANSCRIPTS=1 pytest tests/test_transcripts.py` writes `transcripts/` anew; what then
differs is for review. Clocks, durations, ports, process numbers and versions are masked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import DAY, PRESENT, Result, normalize_text, run_tap, sandbox, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

FOLDER = Path(__file__).with_name("transcripts")
REGENERATE = bool(os.environ.get("REGENERATE_TRANSCRIPTS"))

BUSY, QUIET, EMPTY, MISSING = 1000143, 1000178, 1000073, 1000262
PROFILE = ("first_name", "date_last_updated", "tier_info", "tier_info.tier_score")


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox whose days may pass."""
    with sandbox() as running:
        yield running


def run(running: Sandbox, *members: int, **more: Any) -> Result:
    catalog = select("purchases", users=PROFILE)
    return run_tap(
        running, user_ids=list(members), max_concurrency=1, **{"catalog": catalog} | more
    )


def expect(name: str, result: Result, running: Sandbox) -> None:
    """Compare what a run wrote with its transcript, or write that."""
    file = FOLDER / f"{name}.txt"
    text = normalize_text(
        f"== stdout\n{result.stdout}== stderr\n{result.stderr}== exit code {result.exit_code}\n",
        running,
    )
    if REGENERATE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_a_first_run_and_a_second_run_a_day_later(own: Sandbox) -> None:
    first = run(own, BUSY, QUIET)
    expect("first_run", first, own)
    own.advance(1)
    second = run(own, BUSY, QUIET, state=first.state, present=PRESENT + DAY)
    expect("second_run", second, own)


def test_an_empty_member(world: Sandbox) -> None:
    result = run(world, EMPTY, catalog=select("coupons", "purchases", "redemptions"))
    assert not result.records
    expect("empty_member", result, world)


def test_a_missing_member(world: Sandbox) -> None:
    result = run(world, QUIET, MISSING, BUSY)
    assert len(result.records["users"]) == 2
    expect("missing_member", result, world)


def test_a_deselected_stream(world: Sandbox) -> None:
    result = run(world, QUIET, catalog=select(users=PROFILE))
    assert "purchases" not in result.stdout
    expect("deselected_stream", result, world)


def test_no_transcript_is_left_over() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {
        "first_run.txt",
        "second_run.txt",
        "empty_member.txt",
        "missing_member.txt",
        "deselected_stream.txt",
    }

"""Whatever goes wrong, the target ends up with the truth, or the last line says what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.fault_scenarios import run_under_fault, spec_of
from support.harness import MEMBER_STREAMS, STREAMS, Result, canonical, sandbox

from crowdtwist_sandbox.faults import ALL_FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crowdtwist_sandbox import Sandbox

MIXTURES = ("transient", "persistent", "lie", "all")
OUTCOMES = Path(__file__).with_name("outcomes.json")
REGENERATE = "REGENERATE_FAULTS" in os.environ
_STEADY = ("fault", "kind", "end", "lost", "wrong")
"""What is the same in every run of these tests, and on every machine."""

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=12) as started:
        yield started


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, dict[str, Any]]]:
    """The table of the page on faults, by fault; written anew if asked for."""
    known = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else []
    rows = {row["fault"]: row for row in known}
    yield rows
    if REGENERATE:
        ordered = [rows[fault] for fault in (*ALL_FAULTS, *MIXTURES) if fault in rows]
        lines = ",\n".join(f"  {json.dumps(row)}" for row in ordered)
        OUTCOMES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def streams_for(fault: str) -> Sequence[str]:
    """Faults that take real time come where requests are side by side."""
    return MEMBER_STREAMS if fault in {"late", "drip"} else STREAMS


def workers_for(fault: str) -> int:
    """Faults that a run may or may not survive come in one order only where requests do."""
    one_by_one = fault in MIXTURES or ALL_FAULTS[fault].kind in {"persistent", "fatal"}
    return 1 if one_by_one else 16


@pytest.mark.parametrize("fault", [*ALL_FAULTS, *MIXTURES])
def test_a_fault_costs_no_row(
    fault: str, running: Sandbox, outcomes: dict[str, dict[str, Any]]
) -> None:
    spec = spec_of(fault)
    streams = streams_for(fault)
    outcome = run_under_fault(running, spec, streams, max_concurrency=workers_for(fault))

    assert sum(outcome.met.values())
    assert (outcome.lost, outcome.wrong) == (0, 0)
    if len(outcome.results) == 1:
        assert_truth_in_order(running, outcome.results[0], streams)
    row = {
        "fault": fault,
        "kind": ALL_FAULTS[fault].kind if fault in ALL_FAULTS else "mixture",
        "rate": float(spec.rpartition("=")[2]),
        "met": sum(outcome.met.values()),
        "tries": outcome.tries,
        "end": outcome.end,
        "lost": outcome.lost,
        "wrong": outcome.wrong,
    }
    if REGENERATE:
        outcomes[fault] = row
    steady = [outcomes[fault].get(name) for name in _STEADY]
    assert [row[name] for name in _STEADY] == steady, outcome.results[0].stderr


def assert_truth_in_order(running: Sandbox, result: Result, streams: Sequence[str]) -> None:
    for stream in streams:
        true = canonical(stream, running.expected_rows(stream))
        assert canonical(stream, result.records[stream]) == true, stream


def test_the_table_is_about_every_fault(outcomes: dict[str, dict[str, Any]]) -> None:
    assert list(outcomes) == [*ALL_FAULTS, *MIXTURES]

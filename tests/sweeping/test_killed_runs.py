"""Wherever a run or its target dies, no row of `sync_runs` calls complete what is not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.crashes import Attempt, Warehouse, run_and_kill
from support.harness import KEYS, canonical, config_of, sandbox, select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

STREAMS = ("activities", "points_expiration", "purchases", "users")
RUNS = "sync_runs"
MOMENTS = 4


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with sandbox(members=30, seed=11, latency_ms=1) as running:
        yield running


@pytest.fixture(scope="module")
def truth(world: Sandbox) -> dict[str, set[tuple[Any, ...]]]:
    return {stream: keys_of(stream, world.expected_rows(stream)) for stream in STREAMS}


def keys_of(stream: str, rows: Any) -> set[tuple[Any, ...]]:
    """The keys of rows, or what stands for one where the tap makes it up."""
    return {tuple(row[name] for name in KEYS[stream]) for row in canonical(stream, rows)}


def settings(world: Sandbox) -> dict[str, Any]:
    return config_of(world, checkpoint_interval=0, requests_per_minute=10**6, max_concurrency=8)


def check(warehouse: Warehouse, attempt: Attempt, truth: dict[str, set[tuple[Any, ...]]]) -> int:
    """Check each complete row against what stands before it; return how many rows there are."""
    rows = 0
    for message in attempt.messages:
        if message["type"] == "RECORD" and message["stream"] == RUNS:
            row, rows = message["record"], rows + 1
            if row["is_complete"]:
                held = warehouse.tables.get(row["stream"], {})
                assert held.keys() == truth[row["stream"]], row
        else:
            warehouse.load([message])
    return rows


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_dies_anywhere_calls_nothing_complete_that_is_not(
    world: Sandbox,
    truth: dict[str, set[tuple[Any, ...]]],
    tmp_path: Path,
    sig: signal.Signals,
) -> None:
    chance = random.Random(sig)  # noqa: S311 - not a secret
    catalog, deaths = select(*STREAMS, RUNS), 0
    while deaths < MOMENTS:
        committed, state = Warehouse(KEYS), None
        for _ in range(4 * MOMENTS):
            attempt = run_and_kill(
                tmp_path,
                settings(world),
                state,
                kill_after=chance.randrange(20_000, 250_000),
                sig=sig,
                catalog=catalog,
            )
            at_hand = Warehouse(KEYS, {name: dict(t) for name, t in committed.tables.items()})
            rows = check(at_hand, attempt, truth)
            committed.load([m for m in attempt.committed if m.get("stream") != RUNS])
            state = attempt.last_state or state
            if attempt.exit_code == 0:
                break
            deaths += 1
        assert attempt.exit_code == 0
        assert rows == len(STREAMS)
        assert all(row["is_complete"] for row in rows_of(attempt))


def rows_of(attempt: Attempt) -> list[dict[str, Any]]:
    return [m["record"] for m in attempt.messages if m.get("stream") == RUNS and "record" in m]


def test_a_stopped_run_says_what_it_has_read(world: Sandbox, tmp_path: Path) -> None:
    attempt = run_and_kill(
        tmp_path,
        settings(world),
        None,
        kill_after=120_000,
        sig=signal.SIGTERM,
        catalog=select(*STREAMS, RUNS),
    )
    assert attempt.exit_code == 128 + signal.SIGTERM
    reasons = {row["stream"]: row["incomplete_reason"] for row in rows_of(attempt)}
    assert reasons["activities"] is None
    assert reasons["users"] == "the run was stopped"


@pytest.mark.parametrize("until", [30_000, 150_000])
def test_a_target_that_dies_gets_no_row(world: Sandbox, tmp_path: Path, until: int) -> None:
    """The tap goes on into the null device: its rows must not come out anywhere else."""
    args = [sys.executable, "-m", "tap_crowdtwist"]
    for name, content in (("config", settings(world)), ("catalog", select(*STREAMS, RUNS))):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
        args += [f"--{name}", str(tmp_path / name)]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output = b""
        while len(output) < until:
            output += os.read(process.stdout.fileno(), 4096)
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert b'"RECORD","stream":"sync_runs"' not in output
    assert "The target stopped reading" in said.splitlines()[-1]
    assert "Traceback" not in said

"""The promise that matters most: whenever the process dies, nothing is lost."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.crashes import Warehouse, run_and_kill
from support.harness import KEYS, OFF_BY_DEFAULT, canonical, config_of, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

pytestmark = pytest.mark.slow

KILLS = 16
STREAMS = tuple(stream for stream in KEYS if stream not in OFF_BY_DEFAULT)


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with sandbox(members=30, seed=11, latency_ms=2) as running:
        yield running


@pytest.fixture(scope="module")
def truth(world: Sandbox) -> dict[str, list[dict[str, Any]]]:
    return {stream: canonical(stream, world.expected_rows(stream)) for stream in STREAMS}


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as texts that can be sorted and compared; 248 and 248.0 are one number."""
    return sorted(
        json.dumps(json.loads(json.dumps(row), parse_int=float), sort_keys=True) for row in rows
    )


def run_until_done(world: Sandbox, folder: Path, chance: random.Random) -> tuple[Warehouse, int]:
    """Kill the tap again and again at random places, always going on from its last STATE."""
    folder.mkdir()
    config = config_of(world, checkpoint_interval=0, requests_per_minute=10**6, max_concurrency=8)
    warehouse, state, deaths = Warehouse(KEYS), None, 0
    while deaths < 9 * KILLS:
        kill_after = chance.randrange(60_000, 600_000)
        attempt = run_and_kill(folder, config, state, kill_after=kill_after)
        warehouse.load(attempt.committed)
        state = attempt.last_state or state
        if attempt.exit_code == 0:
            return warehouse, deaths
        assert attempt.exit_code == -9, attempt.stderr
        deaths += 1
    raise AssertionError("it never came to an end")


def test_killed_anywhere_and_restarted_until_done_it_has_every_row(
    world: Sandbox, truth: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    chance = random.Random(20260310)  # noqa: S311 - not a secret
    deaths, tries = 0, 0
    with ThreadPoolExecutor(2) as pool:
        while deaths < KILLS:
            chances = [random.Random(chance.random()) for _ in range(2)]  # noqa: S311 - not a secret
            folders = [tmp_path / f"{tries}-{n}" for n in range(2)]
            tries += 1
            for warehouse, died in pool.map(partial(run_until_done, world), folders, chances):
                deaths += died
                for stream in STREAMS:
                    rows = canonical(stream, warehouse.tables[stream].values())
                    assert in_order(rows) == in_order(truth[stream]), stream
    assert deaths >= KILLS

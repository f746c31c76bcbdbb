"""What the benchmark requires and that does not depend on the machine; and that it can run."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.harness import (
    MEMBER_STREAMS,
    OFF_BY_DEFAULT,
    PROGRAM_STREAMS,
    STREAMS,
    Result,
    run_tap,
    sandbox,
)

from benchmarks import report, shards
from benchmarks.environments import Environments
from benchmarks.measure import Output, Program, Usage
from benchmarks.server import CompleteRequestLog, RequestStats, Server, request_stats
from benchmarks.setups import BARE, DLT, NAMES, TAP, TEXTBOOK, TUNED, Runner, Setup
from benchmarks.setups import Result as Run
from tap_crowdtwist.members.roster import Shard
from tap_crowdtwist.streams import API_STREAMS
from tap_crowdtwist.streams.undated_lists import SAMPLE_SIZE

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

pytestmark = pytest.mark.slow

SELECTED = tuple(stream for stream in STREAMS if stream not in OFF_BY_DEFAULT)
SMALL, LARGE = 30, 300
ENDPOINTS = {stream.name: stream.endpoint for stream in API_STREAMS}


@dataclass
class Sync:
    """A first sync of everything that is on by default, and what it took."""

    members: int
    result: Result
    minimum: int
    asked: int
    different: int
    rows: int
    output: Output = field(default_factory=Output)

    def size_of(self, *kinds: str) -> int:
        """Bytes of the messages of some types."""
        lines = self.result.stdout.splitlines()
        return sum(len(line) for line in lines if json.loads(line)["type"] in kinds)


FINDING_OUT = SAMPLE_SIZE * 8
"""Requests that it may take to find out whether redemptions without dates are all: a profile, and a
window for each of a member's years."""


def minimum_of(running: Sandbox) -> int:
    """How many requests it takes: a page each, further pages where the rows need them."""
    rows = {stream: list(running.expected_rows(stream)) for stream in SELECTED}
    requests = 0
    for stream in SELECTED:
        owner = "id" if stream == "users" else "user_id"
        if stream in PROGRAM_STREAMS:
            counts = [len(rows[stream])]
        else:
            by_member = Counter(row[owner] for row in rows[stream])
            counts = [by_member[int(member)] for member in running.roster()]
        endpoint = ENDPOINTS[stream]
        size = (endpoint.page_size or 10) if endpoint.is_paged else sys.maxsize
        requests += sum(max(1, ceil(count / size)) for count in counts)
    return requests


def sync(members: int) -> Sync:
    with sandbox(members=members, drift=False) as running:
        request_log = running.engine.request_log = CompleteRequestLog()
        result = run_tap(running)
        asked = request_stats(request_log)
        rows = sum(1 for stream in SELECTED for _ in running.expected_rows(stream))
        minimum = minimum_of(running)
    done = Sync(members, result, minimum, asked.total, asked.distinct, rows)
    for line in result.stdout.encode().splitlines(keepends=True):
        done.output.add(line)
    return done


@pytest.fixture(scope="module")
def small() -> Sync:
    return sync(SMALL)


@pytest.fixture(scope="module")
def large() -> Sync:
    return sync(LARGE)


def test_it_asks_no_more_than_it_has_to(small: Sync, large: Sync) -> None:
    for done in (small, large):
        assert 0 <= done.asked - done.minimum <= FINDING_OUT
        assert 0 <= done.asked - done.different <= SAMPLE_SIZE


def test_one_schema_per_selected_stream_whatever_the_number_of_members(
    small: Sync, large: Sync
) -> None:
    for done in (small, large):
        assert done.output.count("SCHEMA") == len(SELECTED)
        assert all(len(messages) == 1 for messages in done.result.schemas.values())


def test_as_many_records_as_there_are_rows(small: Sync, large: Sync) -> None:
    for done in (small, large):
        assert done.output.count("RECORD") == done.rows


def test_state_messages_come_by_time_and_not_by_member(small: Sync, large: Sync) -> None:
    assert small.output.count("STATE") == large.output.count("STATE")
    assert large.output.count("STATE") <= 2 * len(SELECTED)


def test_the_largest_state_does_not_grow_with_the_members(small: Sync, large: Sync) -> None:
    assert large.output.largest_state <= 64 * 1024
    # The numbers of members asked, found and in the roster have a digit more.
    digits = 3 * len(MEMBER_STREAMS)
    assert abs(large.output.largest_state - small.output.largest_state) <= digits


def test_output_grows_with_the_records_alone(small: Sync, large: Sync) -> None:
    assert large.output.size <= 10.5 * small.output.size
    beside = ("SCHEMA", "STATE", "ACTIVATE_VERSION")
    slack = len(SELECTED) * large.output.count("STATE")
    assert abs(large.size_of(*beside) - small.size_of(*beside)) <= slack


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every contender but dlt, which has an environment of its own."""
    folder = tmp_path_factory.mktemp("benchmark")
    python = Path(sys.executable)
    where = Environments(python.parent / "tap-crowdtwist", python, None)
    setup = Setup(8)
    with setup.server() as server:
        runner = Runner(where, folder, server, setup)
        found = {
            name: runner.run(name, timeout_seconds=60) for name in (TAP, TEXTBOOK, TUNED, BARE)
        }
    assert not any(run.usage.code for run in found.values()), (folder / "stderr").read_text()
    return found


def test_the_contenders_read_the_same(side_by_side: dict[str, Run]) -> None:
    assert len({side_by_side[n].output.count("RECORD") for n in (TAP, TEXTBOOK, TUNED)}) == 1
    requests = {name: run.request_stats.total for name, run in side_by_side.items()}
    assert 0 <= requests[TAP] - requests[BARE] <= FINDING_OUT
    assert requests[TEXTBOOK] == requests[TUNED] <= requests[TAP]


def test_every_run_is_measured(side_by_side: dict[str, Run]) -> None:
    for run in side_by_side.values():
        assert run.usage.cpu > 0.01
        assert run.usage.peak > 2**20


def cells_of(table: str) -> dict[str, list[str]]:
    """The rows of a table by their first cell."""
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in rows}


def test_the_matrix_has_a_row_for_every_contender(side_by_side: dict[str, Run]) -> None:
    rows = cells_of(report.matrix(list(side_by_side.values())))
    assert rows.keys() - {"", "---"} == side_by_side.keys()
    assert len({len(cells) for cells in rows.values()}) == 1
    assert rows[TAP][4] == "0"


def measured(name: str, setup: Setup) -> Run:
    """A run of the tap or another contender; the tap takes half as long."""
    size = setup.members * (1 if name == TAP else 2)
    stats = RequestStats(size, 0, size, size, 9983.4)
    output = Output({"SCHEMA": 9}, size * 1000, largest_state=6243)
    return Run(name, setup, Usage(size, size, 110_000_000, 0), stats, output)


def test_what_is_required_is_compared_with_its_limit() -> None:
    setups = [Setup(members, latency) for members in (100, 300, 1000) for latency in (0, 100)]
    results = [measured(name, setup) for setup in setups for name in NAMES]
    close = [measured(name, Setup(1000)) for name in (TAP, BARE)]
    small, large = measured(TAP, Setup(300)), measured(TAP, Setup(3000))

    rows = cells_of(report.ratios(close, results, small, large))
    assert len(rows) == 18
    assert rows["wall, bare loop, 100 members, 100 ms"] == ["100.00", "200.00", "0.50", "1.10"]
    assert rows["CPU, 3,000 members against 300"][2:] == ["10.00", "10.50"]

    runs = {"state": small, "state, ten times the members": large, "rate, 32 at once": large}
    rows = cells_of(report.limits(runs, {1_000_000: large.usage}))
    assert rows["requests a minute, 100 ms"] == ["9,983", "at least 9,700"]
    assert rows["largest STATE, 3,000 members"] == ["6,243", "at most 65,536"]
    assert rows["peak MB, roster of 1,000,000, stopped"] == ["110", "at most 200"]

    rows = cells_of(report.alone(runs))
    assert rows["state"][:2] == ["300", "0"]
    assert rows["state"][-3:] == ["9,983", "300", "6,243"]


def test_what_would_take_too_long_is_not_run() -> None:
    assert not Setup(300, 100).includes(TEXTBOOK)
    assert Setup(100, 100).includes(TEXTBOOK)
    assert not Setup(1000, 0, ceiling=True).includes(TUNED)
    assert Setup(1000, 100, ceiling=True).includes(DLT)
    assert not Setup(100, 0, ceiling=True).includes(BARE)


def test_the_busiest_minute_is_found_wherever_it_lies() -> None:
    request_log = CompleteRequestLog()
    moments = [0.0, 50.0, 60.0, 61.0, 62.0, 109.9, 110.0, 300.0]
    request_log.all = [("api", "/", "", 200, at) for at in moments[:-1]]
    request_log.all.append(("pos", "/", "", 429, moments[-1]))
    found = request_stats(request_log)
    assert found.busiest == 5
    assert found.rate_limited == 1
    assert found.distinct == 2


def test_a_program_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    usage = Program([sys.executable, "-c", "while True: pass"], tmp_path).run(timeout_seconds=0.3)
    assert usage.code == -signal.SIGKILL


def test_a_program_is_stopped_after_some_records(tmp_path: Path) -> None:
    writes = 'import time; print(\'{"type": "RECORD", "stream": "a"}\', flush=True); time.sleep(60)'
    usage = Program([sys.executable, "-c", writes], tmp_path).stop_after(1, "a", 30)
    assert usage.code == -signal.SIGTERM
    assert usage.wall < 30


def test_shards_of_a_chosen_roster_have_the_sizes_asked_for(world: Sandbox) -> None:
    known = world.roster()
    roster = shards.choose(known, len(known) // 3, 4)
    held = [sum(Shard(n, 4).holds(int(member)) for member in roster) for n in (1, 2, 3, 4)]

    assert held == shards.sizes(len(known) // 3, 4)
    assert held[3] == pytest.approx(3 * held[0], abs=1)
    with pytest.raises(ValueError, match="members, not"):
        shards.choose(known, 2 * len(known), 4)


def test_a_lane_that_is_free_takes_the_next_shard() -> None:
    def wait(seconds: float) -> list[str]:
        return [sys.executable, "-c", f"import time; time.sleep({seconds})"]

    long, short, *_ = sorted(shards.run_in_lanes([wait(3), *[wait(0.1)] * 3], 2), reverse=True)

    assert 3 < long < 30
    assert short < long


def test_the_sandbox_ends_with_the_one_who_started_it() -> None:
    with Server(members=3) as server:
        process = server._process  # noqa: SLF001 - there is nothing else to see of it
    assert process.returncode == 0

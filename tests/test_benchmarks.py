"""What the benchmark requires and that does not depend on the machine; and that it can run."""

from __future__ import annotations

import json
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

from benchmarks import report
from benchmarks.environments import Environments
from benchmarks.measure import Output, Program
from benchmarks.server import CompleteRequestLog, Server, request_stats
from benchmarks.setups import BARE, DLT, NAMES, TAP, TEXTBOOK, TUNED, Runner, Setup
from benchmarks.setups import Result as Run
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
    assert all(run.complete for run in found.values()), (folder / "stderr").read_text()
    return found


def test_the_contenders_read_the_same(side_by_side: dict[str, Run]) -> None:
    assert len({side_by_side[n].output.count("RECORD") for n in (TAP, TEXTBOOK, TUNED)}) == 1
    requests = {
        name: run.request_stats.total for name, run in side_by_side.items() if run.request_stats
    }
    assert 0 <= requests[TAP] - requests[BARE] <= FINDING_OUT
    assert requests[TEXTBOOK] == requests[TUNED] <= requests[TAP]


def test_every_run_is_measured(side_by_side: dict[str, Run]) -> None:
    for run in side_by_side.values():
        assert run.usage is not None
        assert run.usage.cpu > 0.01
        assert run.usage.peak > 2**20
        assert Run.load(json.loads(json.dumps(run.dump()))) == run


def test_the_tables_have_a_row_for_every_contender(side_by_side: dict[str, Run]) -> None:
    left_out = Run(DLT, Setup(8), "dlt is not installed")
    facts = {"machine": "a machine", "system": "a system", "versions": [], "commit": ""}
    measured = {
        "matrix": [*side_by_side.values(), left_out],
        "facts": {**facts, "load": [0.0, 0.0]},
        "profile": "",
    }
    text = report.render(measured)
    rows = [line for line in text.splitlines() if line.startswith(("| this", "| dlt", "| bare"))]
    assert len(rows) == 3
    assert "| dlt rest_api | not run: dlt is not installed |" in text


def test_what_would_take_too_long_is_not_run() -> None:
    reasons = {name: Setup(1000, 100).skip_reason(name) for name in NAMES}
    assert reasons[TEXTBOOK] == "one at a time: about 15 min"
    assert not reasons[TAP]
    assert not reasons[DLT]


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
    assert usage.timed_out
    assert usage.code < 0


def test_the_sandbox_ends_with_the_one_who_started_it() -> None:
    with Server(members=3) as server:
        process = server._process  # noqa: SLF001 - there is nothing else to see of it
    assert process.returncode == 0

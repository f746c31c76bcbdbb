"""What the DAG learns from a run of Meltano, and of all shards together."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.airflow_project import dag_module

from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

SHARDS = dag_module("crowdtwist_shards")
RUNS = dag_module("crowdtwist_meltano")


def entry(event: str, level: str = "info", **more: Any) -> str:
    return json.dumps({"event": event, "level": level, **more})


def summary(**streams: StreamStats) -> str:
    rows = {stream: vars(stats) for stream, stats in streams.items()}
    return f"Summary: {json.dumps({'members': 6, 'roster_ids': 24, 'streams': rows})}"


def heard(*lines: str, code: int = 0) -> Any:
    run = RUNS.Run(code=code)
    for line in lines:
        run.read_line(line, lambda *_: None)
    return run


def test_lines_go_to_the_log_with_their_level_and_origin() -> None:
    said: list[tuple[int, str]] = []
    run = RUNS.Run()

    for line in (
        entry("Beginning", name="tap-crowdtwist", pid=7),
        entry("METRIC", name="tap-crowdtwist"),
        entry("Slow", "warning", name="target-postgres", pid=8),
        entry("Extractor failed", "error"),
        "not JSON\n",
        "[1]",
    ):
        run.read_line(line, lambda *w: said.append(w))

    assert run.tap == 7
    assert said == [
        (logging.INFO, "tap-crowdtwist: Beginning"),
        (logging.WARNING, "target-postgres: Slow"),
        (logging.ERROR, "meltano: Extractor failed"),
        (logging.INFO, "not JSON"),
        (logging.INFO, "[1]"),
    ]


def test_a_run_is_over_when_only_members_failed() -> None:
    tap = {"name": "tap-crowdtwist"}
    told = entry(summary(users=StreamStats(asked=5, failed=1)), **tap)
    owed = entry("Incomplete: 1 member failed in `users`", "critical", **tap)

    assert heard(told).is_over
    assert heard(told, owed, entry("Extractor failed", "error"), code=1).is_over
    assert not heard(told, owed, entry("Extractor and loader failed", "error"), code=1).is_over
    assert not heard(told, entry("Loader failed", "error"), code=1).is_over
    assert not heard(owed, entry("Extractor failed", "error"), code=1).is_over
    assert not heard(code=0).is_over


def test_a_failed_run_says_why() -> None:
    words = entry("Setting `api_key`: is missing", "critical", name="tap-crowdtwist")

    assert (
        heard(words, code=1).failure_reason()
        == "`meltano run` ended with exit code 1: Setting `api_key`: is missing"
    )
    assert heard(entry("Loader failed", "error"), code=1).failure_reason().endswith("Loader failed")
    assert (
        heard(code=-9).failure_reason()
        == "`meltano run` ended with exit code -9: see the log above"
    )


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        ("Setting `api_key`: is missing", True),
        ("Setting `user_ids_path`: line 2 of 'members.csv' is not an id", True),
        ("Setting `user_ids_path`: there is no file members.csv", True),
        ("Setting `user_ids_path`: cannot read s3://b/members.csv: timed out", False),
        ("Setting `user_ids_path`: cannot open s3://b/members.csv: timed out", False),
        ("CrowdTwist rejected the key", False),
        ("", False),
    ],
)
def test_what_a_retry_cannot_mend_is_not_retried(error: str, *, is_final: bool) -> None:
    run = heard(entry(error, "critical", name="tap-crowdtwist"), code=1)

    assert run.needs_a_person is is_final


def run_tap(world: Sandbox, *, faults: str = "", **settings: Any) -> Any:
    """The tap's run as the DAG hears it."""
    settings = {
        "api_key": world.api_key,
        "api_url": world.api_url,
        "pos_url": world.pos_url,
        "requests_per_minute": 100_000,
        "max_retries": 0,
        **settings,
    }
    world.set_faults(faults)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tap_crowdtwist", "--config=ENV"],
            env={**os.environ, **SHARDS.variables("TAP_CROWDTWIST_", settings), "NO_COLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        world.set_faults()
    run = heard(code=ended.returncode)
    for line in ended.stderr.splitlines():
        for level in ("info", "critical"):
            _, is_at_level, text = line.partition(f"| {level.upper():8} | tap-crowdtwist")
            if is_at_level:
                event = text.partition("| ")[2]
                run.read_line(entry(event, level, name="tap-crowdtwist"), lambda *_: None)
    if run.code:
        run.read_line(entry("Extractor failed", "error"), lambda *_: None)
    return run


def test_the_tap_says_what_a_run_listens_for(world: Sandbox) -> None:
    members = [*world.roster()[:5], "999"]
    run = run_tap(world, faults="access_denied=0.5", user_ids=members)

    assert run.is_over
    result = run.result("1/1")
    assert (result["members"], result["roster_ids"]) == (6, 6)
    assert 0 < result["profiles"] < 6
    assert "failed in `" in result["problem"]
    assert json.loads(json.dumps(result)) == result


def test_a_setting_that_the_tap_refuses_needs_a_person(world: Sandbox) -> None:
    run = run_tap(world, user_ids_path="gone.csv")

    assert run.needs_a_person, run.last_error


def test_shards_of_one_roster_add_up_to_it(world: Sandbox) -> None:
    members = [*world.roster(), *world.roster()[:3]]
    parts = SHARDS.Settings(shards=2, requests_per_minute=200_000).parts(at_once=4)
    runs = [run_tap(world, user_ids=members, **part) for part in parts]
    results = [run.result(part["shard"]) for run, part in zip(runs, parts, strict=True)]

    assert SHARDS.find_problems(parts, results) == []
    assert sum(result["members"] for result in results) == len(world.roster())
    assert {result["roster_ids"] for result in results} == {len(members)}


# The outcome of all shards

PARTS = SHARDS.Settings(shards=2).parts(at_once=4)


def done(part: dict[str, Any], problem: str = "", roster_ids: int = 5) -> dict[str, Any]:
    run = heard(entry(summary(), name="tap-crowdtwist"))
    run.last_error = problem
    return {**run.result(part["shard"]), "roster_ids": roster_ids}


def test_everything_is_there_when_all_shards_ended_without_a_problem() -> None:
    assert SHARDS.find_problems(PARTS, [done(part) for part in PARTS]) == []


def test_whatever_is_incomplete_is_told_with_numbers() -> None:
    failed = done(PARTS[0], "Incomplete: 2 members failed in `users`")

    assert SHARDS.find_problems(PARTS, [failed]) == [
        "1 of 2 shards did not finish: 2/2",
        "shard 1/2: 2 members failed in `users`",
    ]
    (different,) = SHARDS.find_problems(PARTS, [done(PARTS[0]), done(PARTS[1], roster_ids=6)])
    assert different.startswith("the shards read different rosters, of 5 and 6 ids: it changed")
    assert SHARDS.find_problems(PARTS, []) == ["2 of 2 shards did not finish: 1/2, 2/2"]


def test_profiles_are_the_members_that_were_read() -> None:
    users = StreamStats(asked=6, missing=1, deleted=1, failed=1)

    assert heard(entry(summary(users=users), name="tap-crowdtwist")).result("1/4") == {
        "shard": "1/4",
        "members": 6,
        "roster_ids": 24,
        "profiles": 3,
        "problem": "",
        "streams": ["users"],
    }

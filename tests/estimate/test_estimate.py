"""`--estimate` says what a sync costs, and writes nothing else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.estimates import cost_of, estimated, syncs
from support.harness import (
    API_KEY,
    DAY,
    DEFAULT_STREAMS,
    MEMBER_STREAMS,
    PRESENT,
    STREAMS,
    config_of,
    queries,
    run_tap,
    sandbox,
    select,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox


def test_a_small_roster_is_read_whole_and_the_estimate_of_the_first_sync_is_exact(
    world: Sandbox,
) -> None:
    result = estimated(world, max_concurrency=1)
    assert "All of them were asked, so the first sync is exact." in result.stdout
    (first, low, high) = syncs(result)["first"]
    assert first == low == high == cost_of(run_tap(world, max_concurrency=1))


def test_every_stream_of_the_api_is_estimated(world: Sandbox) -> None:
    result = estimated(world, select(*STREAMS), max_concurrency=1)
    first = syncs(result)["first"].estimate
    assert first == cost_of(run_tap(world, *STREAMS, max_concurrency=1))


def test_start_date_is_heeded(world: Sandbox) -> None:
    result = estimated(world, select("purchases"), start_date="2026-02-01")
    assert "read from 2026-02-01." in result.stdout
    first = syncs(result)["first"].estimate
    assert first == cost_of(run_tap(world, "purchases", start_date="2026-02-01"))
    assert first.rows < syncs(estimated(world, select("purchases")))["first"].estimate.rows


def test_a_daily_sync_is_a_sync_whose_bookmark_is_a_day_old(world: Sandbox) -> None:
    streams = ("redemptions", "user_activity_history", "users")
    daily = syncs(estimated(world, select(*streams)))["daily, all"].estimate
    whole = run_tap(world, *streams)
    for entry in whole.state["bookmarks"].values():
        if "replication_key_value" in entry:
            entry["replication_key_value"] = "2026-03-10T02:00:00Z"
    assert daily == cost_of(run_tap(world, *streams, state=whole.state))


def test_hours_are_those_at_the_set_rate_and_at_the_ceiling(world: Sandbox) -> None:
    result = estimated(world, select("users"), requests_per_minute=60)
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("first "))
    _, requests, slow, fast, _, _ = line.split()
    assert "h at 60" in result.stdout
    assert "h at 10,000" in result.stdout
    assert slow == f"{int(requests) / 3600:.2f}"
    assert fast == f"{int(requests) / 600_000:.2f}"


def test_updated_asks_one_profile_of_everybody_and_the_rest_of_those_updated(
    world: Sandbox,
) -> None:
    found = syncs(estimated(world, select("users", "user_activities")))
    updated, everybody = (found[f"daily, {mode}"].estimate for mode in ("updated", "all"))
    profiles = syncs(estimated(world, select("users")))["daily, all"].estimate
    since = "2026-03-10T01:00:00"  # a day and an hour ago
    rows = run_tap(world, "users").records["users"]
    share = sum(row["date_last_updated"] >= since for row in rows)
    assert 0 < share < len(rows)
    assert updated.requests == profiles.requests + share
    assert profiles.requests < updated.requests < everybody.requests


def test_changed_reads_the_members_in_the_newest_files(world: Sandbox, tmp_path: Path) -> None:
    catalog = select("users", "purchases")
    assert "daily, changed" not in syncs(estimated(world, catalog))
    world.write_data_push(tmp_path)
    result = estimated(world, catalog, data_push_path=str(tmp_path))
    members = re.search(r"Members in the files of the newest day: (\d+)", result.stdout)
    assert members is not None
    assert 0 < int(members[1]) < len(world.roster())
    changed, everybody = (syncs(result)[name].estimate for name in ("daily, changed", "first"))
    assert changed.requests < everybody.requests


def test_it_can_be_asked_before_a_sweep_of_changed_members_is_possible(
    world: Sandbox, tmp_path: Path
) -> None:
    world.write_data_push(tmp_path)
    settings: dict[str, Any] = {"data_push_path": str(tmp_path), "sweep_members": "changed"}
    assert "daily, changed" in syncs(estimated(world, select("users"), **settings))


def test_it_names_the_costliest_streams_and_what_to_deselect(world: Sandbox) -> None:
    first, daily, saving = estimated(world).stdout.splitlines()[-3:]
    assert re.match(r"\w+ costs most in the first sync: \d+% of the requests\.$", first)
    assert re.match(r"\w+ costs most every day: \d+% of the requests\.$", daily)
    assert re.match(r"Deselecting it saves [\d,]+ requests a day, [\d.]+ hours at 5,000", saving)


def test_it_writes_no_message_and_no_id(world: Sandbox) -> None:
    result = estimated(world, sample_members=10)
    assert "{" not in result.stdout
    said = result.stdout + result.stderr
    assert API_KEY not in said
    assert not [member for member in world.roster() if re.search(rf"\b{member}\b", said)]


def test_the_sample_is_that_of_a_run_over_a_sample(world: Sandbox) -> None:
    estimated(world, select("user_activities"), sample_members=10)
    asked = {path for _, path, _ in queries(world)}
    world.reset()
    run_tap(world, "user_activities", sample_members=10)
    assert {path for _, path, _ in queries(world)} == asked


def test_lists_with_pages_and_profiles_are_asked_of_more_members() -> None:
    with sandbox(members=250) as running:
        result = estimated(running, sample_members=10)
    asked = dict(re.findall(r"(?m)^(\w+) +(\d+) +[\d.]+ +[\d.]+ ", result.stdout))
    size_of = dict.fromkeys(_PAGED, "50") | {"users": "200"}
    assert asked == {
        name: size_of.get(name, "10") for name in DEFAULT_STREAMS if name in MEMBER_STREAMS
    }


_PAGED = ("user_activity_history", "purchases", "user_rewards", "redemptions")


def test_requests_by_which_the_tap_tries_forms_count_once() -> None:
    # No redemption is older than a year then, so the first 20 lists are read in two ways.
    settings: dict[str, Any] = {"present": PRESENT - 1_000 * DAY, "max_concurrency": 1}
    with sandbox(members=200) as running:
        catalog = select("redemptions")
        asked = estimated(running, catalog, sample_members=10, **settings)
        real = cost_of(run_tap(running, catalog=catalog, **settings))
    assert real.requests > 220
    first = syncs(asked)["first"].estimate
    assert abs(first.requests - real.requests) < 0.1 * real.requests


def test_a_shard_is_estimated_alone(world: Sandbox) -> None:
    result = estimated(world, shard="2/4", max_concurrency=1)
    assert " members of shard 2/4, " in result.stdout
    assert syncs(result)["first"].estimate == cost_of(
        run_tap(world, shard="2/4", max_concurrency=1)
    )


@pytest.mark.parametrize("streams", [DEFAULT_STREAMS, ["purchases", "user_activities"]])
def test_ids_of_another_type_cost_their_look_up(world: Sandbox, streams: list[str]) -> None:
    result = estimated(world, select(*streams), id_type="email", max_concurrency=1)
    first = syncs(result)["first"].estimate
    assert first == cost_of(run_tap(world, *streams, id_type="email", max_concurrency=1))
    assert "(look-up of ids)" in result.stdout
    if "users" not in streams:
        assert "`sweep_members` updated needs `users`" in result.stdout


def test_members_that_fail_are_counted_and_said() -> None:
    with sandbox(members=40, faults="bad_gateway=0.1") as running:
        result = estimated(running, select("purchases", "users"))
    failed = re.findall(r"Failed in (\w+): (\d+) of the members asked", result.stdout)
    assert [name for name, _ in failed] == ["purchases", "users"]
    assert all(0 < int(count) < 20 for _, count in failed)
    assert "HTTP 502" in result.stdout


def test_members_that_are_not_known_are_counted_and_said(world: Sandbox) -> None:
    result = estimated(world, user_ids=[1, 2, *world.roster()[:10]])
    assert "Not known to CrowdTwist: 2 of the members asked." in result.stdout


def test_a_stream_that_cannot_be_read_is_left_out_and_the_exit_code_is_1() -> None:
    # Half of the requests fail: those of the second stream, and of the program.
    failing = ",".join(map(str, range(41, 200)))
    with sandbox(members=40, faults=f"bad_gateway@{failing}") as running:
        catalog = select("points_expiration", "user_activities")
        result = estimated(running, catalog, code=1)
    assert syncs(result)["first"].estimate.requests == 40
    assert "user_activities" not in result.stdout
    assert "user_activities: every member failed (last error: " in result.last_line


BAD_INPUT: dict[str, tuple[dict[str, Any], str]] = {
    "no roster": ({"user_ids": None}, "Setting `user_ids_path`: no members are given"),
    "wrong key": ({"api_key": "not-the-key"}, "CrowdTwist rejected the credentials: check"),
    "unknown members": ({"user_ids": [1, 2, 3]}, "Setting `id_type`: CrowdTwist does not know 3"),
    "empty shard": ({"user_ids": [1000003], "shard": "1/999999"}, "Setting `shard`: no member"),
    "future": ({"start_date": "2027-01-01"}, "Setting `start_date`: lies in the future"),
    "no files": ({"data_push_path": "/does/not/exist"}, "Incomplete: Setting `data_push_path`"),
    "no number": ({"sample_members": "many"}, "Setting `sample_members`: must be"),
    "no member": ({"sample_members": 0}, "Setting `sample_members`: must be"),
}


@pytest.mark.parametrize(("settings", "sentence"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_gets_one_sentence(
    world: Sandbox, settings: dict[str, Any], sentence: str
) -> None:
    result = estimated(world, code=1, **settings)
    assert sentence in result.last_line
    assert "Traceback" not in result.stderr


def test_without_a_stream_of_the_api_there_is_nothing_to_estimate(world: Sandbox) -> None:
    result = estimated(world, select("sync_runs"), code=1)
    assert "No stream of the API is selected, so there is nothing to estimate" in result.last_line


def test_streams_of_the_program_need_no_roster(world: Sandbox) -> None:
    catalog = select("activities", "rewards", "badges")
    every = syncs(estimated(world, catalog, user_ids=None))["every sync"].estimate
    assert every == cost_of(run_tap(world, catalog=catalog, user_ids=None))


def test_a_signal_ends_it_at_once(tmp_path: Path) -> None:
    with sandbox(members=400, latency_ms=50) as running:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(config_of(running)), encoding="utf-8")
        args = [sys.executable, "-m", "tap_crowdtwist", "--config", str(config), "--estimate"]
        with subprocess.Popen(
            args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stderr is not None
            # The first stream of the sample has begun.
            next(line for line in process.stderr if "asking" in line and "purchases" in line)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert out == ""
    assert "Stopped by SIGTERM" in err.splitlines()[-1]

"""The DAG on a real Airflow with Celery: eight shards, two workers, one of which is killed."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.airflow_cluster import DAG, KEY, MEMBERS, RATE, SHARDS, STREAMS, Cluster
from support.airflow_project import VENV, Airflow, wait_for
from support.airflow_shards import MEMBER, Shard, loaded_rows, true_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.postgres_server import PostgresServer

    from crowdtwist_sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not VENV, reason="AIRFLOW_VENV is not set: run `make test-airflow`"),
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
]

AT_ONCE = 4
MIDDLE = 25
"""Requests of a shard, of 60 or more, after which it is killed."""

STOPPED, KILLED = 7, 8
"""Shards whose task is stopped, and whose tap is killed, on the worker that is left."""

CONSUMER = "after_crowdtwist"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def airflow(cluster: Cluster) -> Airflow:
    return cluster.airflow


@pytest.fixture(scope="module")
def warehouse(cluster: Cluster) -> PostgresServer:
    return cluster.warehouse


@pytest.fixture(scope="module")
def sandbox(cluster: Cluster) -> Sandbox:
    return cluster.sandbox


class FirstRun:
    """The first scheduled run, in which a worker and two shards are killed in the middle.

    Attributes:
        name: its id.
        lost: the shards that the killed worker was reading.
        requests: what the program was asked.
    """

    name: str
    lost: set[int]
    requests: list[dict[str, Any]]

    def __init__(self, airflow: Airflow, sandbox: Sandbox) -> None:
        self._airflow, self._sandbox = airflow, sandbox
        wait_for(lambda: is_loaded(airflow), "the DAG")
        for dag in (CONSUMER, DAG):
            airflow.call("PATCH", f"dags/{dag}", {"is_paused": False})
        (self.name,) = wait_for(lambda: airflow.runs(DAG), "a run")
        self.lost = self._kill_worker()
        self._in_the_middle(STOPPED).stop_task()
        self._in_the_middle(KILLED).kill_tap()
        airflow.ended(DAG, self.name, 300)
        self.requests = sandbox.requests()

    def _in_the_middle(self, number: int) -> Shard:
        shard = Shard(number, SHARDS)
        wait_for(
            lambda: shard.is_running() and shard.asked(self._sandbox) >= MIDDLE,
            f"shard {number} to be in the middle",
            240,
        )
        return shard

    def _kill_worker(self) -> set[int]:
        """Kill the worker that reads the first shard; return the shards that it was reading."""
        worker = self._in_the_middle(1).worker()
        self._airflow.kill_worker(worker)
        ended = {
            task["map_index"] + 1
            for task in self._airflow.tasks(DAG, self.name)
            if task["task_id"] == "sweep" and task["state"] == "success"
        }
        logs = worker.glob("logs/**/task_id=sweep/map_index=*/attempt=1.log")
        begun = {int(path.parent.name.removeprefix("map_index=")) + 1 for path in logs}
        return begun - ended


@pytest.fixture(scope="module")
def run(airflow: Airflow, sandbox: Sandbox) -> FirstRun:
    return FirstRun(airflow, sandbox)


def is_loaded(airflow: Airflow) -> bool:
    assert airflow.call("GET", "importErrors")["import_errors"] == []
    return {DAG, CONSUMER} <= {dag["dag_id"] for dag in airflow.call("GET", "dags")["dags"]}


def test_killed_shards_are_retried_and_the_run_succeeds(airflow: Airflow, run: FirstRun) -> None:
    tasks = airflow.tasks(DAG, run.name)
    tries = {(task["task_id"], task["map_index"]): task["try_number"] for task in tasks}
    twice = run.lost | {STOPPED, KILLED}

    assert airflow.state(DAG, run.name) == "success", airflow.log("complete", run.name)
    assert 1 in run.lost
    assert tries == {
        ("roster", -1): 1,
        **{("sweep", n - 1): 2 if n in twice else 1 for n in range(1, SHARDS + 1)},
        ("complete", -1): 1,
        ("transform", -1): 1,
    }, "\n".join(airflow.log("sweep", run.name, 1, place) for place in range(SHARDS))
    names = [task["rendered_map_index"] for task in tasks if task["task_id"] == "sweep"]
    assert sorted(names) == [f"{n}/{SHARDS}" for n in range(1, SHARDS + 1)]
    assert f"Wrote a roster of {2 * MEMBERS} ids" in airflow.log("roster", run.name)
    complete = f"Complete: {MEMBERS} members in {SHARDS} shards"
    assert complete in airflow.log("complete", run.name)
    for shard, words in ((STOPPED, "stopped by a signal"), (KILLED, "Extractor failed")):
        assert words in airflow.log("sweep", run.name, 1, shard - 1)


def test_the_other_worker_takes_over(airflow: Airflow, run: FirstRun) -> None:
    for shard in run.lost:
        (home,) = homes_of_attempt(airflow, run.name, shard, 2)
        assert home not in homes_of_attempt(airflow, run.name, shard, 1)


def homes_of_attempt(airflow: Airflow, run: str, shard: int, attempt: int) -> list[Path]:
    pattern = f"logs/**/run_id={run}/task_id=sweep/map_index={shard - 1}/attempt={attempt}.log"
    return [home for home in airflow.workers if list(home.glob(pattern))]


def test_no_more_shards_run_at_once_than_the_rate_is_divided_by(
    airflow: Airflow, run: FirstRun
) -> None:
    tasks = [task for task in airflow.tasks(DAG, run.name) if task["task_id"] == "sweep"]
    for task in tasks:
        at = task["start_date"]
        others = [each for each in tasks if each["start_date"] <= at < each["end_date"]]
        assert len(others) <= AT_ONCE


def test_retries_resume_the_sweep(airflow: Airflow, run: FirstRun) -> None:
    for shard in (STOPPED, KILLED):
        assert "Resuming the interrupted run" in airflow.log("sweep", run.name, 2, shard - 1)


def test_tables_equal_the_truth(warehouse: PostgresServer, sandbox: Sandbox, run: FirstRun) -> None:
    assert run.lost
    for stream in STREAMS:
        assert loaded_rows(warehouse, stream) == true_rows(sandbox, stream), stream


def test_dbt_makes_the_marts_of_the_complete_run(
    airflow: Airflow, warehouse: PostgresServer, run: FirstRun
) -> None:
    assert "Completed successfully" in airflow.log("transform", run.name)
    members = "SELECT user_id FROM crowdtwist_marts.members ORDER BY user_id"
    present = "SELECT id FROM crowdtwist.users WHERE _sdc_deleted_at IS NULL ORDER BY id"
    assert warehouse.query(members, "crowdtwist") == warehouse.query(present, "crowdtwist") != []


def test_the_rate_of_all_shards_stays_under_the_ceiling(run: FirstRun) -> None:
    moments = sorted(request["at"] for request in run.requests)

    for seconds in (10, 60):
        most = max(bisect_left(moments, at + seconds) - n for n, at in enumerate(moments))
        assert most <= RATE * seconds / 60 + SHARDS, seconds


def test_retries_do_not_start_over(run: FirstRun) -> None:
    """What was read and noted is not asked again; nothing was noted on the worker that was killed.

    A profile that was asked for once before the kill does not show here: see `needed`.
    """
    again: Counter[int] = Counter()
    asked = Counter((request["path"], request["query"]) for request in run.requests)
    shards = [Shard(number, SHARDS) for number in range(1, SHARDS + 1)]
    for (path, _), times in asked.items():
        if member := MEMBER.search(path):
            # Redemptions need the profiles of some members too, for when they joined.
            needed = 2 if path.endswith(f"/{member[1]}") else 1
            (number,) = (n for n, shard in enumerate(shards, 1) if shard.holds(int(member[1])))
            again[number] += max(times - needed, 0)

    assert again[1] > MIDDLE / 2
    for shard in (STOPPED, KILLED):
        assert again[shard] < MIDDLE / 2, again
    for shard in set(range(1, SHARDS + 1)) - run.lost - {STOPPED, KILLED}:
        assert again[shard] == 0, again


def test_another_dag_starts_after_the_complete_run(airflow: Airflow, run: FirstRun) -> None:
    (started,) = wait_for(lambda: airflow.runs(CONSUMER), "the DAG that waits for Assets", 60)

    assert airflow.ended(CONSUMER, started, 60) == "success"
    assert updated_assets(airflow, run.name) == {f"crowdtwist_{stream}" for stream in STREAMS}


def updated_assets(airflow: Airflow, run: str) -> set[str]:
    events = airflow.call("GET", "assets/events?limit=1000")["asset_events"]
    return {event["name"] for event in events if event["source_run_id"] == run}


def test_the_key_shows_nowhere(cluster: Cluster, run: FirstRun) -> None:
    secrets = in_all_forms(KEY, cluster.s3_key.secret)
    homes = [cluster.airflow.home, *cluster.airflow.workers]
    shown = [
        path
        for home in homes
        for path in home.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]
    assert shown == [], run.name
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    for database in ("airflow", "meltano"):
        tables = cluster.metadata.query(query, database)
        assert tables
        for table in tables:
            held = cluster.metadata.query(f'SELECT t::text FROM "{table}" t', database)  # noqa: S608
            text = "\n".join(held).encode()
            assert not any(s in text or s.hex().encode() in text for s in secrets), table


def in_all_forms(*secrets: str) -> list[bytes]:
    """The secrets as they are, in a URL and in JSON."""
    forms = [(text, quote(text, safe=""), json.dumps(text)[1:-1]) for text in secrets]
    return [form.encode() for each in forms for form in each]


def test_failed_members_fail_the_run_with_their_number(
    airflow: Airflow, sandbox: Sandbox, run: FirstRun
) -> None:
    """They do not fail the shard: a retry would ask everybody, the next run asks those again."""
    assert run.lost
    sandbox.set_faults("access_denied=0.5")
    airflow.trigger(DAG, "denied", shards=1, streams=["purchases"])

    assert airflow.ended(DAG, "denied", 120) == "failed"
    sandbox.set_faults()
    tasks = {task["task_id"]: task for task in airflow.tasks(DAG, "denied")}
    assert (tasks["sweep"]["state"], tasks["sweep"]["try_number"]) == ("success", 1)
    assert tasks["transform"]["state"] == "upstream_failed"
    words = r"Incomplete: shard 1/1: [1-9][0-9]* members failed in `purchases`"
    assert re.search(words, airflow.log("complete", "denied"))
    assert updated_assets(airflow, "denied") == set()


def test_only_members_in_new_files_and_those_that_failed_are_read_the_next_day(
    cluster: Cluster, airflow: Airflow, run: FirstRun
) -> None:
    assert run.lost
    before = set(true_rows(cluster.sandbox, "purchases"))
    cluster.sandbox.advance()
    cluster.push_files()
    cluster.sandbox.reset()
    airflow.trigger(DAG, "changed", shards=1, streams=["purchases"], sweep_members="changed")

    assert airflow.ended(DAG, "changed", 120) == "success", airflow.log("complete", "changed")
    members = {m[1] for r in cluster.sandbox.requests() if (m := MEMBER.search(r["path"]))}
    assert 0 < len(members) < MEMBERS
    # Rows that the program no longer has stay in the table.
    loaded = set(loaded_rows(cluster.warehouse, "purchases"))
    after = set(true_rows(cluster.sandbox, "purchases"))
    assert after <= loaded <= after | before
    assert updated_assets(airflow, "changed") == {"crowdtwist_purchases"}


def test_an_empty_roster_fails_loudly(
    airflow: Airflow, warehouse: PostgresServer, run: FirstRun
) -> None:
    warehouse.query("DELETE FROM crm", "crowdtwist")
    airflow.trigger(DAG, "empty", shards=2)

    assert airflow.ended(DAG, "empty", 90) == "failed", run.name
    assert "returned no rows; the old file is kept" in airflow.log("roster", "empty")
    assert "There is no roster, so nothing was read" in airflow.log("complete", "empty")

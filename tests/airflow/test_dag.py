"""The DAG on a real Airflow: four shards into PostgreSQL, three of them killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import harness
from support.airflow_project import VENV, Airflow, wait_for
from support.postgres_server import PostgresServer

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.demo_project import MeltanoProject
from tap_crowdtwist.members.roster import Shard as RosterShard

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [
    pytest.mark.skipif(not VENV, reason="AIRFLOW_VENV is not set: run `make test-airflow`"),
    pytest.mark.timeout(280),
]

DAG = "crowdtwist"
KEY = "k3y-0f-a-program/that+must~never=show"
MEMBERS = 40
RATE = 1200
SHARDS = 4
MIDDLE = 30
"""Requests of a shard, of 60 or more, after which it is killed."""

MEMBER = re.compile(r"/users/(\d+)")
STREAMS = ["users", "user_activity_history", "purchases", "redemptions", "points_expiration"]
STREAMS += ["user_rewards", "rewards"]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A PostgreSQL for Airflow, and one that is the warehouse."""
    with PostgresServer() as metadata, PostgresServer() as warehouse:
        metadata.query("CREATE ROLE airflow LOGIN PASSWORD 'airflow'")
        metadata.query("CREATE DATABASE airflow OWNER airflow")
        warehouse.create_database("crowdtwist")
        yield metadata, warehouse


@pytest.fixture(scope="module")
def metadata(servers: tuple[PostgresServer, PostgresServer]) -> PostgresServer:
    return servers[0]


@pytest.fixture(scope="module")
def warehouse(servers: tuple[PostgresServer, PostgresServer]) -> PostgresServer:
    return servers[1]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=MEMBERS, seed=11, api_key=KEY)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Future[None]]]:
    """A Meltano project whose plugins are installed while Airflow starts."""
    project = MeltanoProject(
        tmp_path_factory.mktemp("project"), ("tap-crowdtwist", "target-postgres", "dbt-postgres")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PIP_NO_COMPILE", "1")  # for modules that are never imported
        project.create()
        with ThreadPoolExecutor(1) as background:
            yield project.root, background.submit(project.install)


@pytest.fixture(scope="module")
def airflow(
    installation: tuple[Path, Future[None]],
    metadata: PostgresServer,
    warehouse: PostgresServer,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    url = f"postgresql+psycopg2://airflow:airflow@127.0.0.1:{metadata.port}/airflow"
    state = {"MELTANO_STATE_BACKEND_URI": f"file://{home / 'state'}"}
    with Airflow(home, url, state) as airflow:
        airflow.add_connection(
            "crowdtwist_default",
            conn_type="generic",
            password=KEY,
            extra=json.dumps(
                {
                    "api_url": sandbox.api_url,
                    "pos_url": sandbox.pos_url,
                    "checkpoint_interval": 1,
                }
            ),
        )
        known = warehouse.settings("crowdtwist")
        airflow.add_connection(
            "warehouse",
            conn_type="postgres",
            host=known["TARGET_POSTGRES_HOST"],
            port=int(known["TARGET_POSTGRES_PORT"]),
            login=known["TARGET_POSTGRES_USER"],
            password=known["TARGET_POSTGRES_PASSWORD"],
            schema="crowdtwist",
        )
        warehouse.query("CREATE TABLE crm (member bigint)", "crowdtwist")
        rows = ",".join(f"({member})" for member in [*sandbox.roster(), *sandbox.roster()])
        warehouse.query(f"INSERT INTO crm VALUES {rows}", "crowdtwist")  # noqa: S608 - numbers
        airflow.set_variable(
            "crowdtwist",
            {
                "project": str(installation[0]),
                "meltano": str(Path(sys.executable).parent / "meltano"),
                "environment": "prod",
                "target_conn_id": "warehouse",
                "roster": str(home / "members.csv"),
                "roster_sql": "SELECT member FROM crm ORDER BY 1",
                "roster_conn_id": "warehouse",
                "members_sql": "SELECT count(*) FROM crowdtwist.users",
                "shards": SHARDS,
                "requests_per_minute": RATE,
                "streams": STREAMS,
                "transform": "dbt-postgres:build",
            },
        )
        yield airflow


class Shard:
    """The processes that read one shard."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._mark = f"TAP_CROWDTWIST_SHARD={number}/{SHARDS}".encode()

    def asked(self, sandbox: Sandbox) -> int:
        """How many requests it has sent."""
        return sum(
            shard_of(int(member[1])) == self._number
            for request in sandbox.requests()
            if (member := MEMBER.search(request["path"]))
        )

    def kill_tap(self) -> None:
        """As the kernel does when memory runs out."""
        os.kill(self._find(r"bin/tap-crowdtwist .*--catalog"), signal.SIGKILL)

    def kill_meltano(self) -> None:
        """With all that it started, without a word."""
        os.killpg(os.getpgid(self._find(r"bin/meltano .* run ")), signal.SIGKILL)

    def stop_task(self) -> None:
        """As Airflow does, or Kubernetes that evicts a pod."""
        meltano = self._find(r"bin/meltano .* run ")
        text = Path(f"/proc/{meltano}/stat").read_text(encoding="utf-8")
        os.kill(int(text.rpartition(")")[2].split()[1]), signal.SIGTERM)

    def _find(self, command: str) -> int:
        """The id of the one process whose command line matches."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                around = (process / "environ").read_bytes().split(b"\0")
                if re.search(command, line) and self._mark in around:
                    found.append(int(process.name))
        (one,) = found
        return one


def shard_of(member: int) -> int:
    (number,) = [n + 1 for n in range(SHARDS) if RosterShard(n + 1, SHARDS).holds(member)]
    return number


def create_tables(project: Path, warehouse: PostgresServer) -> None:
    """Create the tables with the SCHEMA messages of a run.

    Loaders that start at once, in an empty database, collide when they create the same table. The
    retries of the DAG repair that, but here they are counted.
    """
    with harness.sandbox(members=1) as other:
        messages = harness.run_tap(other, *STREAMS).stdout.splitlines(keepends=True)
    schemas = "".join(line for line in messages if line.startswith('{"type":"SCHEMA"'))
    subprocess.run(
        [project / ".meltano/loaders/target-postgres/venv/bin/target-postgres", "--config=ENV"],
        input=schemas,
        text=True,
        env=warehouse.settings("crowdtwist")
        | {"TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "crowdtwist", "PGTZ": "UTC"},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def run(
    airflow: Airflow,
    installation: tuple[Path, Future[None]],
    warehouse: PostgresServer,
    sandbox: Sandbox,
) -> str:
    """The first scheduled run, in which three shards are killed in the middle."""
    installation[1].result()
    create_tables(installation[0], warehouse)
    wait_for(lambda: loaded(airflow), "the DAG")
    airflow.call("PATCH", f"dags/{DAG}", {"is_paused": False})
    (first,) = wait_for(lambda: airflow.runs(DAG), "a run")
    fates = {1: Shard.stop_task, 3: Shard.kill_meltano, 4: Shard.kill_tap}

    def all_met() -> bool:
        for number, fate in list(fates.items()):
            if Shard(number).asked(sandbox) >= MIDDLE:
                fate(Shard(number))
                del fates[number]
        return not fates

    wait_for(all_met, "the shards to be in the middle", 120)
    airflow.ended(DAG, first, 210)
    return str(first)


@pytest.fixture(scope="module")
def books(sandbox: Sandbox, run: str) -> list[dict[str, Any]]:
    """The requests of the first run."""
    assert run
    return sandbox.requests()


def loaded(airflow: Airflow) -> bool:
    assert airflow.call("GET", "importErrors")["import_errors"] == []
    return DAG in {dag["dag_id"] for dag in airflow.call("GET", "dags")["dags"]}


def test_killed_shards_are_retried_and_the_run_succeeds(airflow: Airflow, run: str) -> None:
    tasks = airflow.tasks(DAG, run)
    tries = {(task["task_id"], task["map_index"]): task["try_number"] for task in tasks}

    assert airflow.state(DAG, run) == "success", airflow.log("complete", run)
    assert tries == {
        ("roster", -1): 1,
        ("sweep", 0): 2,
        ("sweep", 1): 1,
        ("sweep", 2): 2,
        ("sweep", 3): 2,
        ("complete", -1): 1,
        ("transform", -1): 1,
    }, "\n".join(airflow.log("sweep", run, 1, place) for place in range(SHARDS))
    names = [task["rendered_map_index"] for task in tasks if task["task_id"] == "sweep"]
    assert sorted(names) == ["1/4", "2/4", "3/4", "4/4"]
    assert f"Wrote a roster of {2 * MEMBERS} ids" in airflow.log("roster", run)
    assert f"Complete: {MEMBERS} members in 4 shards" in airflow.log("complete", run)
    for place, words in (
        (0, "stopped by a signal"),
        (2, "ended with exit code -9"),
        (3, "Extractor failed"),
    ):
        assert words in airflow.log("sweep", run, 1, place)


def test_retries_resume_the_sweep(airflow: Airflow, run: str) -> None:
    for place in (0, 3):
        assert "Resuming the interrupted run" in airflow.log("sweep", run, 2, place), place


def test_tables_equal_the_truth(warehouse: PostgresServer, sandbox: Sandbox, run: str) -> None:
    for stream in STREAMS:
        assert texts(stream, rows(warehouse, stream)) == texts(
            stream, sandbox.expected_rows(stream)
        ), run


def test_dbt_makes_the_marts_of_the_complete_run(
    airflow: Airflow, warehouse: PostgresServer, run: str
) -> None:
    assert "Completed successfully" in airflow.log("transform", run)
    members = "SELECT user_id FROM crowdtwist_marts.members ORDER BY user_id"
    present = "SELECT id FROM crowdtwist.users WHERE _sdc_deleted_at IS NULL ORDER BY id"
    assert warehouse.query(members, "crowdtwist") == warehouse.query(present, "crowdtwist") != []


def rows(warehouse: PostgresServer, stream: str) -> list[dict[str, Any]]:
    """The rows of a table in the forms of the truth."""
    table = f"crowdtwist.{stream}"
    columns = warehouse.query(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "  # noqa: S608 - our own
        f"WHERE attrelid = '{table}'::regclass AND attnum > 0 AND attname NOT LIKE '\\_sdc%'",
        "crowdtwist",
    )
    chosen = [
        f"""to_char("{name}", 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "{name}\""""
        if kind.startswith("timestamp")
        else f'"{name}"'
        for name, kind in (line.split("|") for line in columns)
    ]
    lines = warehouse.query(
        f"SELECT row_to_json(q) FROM (SELECT {', '.join(chosen)} FROM {table} "  # noqa: S608
        "WHERE _sdc_deleted_at IS NULL) q",
        "crowdtwist",
    )
    return [json.loads(line) for line in lines]


def texts(stream: str, rows: Any) -> list[str]:
    """Rows as texts that can be compared: 248 and 248.0 are one number, null is no value."""
    return sorted(
        json.dumps(json.loads(json.dumps(row), parse_int=float), sort_keys=True)
        for row in harness.canonical(stream, rows)
    )


def test_the_rate_of_all_shards_stays_under_the_ceiling(books: list[dict[str, Any]]) -> None:
    moments = sorted(request["at"] for request in books)

    for seconds in (10, 60):
        most = max(bisect_left(moments, at + seconds) - n for n, at in enumerate(moments))
        assert most <= RATE * seconds / 60 + SHARDS, seconds


def test_retries_do_not_start_over(books: list[dict[str, Any]]) -> None:
    """What was read and noted is not asked again; nothing was noted where Meltano was killed.

    A profile that was asked for once before the kill does not show here: see `needed`.
    """
    again: Counter[int] = Counter()
    asked = Counter((request["path"], request["query"]) for request in books)
    for (path, _), times in asked.items():
        if member := MEMBER.search(path):
            # Redemptions need the profiles of some members too, for when they joined.
            needed = 2 if path.endswith(f"/{member[1]}") else 1
            again[shard_of(int(member[1]))] += max(times - needed, 0)

    assert again[2] == 0
    assert again[3] > MIDDLE / 2
    for shard in (1, 4):
        assert again[shard] < MIDDLE / 2, again


def test_the_key_shows_nowhere(airflow: Airflow, metadata: PostgresServer, run: str) -> None:
    shown = [
        path
        for path in airflow.home.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert shown == [], run
    tables = metadata.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", "airflow"
    )
    assert {"xcom", "rendered_task_instance_fields", "log", "connection"} <= set(tables)
    for table in tables:
        held = "\n".join(metadata.query(f'SELECT t::text FROM "{table}" t', "airflow"))  # noqa: S608
        assert KEY not in held, table
        assert KEY.encode().hex() not in held, table


def test_failed_members_fail_the_run_with_their_number(
    airflow: Airflow, sandbox: Sandbox, books: list[dict[str, Any]]
) -> None:
    """They do not fail the shard: a retry would ask everybody, the next run asks those again."""
    assert books
    sandbox.set_faults("access_denied=0.5")
    airflow.trigger(DAG, "denied", shards=1, streams=["purchases"])

    assert airflow.ended(DAG, "denied", 90) == "failed"
    sandbox.set_faults()
    tasks = {task["task_id"]: task for task in airflow.tasks(DAG, "denied")}
    assert (tasks["sweep"]["state"], tasks["sweep"]["try_number"]) == ("success", 1)
    assert tasks["transform"]["state"] == "upstream_failed"
    words = r"Incomplete: shard 1/1: [1-9][0-9]* members failed in `purchases`"
    assert re.search(words, airflow.log("complete", "denied"))


def test_an_empty_roster_fails_loudly(
    airflow: Airflow, warehouse: PostgresServer, run: str
) -> None:
    warehouse.query("DELETE FROM crm", "crowdtwist")
    airflow.trigger(DAG, "empty", shards=2)

    assert airflow.ended(DAG, "empty", 60) == "failed", run
    assert "returned no rows; the old file is kept" in airflow.log("roster", "empty")
    assert "There is no roster, so nothing was read" in airflow.log("complete", "empty")

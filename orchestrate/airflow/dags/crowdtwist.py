"""Reads a CrowdTwist program into a warehouse every day: a roster, its shards, a check.

    roster  ->  sweep 1/n, 2/n, … n/n  ->  complete

`roster` makes or reads the list of members, counts them and divides the rate. Each mapped `sweep`
runs `meltano run tap-crowdtwist <target>` for one shard, with a Meltano state of its own; a retry
goes on where the attempt before it stopped. `complete` compares the members that were asked with
those in the roster, and fails with the numbers when anything is missing.

The DAG is the same on the Local, Celery and Kubernetes executors. No two tasks have to share a
disk, if three things are within reach of every worker:

* a Meltano project with its plugins installed, at the same path (part of the image, say);
* the roster, at a path on a shared disk or at a URL such as s3://bucket/members.csv;
* Meltano's state, by MELTANO_STATE_BACKEND_URI or MELTANO_DATABASE_URI in the workers'
  environment. Without either, state lies in the project's .meltano/, which is right only where
  all tasks run on one machine that keeps its disk.

Settings come from the Variable `crowdtwist` (a JSON object, see `DEFAULTS` in crowdtwist_shards),
those of the tap from the Connection `crowdtwist_default`, whose password is the API key. README.md
in the directory above this one tells more.
"""
# ruff: noqa: INP001 - a DAGs folder is no package

from __future__ import annotations

import logging
import os
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection, Param, TriggerRule, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret
from crowdtwist_shards import (
    Meltano,
    Part,
    ShardError,
    account,
    asked_before,
    count_members,
    find_problems,
    place,
    read_settings,
    split,
    table,
    variables,
    write_roster,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger("crowdtwist")  # Airflow gives the module a name that nobody knows

VARIABLE = "crowdtwist"
CONNECTION = "crowdtwist_default"
TAP = "TAP_CROWDTWIST_"


@task(retries=2)
def roster() -> list[dict[str, Any]]:
    """Make or read the roster, count its members, and divide the work."""
    settings, environment = _settings(), _tap_environment()
    try:
        path, members = _members(settings, environment)
        parts = split(settings["shards"], settings["requests_per_minute"])
    except ShardError as error:
        raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None
    rate = parts[0].requests_per_minute
    logger.info("The roster at %s has %d members", place(path), members)
    logger.info("%d shards, %d requests a minute each", len(parts), rate)
    return [{**asdict(part), "of": members} for part in parts]


@task(retries=5, map_index_template="{{ task.op_kwargs['part']['shard'] }}")
def sweep(part: dict[str, Any]) -> dict[str, Any]:
    """Run Meltano for one shard, and say what became of its members."""
    settings, mine = _settings(), Part(part["shard"], part["requests_per_minute"])
    own: dict[str, Any] = asdict(mine)
    if streams := settings["streams"]:
        own["_select"] = [name if "." in name else f"{name}.*" for name in streams]
    environment = _tap_environment() | variables(TAP, own) | _target_environment(settings)
    meltano = Meltano(
        Path(settings["project"]),
        settings["environment"],
        settings["target"],
        settings["meltano"],
        environment,
    )
    before = asked_before(meltano.state(mine.suffix))
    if before:
        logger.info("Shard %s goes on with a sweep that was cut short", mine.shard)
    attempt: int = get_current_context()["ti"].try_number
    run = meltano.run(mine.suffix, logger.log, force=attempt > 1)
    if not run.is_over:
        raise AirflowException(f"Shard {mine.shard}: {run.why()}")
    if run.code:
        logger.error("Shard %s: %s", mine.shard, run.why())
    return account(mine, run, before)


@task(trigger_rule=TriggerRule.ALL_DONE)
def complete(parts: list[dict[str, Any]] | None, swept: Iterable[dict[str, Any]] | None) -> None:
    """Compare what was asked with the roster; fail with the numbers when anything is missing."""
    if not parts:
        raise AirflowFailException("There is no roster, so nothing was read; see that task's log")
    members, done = parts[0]["of"], list(swept or ())
    for line in table(members, done):
        logger.info("%s", line)
    shards = [Part(part["shard"], part["requests_per_minute"]) for part in parts]
    problems = find_problems(members, shards, done) + _not_loaded(done)
    if problems:
        raise AirflowFailException(f"Not everything is there: {'; '.join(problems)}")
    logger.info("Complete: %d members in %d shards", members, len(shards))


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # two runs would share states, and exceed the rate
    tags=["crowdtwist"],
    doc_md=__doc__,
    params={
        "shards": Param(None, type=["null", "integer"], minimum=1, maximum=1000),
        "requests_per_minute": Param(None, type=["null", "integer"], minimum=1, maximum=10_000),
        "streams": Param(None, type=["null", "array"], items={"type": "string"}, minItems=1),
    },
)
def crowdtwist() -> None:
    """Lay out the tasks."""
    parts = roster()
    complete(parts, sweep.expand(part=parts))


def _members(settings: dict[str, Any], environment: dict[str, str]) -> tuple[str, int]:
    """Give the place of the roster and the number of its members; make it, if that is asked for."""
    path = environment.get(f"{TAP}USER_IDS_PATH")
    if not path:
        raise ShardError("`roster` does not say where the members are")
    kind = environment.get(f"{TAP}ID_TYPE", "id")
    column = environment.get(f"{TAP}USER_IDS_COLUMN")
    if settings["roster_sql"]:
        ids = _ids("roster_conn_id", settings["roster_conn_id"], settings["roster_sql"])
        write_roster(path, ids, kind, column)
    return path, count_members(path, kind, column)


def _settings() -> dict[str, Any]:
    """Read the Variable and the parameters of this run."""
    # As text: what Airflow says of a Variable that is no JSON does not name it.
    given = Variable.get(VARIABLE, default=None)
    try:
        return read_settings(given, get_current_context()["params"])
    except ShardError as error:
        raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None


def _tap_environment() -> dict[str, str]:
    """Give the environment of Meltano: the worker's without Airflow's, and the tap's settings."""
    airflows = ("AIRFLOW_", "_AIRFLOW_")
    environment = {n: value for n, value in os.environ.items() if not n.startswith(airflows)}
    try:
        connection = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        connection = None
    if connection is not None:
        environment |= variables(TAP, {"api_key": connection.password or None})
        environment |= variables(TAP, connection.extra_dejson)
    environment |= variables(TAP, {"user_ids_path": _settings()["roster"]})
    for name, value in environment.items():
        if name.startswith(TAP) and name.endswith("_KEY") and value:
            mask_secret(value)
    if not environment.get(f"{TAP}API_KEY"):
        raise AirflowFailException(
            f"Connection {CONNECTION}: there is none, or it has no password; that is the API key"
        )
    return environment


def _target_environment(settings: dict[str, Any]) -> dict[str, str]:
    """Give the loader's settings: host, port, user, password, database, and what `extra` holds."""
    if not settings["target_conn_id"]:
        return {}
    connection = _connection("target_conn_id", settings["target_conn_id"])
    if connection.password:
        mask_secret(connection.password)
    named = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "database": connection.schema,
    }
    prefix = settings["target"].upper().replace("-", "_") + "_"
    return variables(prefix, named | connection.extra_dejson)


def _connection(setting: str, conn_id: str) -> Connection:
    """Return the Connection that a setting names."""
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        raise AirflowFailException(
            f"Variable {VARIABLE}: `{setting}`: there is no Connection {conn_id}"
        ) from None


def _ids(setting: str, conn_id: str, sql: str) -> Iterator[Any]:
    """Yield the first column of a query."""
    hook = _connection(setting, conn_id).get_hook()
    with closing(hook.get_conn()) as database, closing(database.cursor()) as cursor:
        cursor.execute(sql)
        for row in cursor:
            yield row[0]


def _not_loaded(done: list[dict[str, Any]]) -> list[str]:
    """Ask the warehouse whether it holds at least the members whose profiles were read."""
    settings = _settings()
    profiles = [account["streams"]["users"] for account in done if "users" in account["streams"]]
    if not settings["members_sql"] or not profiles:
        return []
    read = sum(p["asked"] - p["missing"] - p["deleted"] - p["failed"] for p in profiles)
    held = next(
        iter(_ids("target_conn_id", settings["target_conn_id"], settings["members_sql"])), 0
    )
    logger.info("The warehouse holds %s members; %d profiles were read", held, read)
    return [f"the warehouse holds {held} members, but {read} were read"] if held < read else []


crowdtwist()

"""A daily sync of a CrowdTwist program into a warehouse: a roster, its shards, a final check.

    roster  ->  sweep 1/n, 2/n, … n/n  ->  complete

`roster` writes or reads the list of members, counts them and divides the rate. Each mapped `sweep`
runs `meltano run tap-crowdtwist <target>` for one shard, with its own Meltano state; a retry
resumes where the previous attempt stopped. `complete` compares the members that were asked with
the roster, and fails with the numbers if anything is missing.

The DAG is the same on the Local, Celery and Kubernetes executors. Tasks need no shared disk if
every worker can access three things:

* a Meltano project with its plugins installed, at the same path (for example in the image);
* the roster, at a path on a shared disk or at a URL such as s3://bucket/members.csv;
* Meltano's state, set by MELTANO_STATE_BACKEND_URI or MELTANO_DATABASE_URI in the workers'
  environment. Without either, the state is in the project's .meltano/, which works only if all
  tasks run on one machine that keeps its disk.

Settings come from the Variable `crowdtwist` (a JSON object, see `DEFAULTS` in crowdtwist_shards),
the tap's settings from the Connection `crowdtwist_default`, whose password is the API key. See
README.md in the directory above this one.
"""
# ruff: noqa: INP001 - a DAGs folder is not a package

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
    asked_before,
    count_members,
    find_problems,
    read_settings,
    redact_url,
    shard_result,
    split,
    table,
    variables,
    write_roster,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger("crowdtwist")  # Airflow imports the module under a generated name

VARIABLE = "crowdtwist"
CONNECTION = "crowdtwist_default"
TAP_PREFIX = "TAP_CROWDTWIST_"


@task(retries=2)
def roster() -> list[dict[str, Any]]:
    """Write or read the roster, count its members, and divide the rate among shards."""
    settings, environment = _settings(), _tap_environment()
    try:
        path, members = _members(settings, environment)
        parts = split(settings["shards"], settings["requests_per_minute"])
    except ShardError as error:
        raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None
    rate = parts[0].requests_per_minute
    logger.info("The roster at %s has %d members", redact_url(path), members)
    logger.info("%d shards, %d requests per minute each", len(parts), rate)
    return [{**asdict(part), "of": members} for part in parts]


@task(retries=5, map_index_template="{{ task.op_kwargs['part']['shard'] }}")
def sweep(part: dict[str, Any]) -> dict[str, Any]:
    """Run Meltano for one shard, and return the counts of its streams."""
    settings, shard = _settings(), Part(part["shard"], part["requests_per_minute"])
    tap_settings: dict[str, Any] = asdict(shard)
    if streams := settings["streams"]:
        # Meltano's variable for the selection; it takes patterns of properties.
        tap_settings["_select"] = [name if "." in name else f"{name}.*" for name in streams]
    environment = (
        _tap_environment() | variables(TAP_PREFIX, tap_settings) | _target_environment(settings)
    )
    meltano = Meltano(
        Path(settings["project"]),
        settings["environment"],
        settings["target"],
        settings["meltano"],
        environment,
    )
    before = asked_before(meltano.state(shard.suffix))
    if before:
        logger.info("Shard %s resumes an interrupted sweep", shard.shard)
    # Meltano takes a run that was killed for still running. Airflow runs only one attempt at a
    # time, so a retry may ignore that.
    attempt: int = get_current_context()["ti"].try_number
    run = meltano.run(shard.suffix, logger.log, force=attempt > 1)
    if not run.is_over:
        raise AirflowException(f"Shard {shard.shard}: {run.failure_reason()}")
    if run.code:  # single members failed, which `complete` reports
        logger.error("Shard %s: %s", shard.shard, run.failure_reason())
    return shard_result(shard, run, before)


@task(trigger_rule=TriggerRule.ALL_DONE)
def complete(parts: list[dict[str, Any]] | None, swept: Iterable[dict[str, Any]] | None) -> None:
    """Compare the results with the roster; fail with the numbers if anything is missing."""
    if not parts:
        raise AirflowFailException(
            "There is no roster, so nothing was read; see the log of the task `roster`"
        )
    members, results = parts[0]["of"], list(swept or ())
    for line in table(members, results):
        logger.info("%s", line)
    shards = [Part(part["shard"], part["requests_per_minute"]) for part in parts]
    problems = find_problems(members, shards, results) + _find_unloaded(results)
    if problems:
        raise AirflowFailException(f"Incomplete: {'; '.join(problems)}")
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
    """Connect the tasks: the roster, a mapped sweep per shard, the check."""
    parts = roster()
    complete(parts, sweep.expand(part=parts))


def _members(settings: dict[str, Any], environment: dict[str, str]) -> tuple[str, int]:
    """Return the path of the roster and the number of its members; write it first if configured."""
    path = environment.get(f"{TAP_PREFIX}USER_IDS_PATH")
    if not path:
        raise ShardError("`roster` is missing: set it to the path or URL of the member file")
    id_type = environment.get(f"{TAP_PREFIX}ID_TYPE", "id")
    column = environment.get(f"{TAP_PREFIX}USER_IDS_COLUMN")
    if settings["roster_sql"]:
        ids = _first_column("roster_conn_id", settings["roster_conn_id"], settings["roster_sql"])
        write_roster(path, ids, id_type, column)
    return path, count_members(path, id_type, column)


def _settings() -> dict[str, Any]:
    """Return the settings from the Variable and the parameters of this run."""
    # Read as text: Airflow's own error for a Variable that is not JSON does not name it.
    text = Variable.get(VARIABLE, default=None)
    try:
        return read_settings(text, get_current_context()["params"])
    except ShardError as error:
        raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None


def _tap_environment() -> dict[str, str]:
    """Return the environment of Meltano: the worker's without Airflow's, and the tap's settings."""
    # Airflow's variables may hold its own credentials, which Meltano does not need.
    prefixes = ("AIRFLOW_", "_AIRFLOW_")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(prefixes)
    }
    try:
        connection = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        connection = None
    if connection is not None:
        environment |= variables(TAP_PREFIX, {"api_key": connection.password or None})
        environment |= variables(TAP_PREFIX, connection.extra_dejson)
    environment |= variables(TAP_PREFIX, {"user_ids_path": _settings()["roster"]})
    for name, value in environment.items():
        if name.startswith(TAP_PREFIX) and name.endswith("_KEY") and value:
            mask_secret(value)
    if not environment.get(f"{TAP_PREFIX}API_KEY"):
        raise AirflowFailException(
            f"Connection {CONNECTION} does not exist or has no password (the API key)"
        )
    return environment


def _target_environment(settings: dict[str, Any]) -> dict[str, str]:
    """Return the loader's settings from its Connection, as environment variables."""
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
            f"Variable {VARIABLE}: `{setting}`: Connection {conn_id} does not exist"
        ) from None


def _first_column(setting: str, conn_id: str, sql: str) -> Iterator[Any]:
    """Yield the values in the first column of a query's result."""
    hook = _connection(setting, conn_id).get_hook()
    with closing(hook.get_conn()) as database, closing(database.cursor()) as cursor:
        cursor.execute(sql)
        for row in cursor:
            yield row[0]


def _find_unloaded(results: list[dict[str, Any]]) -> list[str]:
    """Check that the warehouse holds at least the members whose profiles were read.

    Returns:
        A sentence with the numbers if it does not; empty if it does, or if no check is configured.
    """
    settings = _settings()
    profiles = [result["streams"]["users"] for result in results if "users" in result["streams"]]
    if not settings["members_sql"] or not profiles:
        return []
    read = sum(p["asked"] - p["missing"] - p["deleted"] - p["failed"] for p in profiles)
    counts = _first_column("target_conn_id", settings["target_conn_id"], settings["members_sql"])
    held = next(iter(counts), 0)
    logger.info("The warehouse holds %s members; %d profiles were read", held, read)
    return [f"the warehouse holds {held} members, but {read} were read"] if held < read else []


crowdtwist()

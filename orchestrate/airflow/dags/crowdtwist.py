"""A daily sync of a CrowdTwist program into a warehouse: a roster, its shards, a final check, dbt.

    roster  ->  sweep 1/n, 2/n, … n/n  ->  complete  ->  transform

`roster` writes the list of members, if a query gives it, and divides the rate. Each mapped `sweep`
runs `meltano run tap-crowdtwist <target>` for one shard, with its own Meltano state; a retry
resumes where the previous attempt stopped. `complete` fails, with the numbers, if a shard did not
end, if the tap missed anything, or if the shards are not parts of one roster. `transform` then
makes and tests the marts, if the Variable names the command of Meltano for it.

The DAG is the same on the Local, Celery and Kubernetes executors. Tasks need no shared disk if
every worker can access three things:

* a Meltano project with its plugins installed, at the same path (for example in the image);
* the roster, at a path on a shared disk or at a URL such as s3://bucket/members.csv;
* Meltano's state, set by MELTANO_STATE_BACKEND_URI or MELTANO_DATABASE_URI in the workers'
  environment. Without either, the state is in the project's .meltano/, which works only if all
  tasks run on one machine that keeps its disk.

Settings come from the Variable `crowdtwist` (a JSON object, see `Settings` in crowdtwist_shards),
the tap's settings from the Connection `crowdtwist_default`, whose password is the API key. See
docs/airflow.md of the project.
"""
# ruff: noqa: INP001 - a DAGs folder is not a package

from __future__ import annotations

import logging
import os
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    AssetAlias,
    Connection,
    Param,
    TriggerRule,
    Variable,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from crowdtwist_meltano import run_blocks, run_meltano
from crowdtwist_shards import TAP_PREFIX, Settings, find_problems, variables, write_roster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk.execution_time.context import OutletEventAccessors

logger = logging.getLogger("crowdtwist")  # Airflow imports the module under a generated name

VARIABLE = "crowdtwist"
CONNECTION = "crowdtwist_default"

AT_ONCE = 4
"""Number of shards that run at the same time; each of them gets this part of the rate.

A constant, because Airflow reads it before the Variable. More shards than this leave less of the
rate unused at the end, when some are over and the last ones are still running.
"""

READ = AssetAlias(VARIABLE)
"""Stands for the Assets of the streams that a run read; their names are known at its end."""


@task(retries=2)
def roster() -> list[dict[str, Any]]:
    """Write the roster, if a query gives it, and divide the rate among shards."""
    settings = read_settings()
    tap = tap_environment(settings)
    if settings.roster_sql:
        id_type = tap.get(f"{TAP_PREFIX}ID_TYPE", "id")
        column = tap.get(f"{TAP_PREFIX}USER_IDS_COLUMN", id_type)
        ids = first_column(settings.roster_conn_id, settings.roster_sql)
        try:
            number = write_roster(tap.get(f"{TAP_PREFIX}USER_IDS_PATH", ""), ids, column)
        except ValueError as error:
            raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None
        logger.info("Wrote a roster of %d ids", number)
    return settings.parts(AT_ONCE)


@task(
    retries=5,
    max_active_tis_per_dagrun=AT_ONCE,
    map_index_template="{{ task.op_kwargs['part']['shard'] }}",
)
def sweep(part: dict[str, Any]) -> dict[str, Any]:
    """Run Meltano for one shard, and return its numbers."""
    settings, shard = read_settings(), part["shard"]
    environment = (
        tap_environment(settings) | variables(TAP_PREFIX, part) | target_environment(settings)
    )
    # Meltano takes a run that was killed for still running. Airflow runs only one attempt at a
    # time, so a retry may ignore that.
    is_retry = get_current_context()["ti"].try_number > 1
    run = run_meltano(settings, shard, environment, logger.log, force=is_retry)
    if not run.is_over:
        failure = AirflowFailException if run.needs_a_person else AirflowException
        raise failure(f"Shard {shard}: {run.failure_reason()}")
    return run.result(shard)


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[READ])
def complete(
    parts: list[dict[str, Any]] | None,
    swept: Iterable[dict[str, Any]] | None,
    *,
    outlet_events: OutletEventAccessors,
) -> None:
    """Fail, with the numbers, if anything is missing; else update the Assets of the streams.

    The Asset of a stream is `crowdtwist_<stream>`. Airflow drops the events of a task that fails.
    """
    if not parts:
        raise AirflowFailException(
            "There is no roster, so nothing was read; see the log of the task `roster`"
        )
    results = list(swept or ())
    for result in results:
        logger.info("Shard %(shard)s: %(members)d members", result)
    problems = find_problems(parts, results) + find_unloaded(results)
    if problems:
        raise AirflowFailException(f"Incomplete: {'; '.join(problems)}")
    members = sum(result["members"] for result in results)
    logger.info("Complete: %d members in %d shards", members, len(results))
    for stream in sorted({stream for result in results for stream in result["streams"]}):
        outlet_events[READ].add(Asset(f"{VARIABLE}_{stream}"))


@task(retries=0)  # a test that failed would fail again
def transform() -> None:
    """Run dbt on what was loaded, if it was complete."""
    settings = read_settings()
    if not settings.transform:
        raise AirflowSkipException("The Variable has no `transform`")
    environment = worker_environment() | target_environment(settings)
    run = run_blocks(settings, [settings.transform], environment, logger.log)
    if run.code or run.stopped:
        raise AirflowFailException(f"{settings.transform}: {run.failure_reason()}")


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
        "sweep_members": Param(
            None, type=["null", "string"], enum=[None, "all", "changed", "updated"]
        ),
    },
)
def crowdtwist() -> None:
    """Connect the tasks: the roster, a mapped sweep per shard, the check, dbt."""
    parts = roster()
    complete(parts, sweep.expand(part=parts)) >> transform()


def read_settings() -> Settings:
    """Return the settings from the Variable and the parameters of this run."""
    # Read as text: Airflow's own error for a Variable that is not JSON does not name it.
    text = Variable.get(VARIABLE, default="{}")
    try:
        return Settings.parse(text, get_current_context()["params"])
    except ValueError as error:
        raise AirflowFailException(f"Variable {VARIABLE}: {error}") from None


def worker_environment() -> dict[str, str]:
    """Return the worker's environment without Airflow's variables, which may hold credentials."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }


def tap_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of Meltano: the worker's, and the tap's settings."""
    connection = Connection.get(CONNECTION)
    # Meltano's variable for the selection; it takes patterns of properties.
    select = [name if "." in name else f"{name}.*" for name in settings.streams or ()]
    own = {
        "user_ids_path": settings.roster,
        "sweep_members": settings.sweep_members,
        "_select": select,
    }
    return (
        worker_environment()
        | variables(TAP_PREFIX, {"api_key": connection.password})
        | variables(TAP_PREFIX, connection.extra_dejson)
        | variables(TAP_PREFIX, own)
    )


def target_environment(settings: Settings) -> dict[str, str]:
    """Return the loader's settings from its Connection, as environment variables."""
    if not settings.target_conn_id:
        return {}
    connection = Connection.get(settings.target_conn_id)
    named = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "database": connection.schema,
    }
    prefix = settings.target.upper().replace("-", "_") + "_"
    return variables(prefix, named | connection.extra_dejson)


def first_column(conn_id: str | None, sql: str) -> Iterator[Any]:
    """Yield the values in the first column of a query's result."""
    hook = Connection.get(conn_id).get_hook()
    with closing(hook.get_conn()) as database, closing(database.cursor()) as cursor:
        cursor.execute(sql)
        for row in cursor:
            yield row[0]


def find_unloaded(results: list[dict[str, Any]]) -> list[str]:
    """Check that the warehouse holds at least the members whose profiles were read.

    Returns:
        A sentence with the numbers if it does not; empty if it does, or if no check is configured.
    """
    settings = read_settings()
    if not settings.members_sql:
        return []
    read = sum(result["profiles"] for result in results)
    held = next(first_column(settings.target_conn_id, settings.members_sql), 0)
    logger.info("The warehouse holds %s members; %d profiles were read", held, read)
    return [f"the warehouse holds {held} members, but {read} were read"] if held < read else []


crowdtwist()

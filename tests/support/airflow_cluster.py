"""The machines of a nightly sync: Airflow, its workers, a warehouse, an S3 and the sandbox."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.demo_project import MeltanoProject
from support import pages
from support.airflow_project import DAGS, Airflow
from support.airflow_shards import create_tables
from support.postgres_server import PostgresServer
from support.redis_server import RedisServer
from support.s3_server import REGION, S3Server

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from support.s3_server import Key

DAG = "crowdtwist"
KEY = "k3y-0f-a-program/that+must~never=show"
MEMBERS = 64
RATE = 1200
SHARDS = 8
STREAMS = ["users", "user_activity_history", "purchases", "redemptions", "points_expiration"]
STREAMS += ["user_rewards", "rewards"]

_PLUGINS = ("tap-crowdtwist", "target-postgres", "dbt-postgres")


class Cluster:
    """All of it, until the block ends.

    Attributes:
        airflow: an Airflow with two workers.
        sandbox: the program.
        metadata: the PostgreSQL of Airflow, and of Meltano's states.
        warehouse: another PostgreSQL.
        redis: the broker.
        s3: it has the roster and the files of Data Push.
        s3_key: the key with which the workers use it.

    Args:
        home: a directory for all of their files.
    """

    airflow: Airflow
    s3_key: Key

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stack = ExitStack()
        self.sandbox = Sandbox(SandboxOptions(members=MEMBERS, seed=11, api_key=KEY))
        self.metadata, self.warehouse = PostgresServer(), PostgresServer()
        self.redis = RedisServer(home)
        self.s3 = S3Server()

    def __enter__(self) -> Self:
        with self._stack:
            for server in (self.sandbox, self.metadata, self.warehouse, self.redis, self.s3):
                self._stack.enter_context(server)
            self._fill_databases()
            self.s3_key = self.s3.allowed("s3:*")
            self.push_files()
            workers = [self._home / "one", self._home / "two"]
            with ThreadPoolExecutor() as background:
                # The projects are installed while Airflow starts.
                installations = [background.submit(self._install, home) for home in workers]
                self.airflow = self._stack.enter_context(self._make_airflow(workers))
                for installation in installations:
                    installation.result()
            self._configure()
            create_tables(workers[0] / "meltano", self.warehouse, STREAMS)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def push_files(self) -> None:
        """Upload the files of Data Push of the day."""
        folder = self._home / "push"
        folder.mkdir(exist_ok=True)
        for path in self.sandbox.write_data_push(folder):
            self.s3.put(f"push/{path.name}", path.read_bytes())

    def _fill_databases(self) -> None:
        for name in ("airflow", "meltano"):
            self.metadata.query(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
            self.metadata.query(f"CREATE DATABASE {name} OWNER {name}")
        self.warehouse.create_database("crowdtwist")
        self.warehouse.query("CREATE TABLE crm (member bigint)", "crowdtwist")
        roster = self.sandbox.roster()
        rows = ",".join(f"({member})" for member in [*roster, *roster])
        self.warehouse.query(f"INSERT INTO crm VALUES {rows}", "crowdtwist")  # noqa: S608 - numbers

    def _install(self, worker: Path) -> None:
        """Install the Meltano project of a worker; the first one creates the tables of states."""
        project = MeltanoProject(worker / "meltano", _PLUGINS)
        project.create()
        project.install()
        if worker.name == "one":
            with project.running(["state", "list"], self._state) as process:
                assert process.wait(120) == 0, project.log.read_text(encoding="utf-8")

    @property
    def _state(self) -> dict[str, str]:
        url = f"postgresql+psycopg://meltano:meltano@127.0.0.1:{self.metadata.port}/meltano"
        return {"MELTANO_DATABASE_URI": url}

    def _make_airflow(self, workers: list[Path]) -> Airflow:
        home = self._home / "airflow"
        for folder in (home, *workers):
            folder.mkdir()
        dags = home / "dags"
        shutil.copytree(DAGS, dags, ignore=shutil.ignore_patterns("__pycache__"))
        consumer = pages.block("Start another DAG", "python")
        (dags / "after_crowdtwist.py").write_text(consumer, encoding="utf-8")
        url = f"postgresql+psycopg2://airflow:airflow@127.0.0.1:{self.metadata.port}/airflow"
        bucket = {
            **self.s3_key.environment,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.s3.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        environment = self._state | bucket
        return Airflow(home, url, self.redis.url, workers, environment, dags)

    def _configure(self) -> None:
        self.airflow.add_connection(
            "crowdtwist_default",
            conn_type="generic",
            password=KEY,
            extra=json.dumps(self.tap_settings()),
        )
        known = self.warehouse.settings("crowdtwist")
        self.airflow.add_connection(
            "warehouse",
            conn_type="postgres",
            host=known["TARGET_POSTGRES_HOST"],
            port=int(known["TARGET_POSTGRES_PORT"]),
            login=known["TARGET_POSTGRES_USER"],
            password=known["TARGET_POSTGRES_PASSWORD"],
            schema="crowdtwist",
        )
        self.airflow.set_variable(
            "crowdtwist",
            {
                "project": "~/meltano",
                "meltano": str(Path(sys.executable).parent / "meltano"),
                "environment": "prod",
                "target_conn_id": "warehouse",
                "roster": "s3://brand/members.csv",
                "roster_sql": "SELECT member FROM crm ORDER BY 1",
                "roster_conn_id": "warehouse",
                "members_sql": "SELECT count(*) FROM crowdtwist.users",
                "shards": SHARDS,
                "requests_per_minute": RATE,
                "streams": STREAMS,
                "transform": "dbt-postgres:build",
            },
        )

    def tap_settings(self) -> dict[str, Any]:
        """The extra of the tap's Connection."""
        return {
            "api_url": self.sandbox.api_url,
            "pos_url": self.sandbox.pos_url,
            "checkpoint_interval": 1,
            "data_push_path": "s3://brand/push",
        }

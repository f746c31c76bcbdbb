"""A real Airflow for the tests: its servers and Celery workers, each with a home of its own.

It lives in a virtual environment of its own, which `make test-airflow` makes and names in
AIRFLOW_VENV; it does not go beside the SDK.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from support.processes import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

CHECKOUT = Path(__file__).resolve().parents[2]
DAGS = CHECKOUT / "orchestrate" / "airflow" / "dags"
VENV = os.environ.get("AIRFLOW_VENV", "")
_PARTS = ("api-server", "dag-processor", "scheduler")
SLOTS = 4
"""Tasks of a worker at the same time."""

HEARTBEAT_TIMEOUT_SECONDS = 40

_NOT_OURS = (
    *("AIRFLOW", "AWS_", "COV", "MELTANO_", "PG", "PYTHON", "TAP_", "TARGET_", "VIRTUAL_ENV"),
)


def dag_module(name: str) -> Any:
    """Import a module beside the DAG, which needs no Airflow."""
    if str(DAGS) not in sys.path:
        sys.path.append(str(DAGS))
    return importlib.import_module(name)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Wait until a condition holds; give what it gave.

    Raises:
        TimeoutError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)
    return found


class Airflow:
    """An Airflow on the Celery executor, from `with Airflow(…) as airflow:` until the block ends.

    Args:
        home: a directory for its logs and settings.
        database: the URL of an empty PostgreSQL database.
        broker: the URL of a Redis.
        workers: directories, each the home of a worker. They share nothing else than what they
            reach over the network.
        environment: what the workers' environment holds besides.
        dags: the DAGs folder.
    """

    def __init__(
        self,
        home: Path,
        database: str,
        broker: str,
        workers: Sequence[Path],
        environment: Mapping[str, str],
        dags: Path,
    ) -> None:
        port = free_port()
        self.home = home
        self._url = f"http://{HOST}:{port}"
        around = {n: value for n, value in os.environ.items() if not n.startswith(_NOT_OURS)}
        settings = {
            "api__base_url": self._url,
            "api__host": HOST,
            "api__port": str(port),
            "api__secret_key": secrets.token_urlsafe(32),
            "api__workers": "1",
            "api_auth__jwt_secret": secrets.token_urlsafe(64),
            "core__dags_folder": str(dags),
            "core__default_task_retry_delay": "2",
            "core__execution_api_server_url": f"{self._url}/execution/",
            "celery__broker_url": broker,
            "celery__result_backend": f"db+{database}",
            "core__executor": "CeleryExecutor",
            "core__fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "core__load_examples": "False",
            "core__parallelism": "8",
            "core__simple_auth_manager_all_admins": "True",
            "dag_processor__parsing_processes": "1",
            "database__sql_alchemy_conn": database,
            "database__sql_alchemy_max_overflow": "2",
            "database__sql_alchemy_pool_size": "2",
            "scheduler__scheduler_heartbeat_sec": "1",
            # A worker that is gone is noticed after this time, by default after five minutes.
            "scheduler__task_instance_heartbeat_timeout": f"{HEARTBEAT_TIMEOUT_SECONDS}",
            "scheduler__task_instance_heartbeat_timeout_detection_interval": "2",
            # A task that the worker had taken but not begun; by default ten minutes.
            "scheduler__task_queued_timeout": "60",
            "scheduler__task_queued_timeout_check_interval": "5",
            "usage_data_collection__enabled": "False",
        }
        self.workers = workers
        self._environment = {
            **around,
            **{f"AIRFLOW__{name.upper()}": value for name, value in settings.items()},
            "NO_COLOR": "1",
        }
        self._workers_environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        try:
            self._command(self.home, "db", "migrate").wait(120)
            for part in _PARTS:
                self._processes[part] = self._command(self.home, part)
            for worker in self.workers:
                self._processes[worker.name] = self._command(
                    worker,
                    "celery",
                    "worker",
                    f"--celery-hostname={worker.name}",
                    f"--concurrency={SLOTS}",
                    "--skip-serve-logs",
                    **self._workers_environment,
                )
            wait_for(self._is_up, "Airflow", 90)
            token = self._session.get(f"{self._url}/auth/token", timeout=10).json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _command(self, home: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((home / f"{arguments[0]}.log").open("wb"))
        return subprocess.Popen(
            [str(Path(VENV).absolute() / "bin" / "airflow"), *arguments],
            cwd=home,
            env={
                **self._environment,
                **environment,
                "AIRFLOW_HOME": str(home),
                "HOME": str(home),
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _is_up(self) -> bool:
        for part, process in self._processes.items():
            assert process.poll() is None, part
        with suppress(requests.ConnectionError):
            health = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=10).json()
            return all(
                health[part]["status"] == "healthy"
                for part in ("metadatabase", "scheduler", "dag_processor")
            )
        return False

    def _stop(self) -> None:
        for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            for process in self._processes.values():
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
            deadline = time.monotonic() + seconds
            for process in self._processes.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0.1))
        self._session.close()
        self._stack.close()

    def kill_worker(self, worker: Path) -> None:
        """Kill a worker and all that it started, as a machine that fails."""
        process = self._processes.pop(worker.name)
        # First stopped, so that none starts another meanwhile.
        stopped: set[int] = set()
        while new := {process.pid, *_descendants(process.pid)} - stopped:
            stopped |= new
            _signal(new, signal.SIGSTOP)
        _signal(stopped, signal.SIGKILL)
        process.wait(10)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API; gives what it answers."""
        url = f"{self._url}/api/v2/{path}"
        answer = self._session.request(method, url, json=body, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def set_variable(self, name: str, value: Any) -> None:
        """Add a Variable."""
        self.call("POST", "variables", {"key": name, "value": json.dumps(value)})

    def add_connection(self, conn_id: str, **properties: Any) -> None:
        """Add a Connection."""
        self.call("POST", "connections", {"connection_id": conn_id, **properties})

    def trigger(self, dag: str, run: str, **params: Any) -> None:
        """Start a run of a DAG."""
        body = {"dag_run_id": run, "logical_date": None, "conf": params}
        self.call("POST", f"dags/{dag}/dagRuns", body)

    def runs(self, dag: str) -> list[str]:
        """The ids of a DAG's runs."""
        return [run["dag_run_id"] for run in self.call("GET", f"dags/{dag}/dagRuns")["dag_runs"]]

    def state(self, dag: str, run: str) -> str:
        """The state of a run."""
        return str(self.call("GET", f"dags/{dag}/dagRuns/{run}")["state"])

    def ended(self, dag: str, run: str, seconds: float) -> str:
        """Wait until a run is over; gives its state."""
        wait_for(lambda: self.state(dag, run) in {"success", "failed"}, f"run {run}", seconds)
        return self.state(dag, run)

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found: list[dict[str, Any]] = self.call("GET", f"dags/{dag}/dagRuns/{run}/taskInstances")[
            "task_instances"
        ]
        return found

    def log(self, task: str, run: str, attempt: int = 1, place: int = -1) -> str:
        """What a task instance logged in an attempt, an event a line."""
        found = [
            path
            for worker in self.workers
            for path in (worker / "logs").glob(f"**/run_id={run}/task_id={task}/**/*.log")
            if path.name == f"attempt={attempt}.log"
            and (place < 0 or f"map_index={place}" in path.parts)
        ]
        return "\n".join(path.read_text(encoding="utf-8") for path in found)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    """The ids of the processes that a process started, and that those started."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2]
            children.setdefault(int(status.split()[1]), []).append(int(process.name))
    found = list(children.get(pid, ()))
    for child in found:  # grows on the way
        found += children.get(child, ())
    return found

"""The dbt project, run by a real dbt that lives in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = CHECKOUT / "transform"
_NOT_OURS = ("DBT_", "TAP_", "TARGET_", "MELTANO_", "PG", "COV", "PYTHON", "VIRTUAL_ENV")
_SECONDS = 280


def executable() -> Path:
    """Return the path of dbt.

    Raises:
        FileNotFoundError: it is not installed.
    """
    venv = Path(os.environ.get("DBT_VENV", ".venv-dbt"))
    path = CHECKOUT / venv / "bin" / "dbt"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}: run `make .venv-dbt/.installed`")
    return path


@dataclass(frozen=True)
class Finished:
    """What a command of dbt left behind.

    Attributes:
        code: its exit code.
        output: what it printed.
        results: status of each node that it ran, by name; `message` and `failures` beside it.
    """

    code: int
    output: str
    results: dict[str, dict[str, Any]]

    def failed(self) -> set[str]:
        """Return the names of the tests and models that failed, warnings aside."""
        bad = {"error", "fail", "runtime error"}
        return {name for name, result in self.results.items() if result["status"] in bad}

    def warned(self) -> set[str]:
        """Return the names of the tests that gave a warning."""
        return {name for name, result in self.results.items() if result["status"] == "warn"}


class DbtProject:
    """The project with a profile's target, and a directory of its own for what dbt writes."""

    def __init__(
        self, target: str, settings: Mapping[str, str], directory: Path, project: Path = PROJECT
    ) -> None:
        self._target = target
        self._settings = settings
        self._directory = directory
        self._project = project

    def __call__(
        self,
        command: str,
        *arguments: str,
        code: int | None = 0,
        schema: str = "crowdtwist_marts",
        **variables: Any,
    ) -> Finished:
        """Run a command of dbt to its end.

        Args:
            command: such as `build`.
            arguments: its options.
            code: the exit code that is expected; None if any will do.
            schema: the schema of the marts.
            variables: variables of the project.
        """
        written = self._directory / "target" / "run_results.json"
        written.unlink(missing_ok=True)
        done = subprocess.run(
            [
                executable(),
                "--no-use-colors",
                command,
                f"--project-dir={self._project}",
                f"--profiles-dir={PROJECT}",
                f"--target={self._target}",
                f"--vars={json.dumps(variables)}",
                *arguments,
            ],
            env=self._environment(schema),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=_SECONDS,
        )
        output = done.stdout + done.stderr
        assert code in {None, done.returncode}, output
        results = json.loads(written.read_text())["results"] if written.exists() else []
        return Finished(
            done.returncode, output, {each["unique_id"].split(".")[2]: each for each in results}
        )

    def _environment(self, schema: str) -> dict[str, str]:
        around = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)
        }
        own = {
            "DBT_SCHEMA": schema,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": str(self._directory / "target"),
            "DBT_LOG_PATH": str(self._directory / "logs"),
        }
        return {**around, **own, **self._settings}

"""The demo's dbt and report: dbt is installed while the first day syncs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crowdtwist_sandbox.demo_processes import process_group
from crowdtwist_sandbox.demo_project import CHECKOUT, DBT_VENV, MeltanoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox.demo_project import MeltanoProject

BUILD, SNAPSHOT = "dbt-duckdb:build", "dbt-duckdb:snapshot"

POINT_VALUE, CURRENCY = 0.01, "USD"
_INSTALL_SECONDS = 600
_REPORT_SECONDS = 120


class Transform:
    """dbt on the demo's warehouse, and the report of what it made."""

    def __init__(self, project: MeltanoProject, venv: str = DBT_VENV) -> None:
        self.report = project.root / "report.html"
        self._project = project
        self._venv = venv
        self._installation: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Settings of dbt for Meltano."""
        return {"DBT_DUCKDB_VARS": json.dumps({"point_value": POINT_VALUE, "currency": CURRENCY})}

    @contextmanager
    def installing(self) -> Iterator[None]:
        """Install dbt beside what the block does, and stop that if the block ends first."""
        # Variables of an outer make, such as PYTHON, are in MAKEFLAGS.
        command = ["make", f"DBT_VENV={self._venv}", f"{self._venv}/.installed"]
        with (
            self._project.log.open("ab") as log,
            process_group(
                command, cwd=CHECKOUT, env=os.environ, output=log.fileno()
            ) as self._installation,
        ):
            yield

    def await_installation(self) -> None:
        """Wait until dbt is installed.

        Raises:
            MeltanoError: it could not be installed.
        """
        assert self._installation is not None  # noqa: S101 - called within `installing`
        try:
            code = self._installation.wait(_INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            code = 1
        if code:
            raise MeltanoError(
                f"dbt could not be installed: run `make {self._venv}/.installed` to see why"
            )

    def outcome(self) -> str:
        """Return what the last build made, as one line."""
        path = (
            self._project.root / ".meltano" / "run" / "dbt-duckdb" / "target" / "run_results.json"
        )
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        kinds = Counter(str(result["unique_id"]).partition(".")[0] for result in results)
        warned = sum(result["status"] == "warn" for result in results)
        counts = {
            "models": kinds["model"],
            "snapshot": kinds["snapshot"],
            "tests passed": kinds["test"] + kinds["unit_test"] - warned,
            "tests warned": warned,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    def write_report(self, warehouse: Path) -> None:
        """Write the report by its command.

        Raises:
            MeltanoError: it failed.
        """
        command = [sys.executable, "-m", "crowdtwist_report"]
        command += ["--database", str(warehouse), "--output", str(self.report)]
        with self._project.log.open("ab") as log:
            try:
                done = subprocess.run(  # noqa: S603 - the arguments are ours
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=_REPORT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise MeltanoError(
                    f"`crowdtwist-report` took more than {_REPORT_SECONDS} s"
                ) from None
        if done.returncode:
            raise MeltanoError(done.stderr.strip() or "`crowdtwist-report` failed")

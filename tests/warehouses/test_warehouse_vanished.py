"""target-postgres forgets what is no more, and nothing that the program still holds."""

from __future__ import annotations

import itertools
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from support.vanished_rows import RECEIPTS, Key
from support.vanished_rows_machine import Vanishing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.postgres_server import PostgresServer

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

SETTINGS = settings(
    max_examples=1,
    stateful_step_count=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Postgres:
    """A database into which target-postgres loads messages, in a process of its own each time."""

    def __init__(
        self, server: PostgresServer, program: Path, folder: Path, name: str, *, hard: bool
    ) -> None:
        self._server = server
        self._database = name
        self._lines = folder / f"{name}.singer"
        self._loading: subprocess.Popen[str] | None = None
        server.create_database(name)
        given = {
            key.removeprefix("TARGET_POSTGRES_").lower(): value
            for key, value in server.settings(name).items()
        }
        config = {**given, "port": server.port, "default_target_schema": "crowdtwist"}
        config |= {"activate_version": True, "hard_delete": hard, "add_record_metadata": True}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        self._command = [str(program), "--config", str(path)]

    def load(self, messages: Iterable[dict[str, Any]]) -> None:
        """Begin to load messages."""
        lines = "".join(f"{json.dumps(message)}\n" for message in messages)
        self._lines.write_text(lines, encoding="utf-8")
        with self._lines.open(encoding="utf-8") as standard_input:
            self._loading = subprocess.Popen(
                self._command,
                stdin=standard_input,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )

    def rows(self) -> set[Key]:
        """The keys of the receipts that are not deleted, when all is loaded."""
        if self._loading is not None:
            _, said = self._loading.communicate(timeout=60)
            assert self._loading.returncode == 0, said
            self._loading = None
        table = f"crowdtwist.{RECEIPTS}"
        if self._server.query(f"SELECT to_regclass('{table}') IS NULL", self._database) == ["t"]:
            return set()
        found = self._server.query(
            f"SELECT user_id, id FROM {table} WHERE _sdc_deleted_at IS NULL",  # noqa: S608 - our own words
            self._database,
        )
        return {tuple(map(int, line.split("|"))) for line in found}


def test_nothing_that_is_there_is_forgotten_and_nothing_else_is_left(
    loaders: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    program = loaders / ".meltano/loaders/target-postgres/venv/bin/target-postgres"
    numbers = itertools.count()
    machines: list[Vanishing] = []

    def machine() -> Vanishing:
        number = next(numbers)
        databases = [
            Postgres(postgres, program, tmp_path, f"vanished_{kind}_{number}", hard=kind == "hard")
            for kind in ("hard", "soft")
        ]
        machines.append(Vanishing(databases))
        return machines[-1]

    run_state_machine_as_test(machine, settings=SETTINGS)  # type: ignore[arg-type]  # any callable
    assert any(machine.forgotten for machine in machines)

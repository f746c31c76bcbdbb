"""Declarations for dbt: those that the tap prints, and those of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.dbt_project import PROJECT, DbtProject
from support.harness import run_cli

from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NOWHERE = {"DBT_POSTGRES_HOST": "127.0.0.1", "DBT_POSTGRES_PORT": "1"}


def test_dbt_accepts_the_sources_that_the_tap_prints(tmp_path: Path) -> None:
    project = tmp_path / "own"
    (project / "models").mkdir(parents=True)
    text = "name: own\nprofile: crowdtwist\nvars:\n  crowdtwist_schema: loyalty\n"
    (project / "dbt_project.yml").write_text(text, encoding="utf-8")
    printed = run_cli("--dbt-sources").stdout
    (project / "models" / "sources.yml").write_text(printed, encoding="utf-8")
    dbt = DbtProject("postgres", NOWHERE, tmp_path, project)
    listed = dbt(
        "list", "--resource-type=source", "--output=json", "--output-keys=schema", "--quiet"
    )
    expected = sum(stream.is_configured({}) for stream in STREAMS)
    assert listed.output.splitlines().count('{"schema": "loyalty"}') == expected


def test_the_project_is_read_without_a_database_and_without_a_warning(tmp_path: Path) -> None:
    dbt = DbtProject("postgres", NOWHERE, tmp_path)
    done = dbt("parse", "--warn-error", "--no-partial-parse")
    assert "Encountered an error" not in done.output


def test_each_stream_has_a_view() -> None:
    files = {path.stem for path in (PROJECT / "models" / "staging").glob("*.sql")}
    assert files >= {f"stg_crowdtwist__{stream.name}" for stream in STREAMS}

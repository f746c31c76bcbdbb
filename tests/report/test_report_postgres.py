"""The report of a PostgreSQL database is the report of a DuckDB file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from support.marts import MadeUpMarts
from support.postgres_server import PostgresServer

from crowdtwist_report import cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database with the marts, whose password has characters that a URL must escape."""
    with PostgresServer() as server:
        server.create_database("warehouse")
        settings = server.settings("warehouse")
        user, password, host, port = (
            quote(settings[f"TARGET_POSTGRES_{name}"], safe="")
            for name in ("USER", "PASSWORD", "HOST", "PORT")
        )
        url = f"postgresql://{user}:{password}@{host}:{port}/warehouse"
        with psycopg.connect(url) as connection:
            MadeUpMarts().write(lambda sql: connection.execute(sql.encode()))
        yield url


def test_both_databases_give_the_same_bytes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = []
    for database in (url, str(MadeUpMarts().save(tmp_path / "warehouse.duckdb"))):
        output = tmp_path / "report.html"
        monkeypatch.setenv(cli.DATABASE, database)
        monkeypatch.setattr(sys, "argv", ["crowdtwist-report", "--output", str(output)])
        assert cli.main() == 0
        pages.append(output.read_bytes())

    assert pages[0] == pages[1]
    said = capsys.readouterr().out
    assert said == f"{output}: written\n" * 2


def test_a_schema_without_marts_says_how_to_build_them(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cli.DATABASE, url)
    monkeypatch.setattr(sys, "argv", ["crowdtwist-report", "--schema", "elsewhere"])

    assert cli.main() == 1

    assert capsys.readouterr().err == (
        "crowdtwist-report: The schema `elsewhere` has no marts."
        " Run `meltano run dbt-postgres:build`, name their schema with --schema, or grant the user"
        " SELECT on them.\n"
    )


def test_a_statement_that_takes_too_long_is_no_traceback(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(cli.DATABASE, f"{url}?options=-cstatement_timeout%3D1")
    monkeypatch.setattr(sys, "argv", ["crowdtwist-report"])

    assert cli.main() == 1

    assert capsys.readouterr().err == (
        "crowdtwist-report: The marts cannot be read (canceling statement due to statement"
        " timeout). Build them again, or grant the user SELECT.\n"
    )

"""Bad input of `crowdtwist-report` gives one sentence that says what to do."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from support.marts import MadeUpMarts

from crowdtwist_report import cli

if TYPE_CHECKING:
    from pathlib import Path

Options = dict[str, Any]

_HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MadeUpMarts().save(tmp_path_factory.mktemp("marts") / "warehouse.duckdb")


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(cli.DATABASE, raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["crowdtwist-report", *map(str, arguments)])
    return cli.main()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command, which must fail with one line; returns that line."""

    def refused(*arguments: object) -> str:
        assert run(monkeypatch, *arguments) == 1
        output = capsys.readouterr()
        assert output.out == ""
        (line,) = output.err.splitlines()
        return line.removeprefix("crowdtwist-report: ")

    return refused


def test_no_such_file(refused: Any) -> None:
    assert refused() == (
        "output/warehouse.duckdb: no such file. Run `meltano run tap-crowdtwist target-duckdb"
        " dbt-duckdb:build`, or name the DuckDB file with --database."
    )


def test_not_a_duckdb_file(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "text.csv").write_text("id\n" * 5000, encoding="utf-8")

    assert refused("--database", "text.csv") == (
        "text.csv: is not a DuckDB file. Name the one that target-duckdb loads with --database."
    )


def test_a_file_that_another_process_holds(refused: Any) -> None:
    command = [sys.executable, "-c", _HOLD, "held.duckdb"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        message = refused("--database", "held.duckdb")
        holder.communicate(timeout=30)

    assert message == (
        "held.duckdb: another process is using it. Wait until that run has ended, then run this"
        " again."
    )


def test_a_schema_without_the_marts(refused: Any, database: Path) -> None:
    assert refused("--database", database, "--schema", "crowdtwist") == (
        "The schema `crowdtwist` has no marts. Run `meltano run dbt-duckdb:build`, or name their"
        " schema with --schema."
    )


def test_a_schema_that_is_no_name(refused: Any, database: Path) -> None:
    assert refused("--database", database, "--schema", "a'; drop") == (
        "--schema: must be a name of letters, digits and underscores."
    )


def test_marts_of_an_older_version(refused: Any, tmp_path: Path) -> None:
    path = MadeUpMarts().save(tmp_path / "older.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table crowdtwist_marts.tiers drop column floor")

    assert refused("--database", path) == (
        "The marts were built by another version: `tiers` lacks `floor`."
        " Run `meltano run dbt-duckdb:build` again."
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            0,
            (
                "The marts have no members. Select the stream `users`, run the tap, and then run"
                " `meltano run dbt-duckdb:build`."
            ),
        ),
        (
            4,
            (
                "The marts have fewer than 5 members, so every number would be about single"
                " persons. Load more of the roster."
            ),
        ),
    ],
)
def test_too_few_members(refused: Any, tmp_path: Path, members: int, message: str) -> None:
    marts = MadeUpMarts()
    marts.summary["members"] = members

    assert refused("--database", marts.save(tmp_path / "few.duckdb")) == message


def test_data_that_is_too_old(refused: Any, tmp_path: Path) -> None:
    marts = MadeUpMarts()
    marts.summary["day"] = date(2020, 1, 31)
    path = marts.save(tmp_path / "old.duckdb")

    message = refused("--database", path, "--max-age-days", 30)

    assert message.startswith("The data is of 2020-01-31, ")
    assert message.endswith(
        " days ago, which is more than --max-age-days allows."
        " Run `meltano run tap-crowdtwist target-duckdb dbt-duckdb:build`."
    )


def test_a_place_that_cannot_be_written(refused: Any, database: Path) -> None:
    assert refused("--database", database, "--output", "missing/report.html") == (
        "--output: cannot write missing/report.html (No such file or directory)."
    )


def test_an_option_that_does_not_exist(refused: Any) -> None:
    assert refused("--databse", "x").startswith("No such option '--databse'")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://loader:s3cret-word@127.0.0.1:1/warehouse",
            (
                "--database: no connection to 127.0.0.1/warehouse. Check host, port, user, password"
                " and name of the database."
            ),
        ),
        (
            "postgresql://loader:s3cret-word@host?s3cret-word=1",
            (
                "--database: is not a PostgreSQL URL. Write postgresql://user:password@host:5432/name,"
                " with special characters percent-encoded."
            ),
        ),
    ],
)
def test_a_url_without_a_server_does_not_show_its_password(
    refused: Any, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv(cli.DATABASE, url)

    assert refused() == message


def test_help_lists_the_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0

    assert "--max-age-days" in capsys.readouterr().out

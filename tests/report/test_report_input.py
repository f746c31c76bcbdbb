"""Bad input of `crowdtwist-report` gives one sentence that says what to do."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.marts import MadeUpMarts

from crowdtwist_report import cli

Options = dict[str, Any]

_NO_CONNECTION = "--database: no connection to the database. Check host, port, user, password"
_NO_URL = "--database: is not a PostgreSQL URL. Write postgresql://user:password@host:5432/name"

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


@pytest.mark.parametrize("name", ["text.csv", "clock.duckdb"])
def test_not_a_duckdb_file(refused: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id\n" * 5000, encoding="utf-8")

    assert refused("--database", name) == (
        f"{name}: is not a DuckDB file. Name the one that target-duckdb loads with --database."
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
        "The schema `crowdtwist` has no marts. Run `meltano run dbt-duckdb:build`, name their"
        " schema with --schema, or grant the user SELECT on them."
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


@pytest.mark.parametrize("members", [0, 4])
def test_too_few_members(refused: Any, tmp_path: Path, members: int) -> None:
    marts = MadeUpMarts()
    marts.summary["members"] = members

    assert refused("--database", marts.save(tmp_path / "few.duckdb")) == (
        "The marts have fewer than 5 members, too few for a report. Select the stream `users`, run"
        " the tap, and then run `meltano run dbt-duckdb:build`."
    )


def test_a_mart_that_the_last_build_did_not_reach(refused: Any, tmp_path: Path) -> None:
    path = MadeUpMarts().save(tmp_path / "half.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table crowdtwist_marts.tiers")

    assert refused("--database", path) == (
        "`tiers` is missing: the last build did not finish. Run `meltano run dbt-duckdb:build`"
        " again, or grant the user SELECT on it."
    )


def test_a_mart_that_cannot_be_read(refused: Any, tmp_path: Path) -> None:
    path = MadeUpMarts().save(tmp_path / "broken.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("alter table crowdtwist_marts.tiers rename to old_tiers")
        connection.execute(
            "create view crowdtwist_marts.tiers as"
            " select * replace (error('no such day') as floor) from crowdtwist_marts.old_tiers"
        )

    assert refused("--database", path) == (
        "The marts cannot be read (Invalid Input Error: no such day). Build them again, or grant"
        " the user SELECT."
    )


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
    ("url", "expected"),
    [
        ("postgresql://loader:s3cret-word@127.0.0.1:1/warehouse", _NO_CONNECTION),
        ("postgresql://loader:/s3cret-word@127.0.0.1:1/warehouse", _NO_CONNECTION),
        (
            "postgresql://loader:s3cret-word\N{FULLWIDTH QUESTION MARK}@127.0.0.1:1/x",
            _NO_CONNECTION,
        ),
        ("postgresql://loader:[s3cret-word@127.0.0.1:1/warehouse", _NO_CONNECTION),
        ("postgresql://loader:s3cret-word@host?s3cret-word=1", _NO_URL),
        ("postgresql+psycopg2://loader:s3cret-word@host/warehouse", _NO_URL),
        ("POSTGRESQL://loader:s3cret-word@host/warehouse", _NO_URL),
        ("host=127.0.0.1 password=s3cret-word", _NO_URL),
    ],
)
def test_a_url_that_leads_to_no_database_is_not_shown(
    refused: Any, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    monkeypatch.setenv(cli.DATABASE, url)

    message = refused()

    assert message.startswith(expected)
    assert "s3cret-word" not in message


def test_control_c_is_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://127.0.0.1:{server.getsockname()[1]}/warehouse"
        command = [sys.executable, "-m", "crowdtwist_report", "--database", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            _, message = process.communicate(timeout=60)
            connection.close()

    # Click begins a new line after the terminal's ^C.
    assert message.strip() == "crowdtwist-report: stopped before the report was written."
    assert process.returncode == 1


def test_a_full_disk_leaves_the_earlier_report(
    refused: Any, database: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("yesterday", encoding="utf-8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        message = refused("--database", database)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert message == "--output: cannot write report.html (File too large)."
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["yesterday"]


def test_the_warehouse_is_not_replaced_by_the_report(refused: Any, tmp_path: Path) -> None:
    path = MadeUpMarts().save(tmp_path / "warehouse.duckdb")
    content = path.read_bytes()

    assert refused("--database", path, "--output", "warehouse.duckdb") == (
        "--output: is the file of --database, which it would replace."
    )
    assert path.read_bytes() == content


def test_a_report_can_go_to_a_device(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--database", database, "--output", os.devnull) == 0

    assert Path(os.devnull).is_char_device()


def test_help_lists_the_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0

    assert "--max-age-days" in capsys.readouterr().out

"""Command line of `crowdtwist-report`."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crowdtwist_report.database import is_postgres, open_database
from crowdtwist_report.errors import ReportError
from crowdtwist_report.marts import read_marts
from crowdtwist_report.page import render_page

if TYPE_CHECKING:
    from datetime import date

DATABASE = "CROWDTWIST_REPORT_DATABASE"


@click.command(name="crowdtwist-report")
@click.option(
    "--database",
    envvar=DATABASE,
    default="output/warehouse.duckdb",
    help="DuckDB file or PostgreSQL URL. A URL with a password belongs into the environment"
    f" variable {DATABASE}, since other users can read the command line.",
)
@click.option("--output", type=Path, default=Path("report.html"), help="file to write")
@click.option("--schema", default="crowdtwist_marts", help="schema of the marts")
@click.option("--title", default="Loyalty program", help="title of the page")
@click.option(
    "--max-age-days",
    type=click.IntRange(min=0),
    default=0,
    help="fail if the data is older; 0 for any age",
)
@click.help_option()
def _command(database: str, output: Path, schema: str, title: str, max_age_days: int) -> None:
    """Write a report about a loyalty program: one HTML file, from the marts of the dbt project."""
    target = "postgres" if is_postgres(database) else "duckdb"
    build = f"meltano run dbt-{target}:build"
    load = f"meltano run tap-crowdtwist target-{target} dbt-{target}:build"
    if output.resolve() == Path(database).resolve():
        raise ReportError("--output: is the file of --database, which it would replace.")
    with open_database(database) as connection:
        marts = read_marts(connection, schema, build)
    _check_age(marts.summary["day"], max_age_days, load)
    try:
        _write(output.resolve(), render_page(marts, title).encode())
    except OSError as error:
        raise ReportError(f"--output: cannot write {output} ({error.strerror}).") from None
    click.echo(f"{output}: written")


def _write(output: Path, page: bytes) -> None:
    if output.exists() and not output.is_file():
        output.write_bytes(page)  # a device or a pipe
        return
    # Beside the file first, so that an earlier report stays if the disk is full.
    part = output.with_name(f"{output.name}.part")
    try:
        part.write_bytes(page)
        part.replace(output)
    finally:
        with suppress(OSError):
            part.unlink()


def _check_age(day: date, max_age_days: int, load: str) -> None:
    age = (datetime.now(timezone.utc).date() - day).days
    if max_age_days and age > max_age_days:
        raise ReportError(
            f"The data is of {day}, {age} days ago, which is more than --max-age-days allows."
            f" Run `{load}`."
        )


def main() -> int:
    """Run the command.

    Returns:
        0 if the report was written, 1 if an option or the database cannot be used.
    """
    try:
        _command(standalone_mode=False, prog_name="crowdtwist-report")
    except click.ClickException as error:
        return _fail(error.format_message())
    except ReportError as error:
        return _fail(str(error))
    except click.Abort:
        return _fail("stopped before the report was written.")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"crowdtwist-report: {message}\n")
    return 1

"""The command `crowdtwist-conformance`."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_crowdtwist import cli, connection_test
from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.conformance import report
from tap_crowdtwist.conformance.assumptions import judge
from tap_crowdtwist.conformance.probes import collect
from tap_crowdtwist.conformance.program import main_host_refuses
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.sync import changed_members
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "crowdtwist-conformance"


def main(args: Sequence[str] | None = None, tap: type[TapCrowdTwist] = TapCrowdTwist) -> None:
    """Run the command.

    Exits with 0 if the program does nothing that the tap cannot adapt to, else with 1.
    """
    try:
        command(args, prog_name=NAME, obj=tap)
    except StoppedError as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        sys.exit(128 + error.signum)
    except (TapError, ApiError) as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - its message may hold a value
        places = traceback.extract_tb(error.__traceback__)
        where = f"{Path(places[-1].filename).name}, line {places[-1].lineno}"
        kind = type(error).__name__
        sys.stderr.write(
            f"{NAME}: {kind} in {where}; this is a mistake of the command: report it\n"
        )
        sys.exit(1)


@click.command(NAME)
@click.option(
    "--config",
    multiple=True,
    callback=cli.read_config,
    help="File of settings, as for the tap; ENV: from environment variables. Repeatable.",
)
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report there as JSON, and beside it as a Markdown page (.md). It holds names, "
    "types, counts and verdicts, and no value.",
)
@click.pass_obj
def command(tap: type[TapCrowdTwist], config: Any, file: Path | None) -> None:
    """Compare a live program with what the tap assumes of CrowdTwist.

    Sends at most 300 GET requests, about at most 20 members of the roster, at the rate that
    `requests_per_minute` sets.
    """
    with _quiet():
        reader = tap.from_input(config, None, max_retries=1, request_timeout=20)
        run = reader.run
        with closing(run):
            run.settings.require_api()
            if run.settings.only_changed and run.feeds is not None:
                run.roster = changed_members.newest_roster(run.feeds, run.settings)
            evidence = collect(run, f"{NAME}/{reader.plugin_version}")
            if run.settings.auth_method == "hmac" and main_host_refuses(evidence):
                evidence.signature = connection_test.accepted_signature(reader.run)
        findings = judge(evidence)
        click.echo(report.lines(findings, evidence), nl=False)
        if file is not None:
            own = bool(reader.config.get("api_url"))
            facts = {
                "version": reader.plugin_version,
                "environment": "own URL" if own else reader.config["environment"],
                "auth_method": run.settings.auth_method,
                "id_type": run.settings.id_type,
            }
            data, page = report.write(file, facts, findings, evidence)
            click.echo(f"Written: {data} and {page}")
    if any(finding.needs_action for finding in findings):
        sys.exit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: the report says all that may be said, and some log lines name properties."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)

"""Command line of `crowdtwist-conformance`."""

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
from tap_crowdtwist.conformance.assumptions import evaluate
from tap_crowdtwist.conformance.auth_checks import is_rejected_by_main_host
from tap_crowdtwist.conformance.collector import collect
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.sync import signature_forms
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "crowdtwist-conformance"


def main(args: Sequence[str] | None = None, tap: type[TapCrowdTwist] = TapCrowdTwist) -> None:
    """Run the command.

    Exits with 0 if the tap can adapt to every difference, else with 1.
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
        # Name the place only: the text of an unexpected error may quote a response.
        places = traceback.extract_tb(error.__traceback__)
        where = f"{Path(places[-1].filename).name}, line {places[-1].lineno}"
        kind = type(error).__name__
        sys.stderr.write(
            f"{NAME}: {kind} in {where}; this is a bug of the command, please report it\n"
        )
        sys.exit(1)


@click.command(NAME)
@click.option(
    "--config",
    multiple=True,
    callback=cli.read_config,
    help="Configuration file, as for the tap; ENV reads environment variables. Repeatable.",
)
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file as JSON, and next to it as a Markdown page (.md). It holds "
    "names, kinds, counts and outcomes, never a value.",
)
@click.pass_obj
def command(tap: type[TapCrowdTwist], config: Any, file: Path | None) -> None:
    """Compare a live program with what the tap assumes of CrowdTwist.

    Sends at most 300 GET requests for at most 20 members of the roster, at the rate of
    `requests_per_minute`.
    """
    with _quiet():
        reader = tap.from_input(config, None, max_retries=1, request_timeout=20)
        run = reader.run
        with closing(run):
            run.settings.require_api()
            connection_test.use_newest_roster(run)
            evidence = collect(run, f"{NAME}/{reader.plugin_version}")
            # At most five more requests. The recorder does not count them, but after a rejection
            # few others were sent.
            if run.settings.auth_method == "hmac" and is_rejected_by_main_host(evidence):
                evidence.signature = signature_forms.find_accepted(reader.run)
        findings = evaluate(evidence)
        click.echo(report.lines(findings, evidence), nl=False)
        if file is not None:
            has_own_url = bool(reader.config.get("api_url"))
            facts = {
                "version": reader.plugin_version,
                "environment": "own URL" if has_own_url else reader.config["environment"],
                "auth_method": run.settings.auth_method,
                "id_type": run.settings.id_type,
            }
            data, page = report.write(file, facts, findings, evidence)
            click.echo(f"Written: {data} and {page}")
    if any(finding.needs_action for finding in findings):
        sys.exit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Disable logging, because some log lines of the tap contain property names."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(previous)

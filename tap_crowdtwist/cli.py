"""The command line of the SDK, where every failure ends in one last log line and an exit code."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from singer_sdk.plugin_base import _ConfigInput

from tap_crowdtwist import dbt_sources
from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.estimate import print_estimate
from tap_crowdtwist.privacy.log_redaction import guard_logging
from tap_crowdtwist.streams import STREAMS
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, TextIO


def main(args: Sequence[str] | None = None, tap: type[TapCrowdTwist] = TapCrowdTwist) -> None:
    """Run the tap, and exit with 1 if it fails, or with 128 plus the number of a signal.

    Args:
        args: the arguments; those of the process if not given.
        tap: the class of the tap.
    """
    if sys.stderr is None:  # closed by the parent process, so there is nowhere to log to
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    command = tap.cli
    command.params += [_dbt_sources_option(tap), _estimate_option(tap)]
    guard_logging()
    for option in command.params:
        option.callback = _OPTION_CALLBACKS.get(str(option.name), option.callback)
        # Click runs callbacks in the order of the command line, those of eager options first.
        # `--test` and `--discover` do their work in theirs, so without this they would miss every
        # file that is named after them.
        option.is_eager = option.is_eager or option.name in _OPTION_CALLBACKS
    logger = logging.getLogger(tap.name)
    try:
        _check_stdout()
        command.main(args, prog_name=tap.name)
    except StoppedError as error:
        logger.critical("%s", error)
        sys.exit(128 + error.signum)
    except (TapError, ApiError) as error:
        logger.critical("%s", error)
    except Exception as error:
        # A bug, or something that the SDK raises. Its message may span lines, the last line must
        # not. A traceback only helps to find the bug, so it is logged at DEBUG.
        logger.debug("Traceback", exc_info=True)
        message = " ".join(str(error).split())
        logger.critical("%s: %s (LOGLEVEL=DEBUG shows where)", type(error).__name__, message)
    else:
        return
    sys.exit(1)


def _check_stdout() -> None:
    if sys.stdout is None:
        raise TapError("Standard output is closed, so no output can be written")


def _dbt_sources_option(tap: type[TapCrowdTwist]) -> click.Option:
    """Return the option that prints the streams that `--discover` finds as sources for dbt."""

    def print_sources(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - the flag
        if not value:
            return
        given = ctx.params.get("config") or _ConfigInput()
        found = tap(
            config=given.config,
            parse_env_config=given.parse_env,
            validate_config=False,
            setup_mapper=False,
        )
        streams = [stream for stream in STREAMS if stream.name in found.streams]
        content = dbt_sources.sources(streams, found.policy)
        click.echo(dbt_sources.to_yaml(content), nl=False)
        ctx.exit()

    return click.Option(
        ["--dbt-sources"],
        is_flag=True,
        help="Print the streams as sources for a dbt project, in YAML.",
        callback=print_sources,
        expose_value=False,
    )


def _estimate_option(tap: type[TapCrowdTwist]) -> click.Option:
    """Return the option that prints what a sync of the whole roster costs."""

    def estimate(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - the flag
        if not value:
            return
        config, catalog = ctx.params.get("config"), ctx.params.get("catalog")
        # The estimate is of all modes; `changed` need not be possible yet.
        asking = tap.from_input(config, catalog, sweep_members="all")
        with closing(asking.run):
            print_estimate(asking.run, asking.streams.values())
        ctx.exit()

    return click.Option(
        ["--estimate"],
        is_flag=True,
        help="Ask a sample of the members, and print what a sync of all of them costs.",
        callback=estimate,
        expose_value=False,
    )


def read_config(
    _ctx: click.Context, _option: click.Parameter, paths: Sequence[str]
) -> _ConfigInput:
    """Merge the files given as `--config`, later ones overriding earlier ones.

    Returns:
        The settings, and whether `ENV` was among the paths: read environment variables too.

    Raises:
        TapError: a file cannot be read or holds no JSON object.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            try:
                text = Path(path).read_bytes()
            except OSError as error:
                raise TapError(f"Option `--config`: {path!r}: {error.strerror}") from None
            merged |= _parse_object("config", path, text)
    return _ConfigInput(merged, "ENV" in paths)


def _read_object(
    _ctx: click.Context, option: click.Parameter, file: IO[str] | None
) -> IO[str] | None:
    """Check that the file given as `--state` or `--catalog` holds a JSON object."""
    if file is None:
        return None
    with file:
        # Click opens it in the locale's encoding; `json` detects UTF-8, UTF-16 or UTF-32 itself.
        text: bytes = cast("TextIO", file).buffer.read()
    return io.StringIO(json.dumps(_parse_object(str(option.name), file.name, text)))


def _parse_object(option: str, path: str, text: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        TapError: it is none; the message says where it is broken and quotes nothing of it, since
            it may hold a secret.
    """
    problem = ""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f": {error.msg} (line {error.lineno}, column {error.colno})"
        if not text.strip():
            problem = ", since it is empty; omit the option if there is nothing to pass yet"
        elif option == "state" and error.msg == "Extra data":
            problem = ", but several; a target prints one state a line: keep only the last"
    except UnicodeError:
        problem = ": it is not valid UTF-8"
    except RecursionError:
        problem = ": it is nested too deeply"
    else:
        if isinstance(value, dict):
            return value
    raise TapError(f"Option `--{option}`: {path!r} does not hold a JSON object{problem}")


_OPTION_CALLBACKS: dict[str, Any] = {
    "config": read_config,
    "state": _read_object,
    "catalog": _read_object,
}
"""Callbacks that read the files of options before the SDK does: its errors do not name the file."""

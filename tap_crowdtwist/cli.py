"""The command line: the SDK's, with every failure told in one last line and an exit code."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from singer_sdk.plugin_base import _ConfigInput

from tap_crowdtwist.api.errors import ApiError
from tap_crowdtwist.errors import TapError
from tap_crowdtwist.privacy.log_redaction import guard_logging
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, TextIO

    import click


def main(args: Sequence[str] | None = None, tap: type[TapCrowdTwist] = TapCrowdTwist) -> None:
    """Run the tap with the arguments of the command line, or with the given ones."""
    if sys.stderr is None:  # closed by whoever started us; what is logged goes nowhere then
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
    command = tap.cli
    guard_logging()
    for option in command.params:
        option.callback = _READERS.get(str(option.name), option.callback)
        # Click calls back in the order of the command line, eager options first. `--test` and
        # `--discover` run there, and would not see what stands after them.
        option.is_eager = option.is_eager or option.name in _READERS
    logger = logging.getLogger(tap.name)
    try:
        _need_output()
        command.main(args, prog_name=tap.name)
    except StoppedError as error:
        logger.critical("%s", error)
        sys.exit(128 + error.signum)
    except (TapError, ApiError) as error:
        logger.critical("%s", error)
    except Exception as error:
        logger.debug("Where it happened", exc_info=True)
        said = " ".join(str(error).split())
        logger.critical("%s: %s (LOGLEVEL=DEBUG shows where)", type(error).__name__, said)
    else:
        return
    sys.exit(1)


def _need_output() -> None:
    if sys.stdout is None:
        raise TapError("Standard output is closed, so there is no way to write any output")


def read_config(
    _ctx: click.Context, _option: click.Parameter, paths: Sequence[str]
) -> _ConfigInput:
    """Merge the files of `--config`, the last one on top; ENV stands for the environment."""
    merged: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            try:
                text = Path(path).read_bytes()
            except OSError as error:
                raise TapError(f"Option `--config`: {path!r}: {error.strerror}") from None
            merged |= _object("config", path, text)
    return _ConfigInput(merged, "ENV" in paths)


def _file(_ctx: click.Context, option: click.Parameter, file: IO[str] | None) -> IO[str] | None:
    """Look into the file of `--state` or `--catalog`."""
    if file is None:
        return None
    with file:
        text: bytes = cast("TextIO", file).buffer.read()  # as bytes, json knows its encoding
    return io.StringIO(json.dumps(_object(str(option.name), file.name, text)))


def _object(option: str, path: str, text: bytes) -> dict[str, Any]:
    """Read a JSON object; say where it is broken, and nothing of what it holds."""
    problem = ""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f": {error.msg} (line {error.lineno}, column {error.colno})"
        if not text.strip():
            problem = ", since it is empty; leave the option out where there is nothing to give yet"
        elif option == "state" and error.msg == "Extra data":
            problem = ", but more; of several states, as a target prints them, give the last line"
    except UnicodeError:
        problem = ", and no UTF-8 text either"
    except RecursionError:
        problem = " that can be read: it is nested too deeply"
    else:
        if isinstance(value, dict):
            return value
    raise TapError(f"Option `--{option}`: {path!r} does not hold a JSON object{problem}")


_READERS: dict[str, Any] = {"config": read_config, "state": _file, "catalog": _file}
"""Read the files that options name, in place of the SDK: its errors do not tell which it was."""

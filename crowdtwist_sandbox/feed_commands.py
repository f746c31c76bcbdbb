"""Commands that write or post the feeds of a day, without serving anything."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.arguments import WORLD_OPTIONS, add_world_options
from crowdtwist_sandbox.feeds.data_push import CLIENT
from crowdtwist_sandbox.options import SandboxOptions
from crowdtwist_sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

_CREDENTIALS = ("SANDBOX_LIVE_USER", "SANDBOX_LIVE_PASSWORD", "SANDBOX_LIVE_API_KEY")


def add_commands(commands: Any) -> None:
    """Add the commands to a parser's subparsers."""
    # ArgumentDefaultsHelpFormatter would add "(default: None)" to required options.
    hidden = argparse.SUPPRESS

    def command(name: str, run: Callable[..., None], text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(
            name,
            help=text[0].lower() + text[1:].split(".", maxsplit=1)[0],
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        parser.set_defaults(run=run)
        add_world_options(parser)
        parser.add_argument("--day", type=int, default=0, help="which day, counted from --today")
        return parser

    push = command(
        "data-push", _data_push, "Write the Data Push files of a day. Prints their paths."
    )
    push.add_argument("--bare", action="store_true", help="write CSVs instead of zips")
    batch = command(
        "batch-activity",
        _batch_activity,
        "Write a Batch Activity Credit file of a day. Prints its path.",
    )
    for writer in (push, batch):
        writer.add_argument(
            "--directory",
            type=Path,
            required=True,
            default=hidden,
            help="where to write; made if need be",
        )
        writer.add_argument("--client", default=CLIENT, help="the number in the files' names")
    live = command(
        "live-push",
        _live_push,
        "Post the Live Push events of a day. Prints how many posts were taken, by feed. "
        f"Credentials come from the environment: {', '.join(_CREDENTIALS)}.",
    )
    live.add_argument(
        "--to",
        metavar="URL",
        required=True,
        default=hidden,
        help="the endpoint without the feed's name, such as http://127.0.0.1:8700/live",
    )
    live.add_argument(
        "--repeats",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="post some events twice, as after a lost answer",
    )


def run_command(given: dict[str, Any]) -> None:
    """Run one of these commands.

    Raises:
        OSError: a file cannot be written.
        ValueError: an option is invalid.
        PostingError: the endpoint did not accept an event.
    """
    run = given.pop("run")
    world = {name: given.pop(name) for name in WORLD_OPTIONS}
    run(Sandbox(SandboxOptions(**world)), **given)


def _data_push(sandbox: Sandbox, **given: Any) -> None:
    for path in sandbox.write_data_push(**given):
        sys.stdout.write(f"{path}\n")


def _batch_activity(sandbox: Sandbox, **given: Any) -> None:
    sys.stdout.write(f"{sandbox.write_batch_activity(**given)}\n")


def _live_push(sandbox: Sandbox, to: str, **given: Any) -> None:
    user, password, api_key = (os.environ.get(variable) or None for variable in _CREDENTIALS)
    if (user is None) != (password is None):
        raise ValueError(f"{_CREDENTIALS[0]} and {_CREDENTIALS[1]}: set both or none")
    posts = sandbox.post_live_push(to, user=user, password=password, api_key=api_key, **given)
    sys.stdout.write(json.dumps(posts) + "\n")

"""The command `crowdtwist-sandbox`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.arguments import add_world_options
from crowdtwist_sandbox.auth import DIGESTS, TIMESTAMPS
from crowdtwist_sandbox.deviations import DEVIATIONS
from crowdtwist_sandbox.faults import ALL_FAULTS
from crowdtwist_sandbox.feed_commands import add_commands, run_command
from crowdtwist_sandbox.feeds.posting import PostingError
from crowdtwist_sandbox.options import DEFAULT_KEY, SandboxOptions
from crowdtwist_sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crowdtwist-sandbox", description="A fake CrowdTwist over real HTTP, on loopback."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve both hosts until interrupted",
        description="Print one line of JSON with the URLs, then serve until interrupted.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_world_options(serve)
    add_commands(commands)
    commands.add_parser("faults", help="list the faults that --faults knows, with their kinds")
    commands.add_parser("deviations", help="list the deviations that --deviations knows")
    switch = argparse.BooleanOptionalAction

    def add(name: str, *, default: Any, help: str, **more: Any) -> None:  # noqa: A002 - argparse's word
        serve.add_argument(name, default=default, help=help, **more)

    add("--port", type=int, default=8600, help="of the main host; 0 for any free one")
    add("--pos-port", type=int, default=8601, help="of the POS host; 0 for any free one")
    add("--api-key", default=DEFAULT_KEY, help="the key that both hosts accept")
    add("--latency-ms", type=float, default=0, help="delay of every answer, in milliseconds")
    add("--requests-per-minute", type=int, default=0, help="of both hosts together; 0: no limit")
    add("--retry-after", default="none", help="what a 429 says: seconds, none, or a fixed number")
    add("--quirks", action=switch, default=False, help="paging and envelopes misbehave")
    add(
        "--hmac-public-key",
        default=None,
        help="with --hmac-private-key: the main host takes signed requests only",
    )
    add("--hmac-private-key", default=None, help="private part of the same key")
    add(
        "--hmac-timestamp",
        default="milliseconds",
        choices=TIMESTAMPS,
        help="unit of the timestamp that is signed",
    )
    add("--hmac-digest", default="base64_of_hex", choices=DIGESTS, help="encoding of the signature")
    add(
        "--faults",
        default=[],
        action="append",
        metavar="SPEC",
        help="what goes wrong, like late:2=0.1 or reset_before@17,19; repeatable, or with commas",
    )
    add(
        "--deviations",
        default="",
        metavar="NAMES",
        help="what is other than the tap expects, with commas; `deviations` lists the names",
    )
    add("--max-seconds", type=float, default=None, help="stop by itself after that long")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, write or post a day's feeds, or list faults or deviations.

    Returns:
        0 on success, 1 for a port, option, file or endpoint that cannot be used, 130 for SIGINT
        while writing or posting.
    """
    given = vars(_parser().parse_args(argv))
    command = given.pop("command")
    if command == "faults":
        for name, (description, kind) in ALL_FAULTS.items():
            sys.stdout.write(f"{name} ({kind}): {description}\n")
        return 0
    if command == "deviations":
        for name, description in DEVIATIONS.items():
            sys.stdout.write(f"{name}: {description}\n")
        return 0
    try:
        if command == "serve":
            _serve(given)
        else:
            run_command(given)
    except (OSError, ValueError, PostingError) as error:
        sys.stderr.write(f"crowdtwist-sandbox: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _serve(given: dict[str, Any]) -> None:
    given["faults"] = ",".join(given["faults"])
    max_seconds = given.pop("max_seconds")
    stopped = Event()
    # Handlers, and not KeyboardInterrupt, so that SIGTERM and SIGINT stop the server alike.
    previous_handlers = {
        number: signal.signal(number, lambda _number, _frame: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with Sandbox(SandboxOptions(**given)) as sandbox:
            urls = {
                "api_url": sandbox.api_url,
                "pos_url": sandbox.pos_url,
                "control_url": sandbox.control_url,
            }
            sys.stdout.write(json.dumps(urls) + "\n")
            sys.stdout.flush()
            stopped.wait(max_seconds)
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)

"""The command `crowdtwist-sandbox`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from datetime import date
from threading import Event
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.faults import CATALOGUE
from crowdtwist_sandbox.options import DEFAULT_KEY, SandboxOptions, default_today
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
    commands.add_parser("faults", help="list the faults that --faults knows, with their kinds")
    switch = argparse.BooleanOptionalAction

    def add(name: str, *, default: Any, help: str, **more: Any) -> None:  # noqa: A002 - argparse's word
        serve.add_argument(name, default=default, help=help, **more)

    add("--members", type=int, default=300, help="size of the roster on day 0")
    add("--seed", type=int, default=1, help="another seed is another world")
    add("--port", type=int, default=8600, help="of the main host; 0 for any free one")
    add("--pos-port", type=int, default=8601, help="of the POS host; 0 for any free one")
    add("--today", type=date.fromisoformat, default=default_today(), help="the date of day 0")
    add("--api-key", default=DEFAULT_KEY, help="the key that both hosts accept")
    add("--latency-ms", type=float, default=0, help="hold every answer back that long")
    add("--requests-per-minute", type=int, default=0, help="of both hosts together; 0: no limit")
    add("--retry-after", default="none", help="what a 429 says: seconds, none, or a fixed number")
    add("--drift", action=switch, default=True, help="types and properties vary")
    add("--quirks", action=switch, default=False, help="paging and envelopes misbehave")
    add("--expiration-rule", action=switch, default=True, help="points expire")
    add("--receipt-scanning", action=switch, default=True, help="receipts are scanned")
    add("--hmac-public-key", default=None, help="with the private one: demand signed requests")
    add("--hmac-private-key", default=None, help="see above")
    add(
        "--faults",
        default=[],
        action="append",
        metavar="SPEC",
        help="what goes wrong, like late:2=0.1 or reset_before@17,19; repeatable, or with commas",
    )
    add("--max-seconds", type=float, default=None, help="stop by itself after that long")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, or list the faults.

    Returns:
        0 after a quiet end, 1 for a port or an option that cannot be used.
    """
    given = vars(_parser().parse_args(argv))
    if given.pop("command") == "faults":
        for name, (description, kind) in CATALOGUE.items():
            sys.stdout.write(f"{name} ({kind}): {description}\n")
        return 0
    given["faults"] = ",".join(given["faults"])
    patience = given.pop("max_seconds")
    stopped = Event()
    before = {
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
            stopped.wait(patience)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"crowdtwist-sandbox: {error}\n")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0

"""Options of the command line that more than one command has."""

from __future__ import annotations

import argparse
from datetime import date

from crowdtwist_sandbox.options import default_today

WORLD = (
    "members",
    "seed",
    "today",
    "daily_changes",
    "drift",
    "expiration_rule",
    "receipt_scanning",
)
"""Names of the options that make the world: commands given the same ones tell of the same one."""


def add_world_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make the world."""
    add = parser.add_argument
    switch = argparse.BooleanOptionalAction
    add("--members", type=int, default=300, help="size of the roster on day 0")
    add("--seed", type=int, default=1, help="another seed makes another program")
    add("--today", type=date.fromisoformat, default=default_today(), help="the date of day 0")
    add(
        "--daily-changes",
        type=float,
        default=None,
        metavar="SHARE",
        help="share of members that change on a day, such as 0.01; about a fifth if not given",
    )
    add(
        "--drift",
        action=switch,
        default=True,
        help="vary types and properties, as the live service does",
    )
    add("--expiration-rule", action=switch, default=True, help="points expire")
    add("--receipt-scanning", action=switch, default=True, help="receipts are scanned")

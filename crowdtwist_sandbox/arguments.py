"""Command-line options that several commands share."""

from __future__ import annotations

import argparse
from datetime import date

from crowdtwist_sandbox.options import default_today
from crowdtwist_sandbox.world.profile_dates import LATE_ROWS, WITH_POINTS

WORLD_OPTIONS = (
    "members",
    "seed",
    "today",
    "daily_changes",
    "drift",
    "expiration_rule",
    "receipt_scanning",
    "profile_dates",
    "late_rows",
)
"""Options that define the world; commands with equal values see the same world."""


def add_world_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define the world."""
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
    add(
        "--profile-dates",
        default=WITH_POINTS,
        metavar="RULE",
        help="whether points move date_last_updated of a profile: with_points, without_points, or "
        "a number of minutes after which they do",
    )
    add(
        "--late-rows",
        default="none",
        choices=LATE_ROWS,
        help="some rows arrive up to three days after their date, and move the profile or leave it",
    )

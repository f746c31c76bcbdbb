"""Reads the marts that the report is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crowdtwist_report.errors import ReportError
from crowdtwist_report.suppression import MINIMUM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crowdtwist_report.database import Connection

Row = dict[str, Any]

_MOVEMENTS = "earned deducted redeemed expired unexplained"
_SUMMARY = (
    "day begun_at ended_at is_complete incomplete_reason members active_members activity_days"
    " timezone currency point_value expected_redemption_rate rate_source amount"
)
_MONTHLY = f"month {_MOVEMENTS} opening closing earning_members deducting_members"

# Each mart with its columns and the columns that order it, so that equal marts give equal pages.
MARTS: Mapping[str, tuple[str, str]] = {
    "program_summary": (_SUMMARY, "day"),
    "program_monthly": (
        f"{_MONTHLY} redeeming_members expiring_members unexplained_members",
        "month",
    ),
    "points_liability": (
        "tier issue_month members outstanding expected_redeemed breakage amount",
        "tier issue_month",
    ),
    "liability_scenarios": (
        "expected_redemption_rate is_used expected_redeemed breakage amount",
        "expected_redemption_rate is_used",
    ),
    "points_expiring": ("month rule_type points members", "rule_type month"),
    "tiers": (
        "tier floor members active_members dormant_members never_activated_members",
        "floor tier",
    ),
    "tier_moves_monthly": (
        "month from_tier to_tier moves members",
        "month from_tier to_tier",
    ),
    "cohort_retention": (
        "joined_month months_since members active_members",
        "joined_month months_since",
    ),
    "activity_performance": ("activity_id activity completions members points", "activity_id"),
    "reward_performance": ("reward_id reward redemptions members points", "reward_id"),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Marts:
    """Rows of the marts.

    Attributes:
        summary: the one row of `program_summary`.
        tables: the rows of the other marts, in order.
        failures: number of rows that each stored test found; empty if none are stored.
    """

    summary: Row
    tables: Mapping[str, list[Row]]
    failures: Mapping[str, int]


def read_marts(connection: Connection, schema: str, build: str) -> Marts:
    """Read all that the report shows.

    Args:
        connection: an open database.
        schema: where the marts are.
        build: the command that builds them, for messages.

    Raises:
        ReportError: a mart or a column is missing, or there are too few members.
    """
    if not _NAME.fullmatch(schema):
        raise ReportError("--schema: must be a name of letters, digits and underscores.")
    _check_columns(_columns(connection, schema), schema, build)
    tables = {mart: _read_table(connection, schema, mart) for mart in MARTS}
    summary = next(iter(tables["program_summary"]), {"members": 0})
    _check_members(summary["members"], build)
    return Marts(summary, tables, _read_failures(connection, f"{schema}_test_failures"))


def _columns(connection: Connection, schema: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    query = (
        "select table_name, column_name from information_schema.columns"  # noqa: S608 - checked name
        f" where table_schema = '{schema}'"
    )
    for table, column in connection.execute(query).fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _check_columns(found: Mapping[str, set[str]], schema: str, build: str) -> None:
    if not found.keys() & MARTS.keys():
        raise ReportError(
            f"The schema `{schema}` has no marts. Run `{build}`, name their schema with --schema,"
            " or grant the user SELECT on them."
        )
    for mart, (columns, _) in MARTS.items():
        if mart not in found:
            raise ReportError(
                f"`{mart}` is missing: the last build did not finish. Run `{build}` again, or grant"
                " the user SELECT on it."
            )
        missing = sorted(set(columns.split()) - found[mart])
        if missing:
            raise ReportError(
                f"The marts were built by another version: `{mart}` lacks `{missing[0]}`."
                f" Run `{build}` again."
            )


def _check_members(count: int, build: str) -> None:
    if count < MINIMUM:
        raise ReportError(
            f"The marts have fewer than {MINIMUM} members, too few for a report. Select the stream"
            f" `users`, run the tap, and then run `{build}`."
        )


def _read_table(connection: Connection, schema: str, mart: str) -> list[Row]:
    columns, order = (names.split() for names in MARTS[mart])
    quoted = ", ".join(f'"{name}"' for name in columns)
    query = f'select {quoted} from "{schema}"."{mart}"'  # noqa: S608 - constants and a checked name
    found = connection.execute(query).fetchall()
    rows = [dict(zip(columns, values, strict=True)) for values in found]
    # Not ordered by the database, since databases differ in the order of texts.
    return sorted(rows, key=lambda row: [(row[name] is None, row[name]) for name in order])


def _read_failures(connection: Connection, schema: str) -> Mapping[str, int]:
    query = (
        "select table_name from information_schema.tables"  # noqa: S608 - checked name
        f" where table_schema = '{schema}'"
    )
    counts: dict[str, int] = {}
    for (name,) in sorted(connection.execute(query).fetchall()):
        quoted = name.replace('"', '""')
        count = f'select count(*) from "{schema}"."{quoted}"'  # noqa: S608 - a quoted name
        ((counts[name],),) = connection.execute(count).fetchall()
    return counts

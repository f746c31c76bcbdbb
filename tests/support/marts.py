"""Marts of a made-up program, with what the report reads of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb

from crowdtwist_report.marts import read_marts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crowdtwist_report.marts import Marts

Row = dict[str, Any]

SCHEMA = "crowdtwist_marts"
DAY = date(2026, 11, 20)
AWKWARD = (
    "Visit \N{SHOPPING BAGS}\N{VARIATION SELECTOR-16} the store \N{PARTY POPPER}",
    "<script>alert('points')</script> & \"quotes\"",
    "اكتب تقييماً للمنتج",
    "Complete the whole survey about what you think of our " + "very " * 40 + "long titles",
    "Lebensversicherungsgesellschaftsangestelltenwettbewerbsteilnahmebestätigungsformular",
)
_TYPES = {bool: "boolean", date: "date", datetime: "timestamp", int: "bigint", str: "text"}
_TIERS = (
    ("Bronze", 0, 9000),
    ("Silver", 1000, 3100),
    ("Gold", 5000, 940),
    ("Platinum", 20000, 118),
)


def month_before(months: int, day: date = DAY) -> date:
    """The first day of a month."""
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


@dataclass
class MadeUpMarts:
    """Rows of each mart. A test changes them, and then writes them."""

    tables: dict[str, list[Row]] = field(default_factory=lambda: dict(_marts()))
    failures: dict[str, int] = field(
        default_factory=lambda: {
            "balance_matches_profile": 31,
            "lots_add_up": 0,
            "members_have_one_row_each": 0,
        }
    )

    @property
    def summary(self) -> Row:
        """The only row of `program_summary`."""
        return self.tables["program_summary"][0]

    def empty(self, *marts: str) -> None:
        """Leave marts without rows, as a build does for streams that are not loaded."""
        for mart in marts:
            self.tables[mart] = []

    def write(self, execute: Callable[[str], object]) -> None:
        """Create the tables by statements that DuckDB and PostgreSQL both know."""
        execute(f"create schema {SCHEMA}")
        for mart, rows in self.tables.items():
            execute(f"create table {SCHEMA}.{mart} ({_declarations(mart)})")
            if rows:
                values = ", ".join(f"({', '.join(map(_literal, row.values()))})" for row in rows)
                execute(f"insert into {SCHEMA}.{mart} values {values}")  # noqa: S608 - made-up rows
        if self.failures:
            execute(f"create schema {SCHEMA}_test_failures")
        for test, count in self.failures.items():
            execute(
                f"create table {SCHEMA}_test_failures.{test} as"  # noqa: S608 - made-up names
                f" select 1 as found from generate_series(1, {count}) as numbers"
            )

    def read(self) -> Marts:
        """What the report reads of them."""
        with duckdb.connect() as connection:
            self.write(connection.execute)
            return read_marts(connection, SCHEMA, "dbt build")

    def save(self, path: Path) -> Path:
        """Write a DuckDB file."""
        with duckdb.connect(str(path)) as connection:
            self.write(connection.execute)
        return path


def _marts() -> Iterator[tuple[str, list[Row]]]:
    random = Random(7)  # noqa: S311 - the same numbers each time
    monthly = list(_monthly(random))
    balance = monthly[-1]["closing"]
    tiers = list(_tiers(balance))
    yield "program_monthly", monthly
    yield "tiers", tiers
    liability = list(_liability(tiers))
    yield "points_liability", liability
    yield "program_summary", [_summary(tiers, liability)]
    yield "liability_scenarios", list(_scenarios(balance))
    yield "points_expiring", list(_expiring(random, balance))
    yield "tier_moves_monthly", list(_moves(random))
    yield "cohort_retention", list(_cohorts(random))
    yield "activity_performance", list(_performance(random, "activity", "completions"))
    yield "reward_performance", list(_performance(random, "reward", "redemptions"))


def _monthly(random: Random) -> Iterator[Row]:
    opening = 0
    for months in reversed(range(24)):
        size = 24 - months
        earned = 180_000 * size + random.randrange(400_000)
        parts = {
            "earned": earned,
            "deducted": -random.randrange(30_000),
            "redeemed": -(earned * (40 + random.randrange(20)) // 100),
            "expired": -(earned * 8 // 100) if size > 12 else 0,
            "unexplained": 350_000 if size == 1 else 0,
        }
        closing = opening + sum(parts.values())
        yield {
            "month": month_before(months),
            "joined": 300 + random.randrange(500),
            "members": 500 * size,
            "active_members": 260 * size,
            "earning_members": 240 * size,
            "redeeming_members": 60 * size,
            "deducting_members": 3 if size == 8 else 7 * size,
            "expiring_members": 40 * size if size > 12 else 0,
            "unexplained_members": 800 if size == 1 else 0,
            "opening": opening,
            **parts,
            "closing": closing,
        }
        opening = closing


def _tiers(balance: int) -> Iterator[Row]:
    shares = (28, 30, 27, 15)
    for (tier, floor, members), share in zip(_TIERS, shares, strict=True):
        active, never = members * 62 // 100, members * 11 // 100
        yield {
            "tier": tier,
            "floor": floor,
            "members": members,
            "active_members": active,
            "dormant_members": members - active - never,
            "never_activated_members": never,
            "balance": balance * share // 100,
        }


def _liability(tiers: list[Row]) -> Iterator[Row]:
    rate, value = Decimal("0.820000"), Decimal("0.008")
    for tier in tiers:
        for months in reversed(range(24)):
            outstanding = tier["balance"] * (30 - months) // 444
            redeemed = (outstanding * rate).quantize(Decimal("0.01"))
            yield {
                "tier": tier["tier"],
                "issue_month": month_before(months),
                "members": 2 if (tier["tier"], months) == ("Platinum", 23) else 40 + months,
                "outstanding": outstanding,
                "expected_redeemed": redeemed,
                "breakage": outstanding - redeemed,
                "amount": (redeemed * value).quantize(Decimal("0.01")),
            }


def _summary(tiers: list[Row], liability: list[Row]) -> Row:
    def total(rows: list[Row], name: str) -> Any:
        return sum(row[name] for row in rows)

    return {
        "day": DAY,
        "begun_at": datetime(2026, 11, 20, 2, 0, 5),  # noqa: DTZ001 - as the marts have it
        "ended_at": datetime(2026, 11, 20, 5, 41, 30),  # noqa: DTZ001
        "is_complete": True,
        "incomplete_reason": None,
        **{
            name: total(tiers, name)
            for name in (
                "members",
                "active_members",
            )
        },
        "activity_days": 90,
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "point_value": Decimal("0.008000"),
        "expected_redemption_rate": Decimal("0.820000"),
        "rate_source": "cohort",
        "amount": total(liability, "amount"),
    }


def _scenarios(balance: int) -> Iterator[Row]:
    for rate in ("0.5", "0.6", "0.7", "0.8", "0.82", "0.9", "1.0"):
        redeemed = balance * Decimal(rate)
        yield {
            "expected_redemption_rate": Decimal(rate),
            "is_used": rate == "0.82",
            "expected_redeemed": redeemed,
            "breakage": balance - redeemed,
            "amount": redeemed * Decimal("0.008"),
        }


def _expiring(random: Random, balance: int) -> Iterator[Row]:
    for rule, share in (("inactivity", 30), ("redemption_period", 60)):
        for months in range(10):
            yield {
                "month": month_before(-months),
                "rule_type": rule,
                "points": balance // share + random.randrange(100_000),
                "members": 3 if months == 7 else 120 + random.randrange(300),
            }


def _moves(random: Random) -> Iterator[Row]:
    names = [tier for tier, _, _ in _TIERS]
    for months in range(8):
        for lower, higher in pairwise(names):
            for pair in ((lower, higher), (higher, lower)):
                members = random.randrange(8, 90) if lower != "Gold" else random.randrange(1, 4)
                yield {
                    "month": month_before(months),
                    "from_tier": pair[0],
                    "to_tier": pair[1],
                    "moves": members + 1,
                    "members": members,
                }


def _cohorts(random: Random) -> Iterator[Row]:
    for months in reversed(range(24)):
        size = 3 if months == 23 else 40 + random.randrange(500)
        for since in range(months + 1):
            active = (
                size * (90 - since * 4 + random.randrange(8)) // 100 if since else size * 95 // 100
            )
            if since > 8:
                active = size * (50 - since * 2) // 100
            yield {
                "joined_month": month_before(months),
                "months_since": since,
                "members": size,
                "active_members": active,
            }


def _performance(random: Random, kind: str, count: str) -> Iterator[Row]:
    titles = [*AWKWARD, *(f"{kind.capitalize()} number {number}" for number in range(1, 9))]
    for number, text in enumerate(titles, start=1):
        members = 2 if number == 6 else random.randrange(300, 6000)
        yield {
            f"{kind}_id": number,
            kind: text,
            "is_listed": True,
            count: members * 3,
            "members": members,
            "points": members * 150,
        }


def _declarations(mart: str) -> str:
    row = dict(_marts())[mart][0]
    return ", ".join(f"{name} {_type(value)}" for name, value in row.items())


def _type(value: object) -> str:
    return _TYPES.get(type(value), "text" if value is None else "numeric(18,6)")


def _literal(value: object) -> str:
    if value is None or isinstance(value, bool | int | Decimal):
        return "null" if value is None else str(value)
    text = str(value).replace("'", "''")
    return f"'{text}'"

"""The marts say what the sandbox knows of its members, after each of three days.

The sandbox keeps the account of each member by itself, one event after the other. The second day's
run ends in the middle, as if killed, and is resumed; members are deleted between the days.
"""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from support.dbt_project import PROJECT, DbtProject
from support.dbt_truth import Program
from support.dbt_warehouses import DuckDB, Postgres, build, comparable
from support.harness import TODAY
from support.sandbox_client import eventful_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.dbt_warehouses import Warehouse
    from support.postgres_server import PostgresServer
    from support.warehouses import Row

Marts: TypeAlias = "dict[str, list[Row]]"
"""The rows of each mart."""

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(280)]

MARTS = (
    "activity_performance",
    "as_of",
    "batch_credit_gaps",
    "cohort_retention",
    "liability_scenarios",
    "members",
    "points_daily",
    "points_expiring",
    "points_ledger",
    "points_liability",
    "points_lots",
    "program_daily",
    "program_monthly",
    "program_summary",
    "reward_performance",
    "tier_moves",
    "tier_moves_monthly",
    "tiers",
)
LAST_DAY = 2
VARIABLES: dict[str, Any] = {"point_value": 0.01, "currency": "EUR"}
UNTESTED = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with eventful_sandbox() as running:
        yield Program(running)


@pytest.fixture(scope="module")
def warehouses(
    loaders: Path, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Warehouse]:
    return {
        "DuckDB": DuckDB(loaders, tmp_path_factory.mktemp("duckdb")),
        "PostgreSQL": Postgres(postgres, "truth", loaders, tmp_path_factory.mktemp("postgres")),
    }


@pytest.fixture(scope="module")
def days(program: Program, warehouses: dict[str, Warehouse]) -> list[dict[str, Marts]]:
    """For each day and database, the rows of each mart. The last build runs all tests, too."""
    found = []
    for day in range(LAST_DAY + 1):
        runs = program.read(interrupted=day == 1)
        marts = {}
        for name, warehouse in warehouses.items():
            for messages in runs:
                warehouse.load(messages)
            done = build(warehouse, *(() if day == LAST_DAY else UNTESTED), **VARIABLES)
            assert (done.code, done.failed(), done.warned()) == (0, set(), set()), done.output
            marts[name] = {mart: warehouse.rows(f"crowdtwist_marts.{mart}") for mart in MARTS}
        found.append(marts)
    return found


@pytest.fixture(params=["DuckDB", "PostgreSQL"])
def marts(request: pytest.FixtureRequest, days: list[dict[str, Marts]]) -> list[Marts]:
    """The marts of one database, on each day."""
    return [each[request.param] for each in days]


def by_member(rows: list[Row], value: Callable[[Row], Any]) -> dict[int, Any]:
    return {row["user_id"]: value(row) for row in rows}


def test_the_days_have_what_the_truth_is_about(program: Program, days: object) -> None:
    assert days
    first, *_, last = program.accounts
    assert first.keys() - last.keys(), "no member was deleted"
    assert last.keys() - first.keys(), "no member joined"
    assert any(account["deducted"] for account in last.values())
    assert any(account["expired"] for account in last.values())
    assert any(program.unexplained(account) for account in last.values())
    assert _moves(program), "no member moved to another tier"


def test_both_databases_have_the_same_marts(
    days: list[dict[str, Marts]],
) -> None:
    for each in days:
        for mart in MARTS:
            assert comparable(each["DuckDB"][mart]) == comparable(each["PostgreSQL"][mart]), mart


def test_every_sync_is_complete(marts: list[Marts]) -> None:
    for each in marts:
        (as_of,) = each["as_of"]
        assert (as_of["is_complete"], as_of["incomplete_reason"]) == (True, None)


def test_members_have_the_balances_and_tiers_of_the_program(
    program: Program, marts: list[Marts]
) -> None:
    columns = ("balance", "lifetime_points", "tier", "earned", "redeemed", "deducted")
    for accounts, each in zip(program.accounts, marts, strict=True):
        assert by_member(each["members"], lambda row: tuple(map(row.get, columns))) == {
            user_id: (
                account["redeemable_points"],
                account["total_points"],
                _tier(account),
                account["earned"],
                account["redeemed"],
                account["deducted"],
            )
            for user_id, account in accounts.items()
        }


def test_what_expired_before_the_first_sync_is_unexplained_and_nothing_else(
    program: Program, marts: list[Marts]
) -> None:
    for accounts, each in zip(program.accounts, marts, strict=True):
        assert by_member(each["members"], lambda row: (row["unexplained"], row["expired"])) == {
            user_id: (
                program.unexplained(account),
                account["expired"] - program.unexplained(account),
            )
            for user_id, account in accounts.items()
        }


def test_balances_of_past_days_are_those_that_the_program_had(
    program: Program, marts: list[Marts]
) -> None:
    for day, accounts in enumerate(program.accounts):
        date = str(TODAY + timedelta(days=day))
        closing: dict[int, int] = {}
        for row in sorted(marts[LAST_DAY]["points_daily"], key=lambda row: row["day"]):
            if row["day"] <= date:
                closing[row["user_id"]] = row["closing"]
        for user_id in accounts.keys() & program.accounts[LAST_DAY].keys():
            assert closing.get(user_id, 0) == accounts[user_id]["redeemable_points"]


def test_points_expiring_are_those_ahead_by_month_and_rule(
    program: Program, marts: list[Marts]
) -> None:
    for accounts, each in zip(program.accounts, marts, strict=True):
        expected: Counter[tuple[str, str]] = Counter()
        for account in accounts.values():
            for rule, entries in account["expiring"].items():
                for entry in entries:
                    expected[entry["expires_at"][:7], rule] += entry["points"]
        found = {
            (row["month"][:7], row["rule_type"]): row["points"] for row in each["points_expiring"]
        }
        assert found == dict(expected)


def test_the_next_expiry_is_the_earlier_one_of_the_two_rules(
    program: Program, marts: list[Marts]
) -> None:
    for accounts, each in zip(program.accounts, marts, strict=True):
        expected = {}
        for user_id, account in accounts.items():
            entries = [
                entry["expires_at"][:10] for rule in account["expiring"].values() for entry in rule
            ]
            expected[user_id] = min(entries, default=None)
        assert by_member(each["members"], lambda row: row["next_expiry_on"]) == expected


def test_what_is_left_of_each_month_is_what_the_oldest_leave_first(
    program: Program, marts: list[Marts]
) -> None:
    for accounts, each in zip(program.accounts, marts, strict=True):
        expected = {
            (user_id, lot["month"]): (lot["issued"], lot["remaining"])
            for user_id, account in accounts.items()
            for lot in account["lots"]
        }
        assert {
            (row["user_id"], row["issue_month"][:7]): (row["issued"], row["remaining"])
            for row in each["points_lots"]
        } == expected


def test_what_became_of_each_lot_is_exact_where_every_expiry_is_known(
    program: Program, marts: list[Marts]
) -> None:
    columns = ("redeemed", "deducted", "expired")
    for accounts, each in zip(program.accounts, marts, strict=True):
        known = {user_id for user_id, row in accounts.items() if not program.unexplained(row)}
        expected = {
            (user_id, lot["month"]): tuple(map(lot.get, columns))
            for user_id in known
            for lot in accounts[user_id]["lots"]
        }
        assert {
            (row["user_id"], row["issue_month"][:7]): tuple(map(row.get, columns))
            for row in each["points_lots"]
            if row["user_id"] in known
        } == expected


def test_liability_is_the_sum_of_all_balances(program: Program, marts: list[Marts]) -> None:
    for accounts, each in zip(program.accounts, marts, strict=True):
        balance = sum(account["redeemable_points"] for account in accounts.values())
        assert sum(row["outstanding"] for row in each["points_liability"]) == balance
        (summary,) = each["program_summary"]
        assert summary["balance"] == balance


def test_tier_moves_are_those_since_the_first_build(program: Program, marts: list[Marts]) -> None:
    assert not marts[0]["tier_moves"]
    found = [
        (row["user_id"], row["from_tier"], row["to_tier"]) for row in marts[LAST_DAY]["tier_moves"]
    ]
    assert sorted(found) == sorted(_moves(program))


def test_the_marts_need_no_personal_data(
    program: Program, days: object, loaders: Path, tmp_path: Path
) -> None:
    assert days
    found = []
    for mode in ("keep", "hash", "drop"):
        warehouse = DuckDB(loaders, tmp_path / mode)
        warehouse.load(program.read_anew(sensitive_data=mode, hash_key="k" * 32))
        warehouse.dbt("build", *UNTESTED, **VARIABLES)
        found.append(
            {mart: comparable(warehouse.rows(f"crowdtwist_marts.{mart}")) for mart in MARTS}
        )
    assert found[0] == found[1] == found[2]


FAULTS = {
    "every_history_line_is_in_the_ledger_once": (
        "points_ledger",
        "from expiries\n",
        """from expiries
union all
select 'order:' || orders.id, orders.user_id, cast(orders.order_date as date), orders.order_date,
    null, 'redeemed', -orders.total_points_redeemed, null, null, orders.id
from {{ ref('stg_crowdtwist__redemptions') }} as orders
where orders.total_points_redeemed > 0
""",
    ),
    "every_expiry_is_in_the_ledger_once": (
        "points_ledger",
        "expirations.points_expired > 0",
        "expirations.points_expired > 20",
    ),
    "expiry_rules_are_never_summed": (
        "points_expiring",
        "expiring_points.rule_type,",
        "'redemption_period' as rule_type,",
    ),
}
"""Redemptions counted twice, expiries lost, the two rules summed: by the test that has to fail."""


def test_each_fault_in_a_model_fails_a_test_by_name(
    days: object, warehouses: dict[str, Warehouse], tmp_path: Path
) -> None:
    assert days
    warehouse = warehouses["DuckDB"]
    assert isinstance(warehouse, DuckDB)
    faulty = shutil.copytree(PROJECT, tmp_path / "transform")
    for model, old, new in FAULTS.values():
        path = faulty / "models" / "marts" / f"{model}.sql"
        sql = path.read_text(encoding="utf-8")
        assert sql.count(old) == 1
        path.write_text(sql.replace(old, new), encoding="utf-8")
    database = shutil.copy(warehouse.path, tmp_path / "warehouse.duckdb")
    dbt = DbtProject("duckdb", {"DBT_DUCKDB_PATH": str(database)}, tmp_path, faulty)
    models = "points_ledger points_expiring"
    dbt("run", "--select", models)
    assert dbt("test", "--select", models, code=1).failed() >= FAULTS.keys()


def _moves(program: Program) -> list[tuple[int, str, str]]:
    """Return the moves that two readings show, of members who are still there."""
    moves = []
    for before, after in zip(program.accounts, program.accounts[1:], strict=False):
        for user_id in before.keys() & after.keys() & program.accounts[LAST_DAY].keys():
            tiers = [
                each[user_id]["tier"] or each[user_id]["fan_level"] for each in (before, after)
            ]
            if tiers[0] != tiers[1]:
                moves.append((user_id, tiers[0], tiers[1]))
    return moves


def _tier(account: Row) -> str:
    tier: str = account["tier"] or account["fan_level"]
    return tier

"""The page's ways from a warehouse to a roster, in a real PostgreSQL and with a real psql."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from support.pages import put_into_env, shell
from support.postgres_server import binaries

from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

CUSTOMERS = "From a table in PostgreSQL"
NUMBERS = "Numbers instead of addresses"


def ids_in_file(pipeline: Project) -> list[str]:
    """The ids in the file that the recipes write, without its header."""
    with (pipeline.root / "members.csv").open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file)][1:]


def test_customers_become_numbers_and_push_files_add_those_who_joined(
    pipeline: Project, postgres: PostgresServer
) -> None:
    def query(sql: str) -> list[str]:
        return postgres.query(sql, "rosters")

    postgres.create_database("rosters")
    pipeline.settings |= postgres.settings("rosters")
    user, password, host, port = (
        quote(pipeline.settings[f"TARGET_POSTGRES_{name}"], safe="")
        for name in ("USER", "PASSWORD", "HOST", "PORT")
    )
    pipeline.settings |= {
        "DATABASE_URL": f"postgresql://{user}:{password}@{host}:{port}/rosters",
        "PATH": f"{binaries()}:{pipeline.environment()['PATH']}",
    }
    with Sandbox(SandboxOptions(members=40, seed=27)) as sandbox:
        pipeline.read_from(sandbox)
        named = sandbox.roster("third_party_id")
        rows = ", ".join(f"('{name}')" for name in named)
        query("CREATE SCHEMA crm; CREATE TABLE crm.customers (third_party_id text)")
        query(f"INSERT INTO crm.customers VALUES {rows}, (NULL), (''), (' ')")  # noqa: S608 - our own names

        shell(pipeline, CUSTOMERS)
        assert ids_in_file(pipeline) == named

        put_into_env(pipeline, CUSTOMERS)
        shell(pipeline, NUMBERS)
        first = set(ids_in_file(pipeline))
        profiles = list(sandbox.expected_rows("users"))
        assert first == {str(row["id"]) for row in profiles if row.get("third_party_id")}

        files = pipeline.root / "data_push"
        for _ in range(3):
            sandbox.advance()
            sandbox.write_data_push(files)
        put_into_env(pipeline, NUMBERS)
        streams = '["users.*", "push_users.*"]'
        pipeline.settings["TAP_CROWDTWIST_DATA_PUSH_PATH"] = str(files)
        pipeline("run", "tap-crowdtwist", "target-postgres", TAP_CROWDTWIST__SELECT=streams)
        shell(pipeline, "From Data Push files")

        members = set(ids_in_file(pipeline))
        deleted = set(query("SELECT id FROM crowdtwist.users WHERE deletion_status IS NOT NULL"))
        pushed = set(query("SELECT id FROM crowdtwist.push_users"))
        joined = set(sandbox.roster()) - first
        assert joined & pushed
        assert deleted
        assert members == (first | pushed) - deleted

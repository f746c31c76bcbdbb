"""What the page on targets says of connections and file names is what happens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.databases import Database
from support.pages import block

from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.postgres_server import PostgresServer
    from support.warehouses import Project

pytest_plugins = ["support.warehouse_fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

USERS_AND_PURCHASES = {"TAP_CROWDTWIST__SELECT": '["users.*", "purchases.*"]'}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(members=4, seed=3)) as sandbox:
        yield sandbox


def test_the_connection_of_target_postgres_comes_from_env(
    pipeline: Project, sandbox: Sandbox, postgres: PostgresServer
) -> None:
    database = Database(postgres, "connection")
    own = postgres.settings("connection")
    own["TARGET_POSTGRES_USER"] = "only_creates"
    database.execute(
        f"CREATE ROLE only_creates LOGIN PASSWORD '{own['TARGET_POSTGRES_PASSWORD']}'; "
        "GRANT CREATE ON DATABASE connection TO only_creates"
    )
    names = re.findall(r"(?m)^(\w+)=", block("target-postgres", "dotenv"))
    assert set(names) == {*own, "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"}
    lines = [f"{name}='{own.get(name, 'loyalty')}'\n" for name in names]
    (pipeline.root / ".env").write_text("".join(lines), encoding="utf-8")
    pipeline.read_from(sandbox)

    install, run = block("target-postgres", "console").splitlines()
    assert install == "meltano install target-postgres"  # as the fixture has done
    pipeline.command(run.split(), **USERS_AND_PURCHASES)

    (row,) = database.query("SELECT count(*) AS users FROM loyalty.users")
    assert row["users"] == len(sandbox.roster())
    with pytest.raises(AssertionError, match="does not exist"):
        database.query("SELECT FROM crowdtwist.users")


@pytest.mark.parametrize("target", ["target-jsonl", "target-csv"])
def test_files_have_the_names_on_the_page(pipeline: Project, sandbox: Sandbox, target: str) -> None:
    pipeline.read_from(sandbox)

    pipeline.command(["meltano", "run", "tap-crowdtwist", target], **USERS_AND_PURCHASES)

    output = pipeline.root / "output"
    written = [str(file.relative_to(pipeline.root)) for file in output.rglob("*.*")]
    assert sorted(map(masked, written)) == sorted(map(masked, block(target, "text").split()))


def test_target_jsonl_can_write_files_for_each_run(pipeline: Project, sandbox: Sandbox) -> None:
    pipeline.read_from(sandbox)

    own_files = {"TARGET_JSONL_DO_TIMESTAMP_FILE": "true"}
    pipeline.sync("target-jsonl", **USERS_AND_PURCHASES, **own_files)

    names = {masked(file.name) for file in pipeline.root.rglob("users*.jsonl")}
    assert names == {masked("users-20261119T020000.jsonl")}


def masked(name: str) -> str:
    return re.sub(r"\d", "0", name)

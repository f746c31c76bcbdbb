"""Warehouses that a real target loads and dbt transforms: DuckDB and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import yaml

from support.databases import SCHEMA, Database, told
from support.dbt_project import CHECKOUT, DbtProject, Finished

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.postgres_server import PostgresServer
    from support.warehouses import Row

_SECONDS = 120


class Warehouse(Protocol):
    """A database, and dbt on it.

    Attributes:
        dbt: runs dbt.
    """

    dbt: DbtProject

    def load(self, messages: str, schema: str = SCHEMA) -> None:
        """Load messages of the tap."""

    def rows(self, relation: str) -> list[Row]:
        """Return the rows of a table or view, in no order.

        Values are of JSON: a timestamp as RFC 3339 in UTC, a number with decimals as a float.
        """

    def types(self, relation: str) -> dict[str, str]:
        """Return the type of each column, in the words of PostgreSQL."""

    def execute(self, sql: str) -> None:
        """Run a statement."""


def build(warehouse: Warehouse, *arguments: str, **variables: Any) -> Finished:
    """Build all models and run all tests; whatever fails is left to the caller."""
    return warehouse.dbt("build", *arguments, code=None, **variables)


class DuckDB:
    """A DuckDB file that target-duckdb writes."""

    def __init__(self, loaders: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._loader = Loader(loaders, "target-duckdb", directory)
        self.path = directory / "warehouse.duckdb"
        self.dbt = DbtProject("duckdb", {"DBT_DUCKDB_PATH": str(self.path)}, directory)

    def load(self, messages: str, schema: str = SCHEMA) -> None:
        """Load messages of the tap."""
        self._loader.load(messages, path=str(self.path), default_target_schema=schema)

    def rows(self, relation: str) -> list[Row]:
        """Return rows as JSON has them."""
        with closing(duckdb.connect(str(self.path), read_only=True)) as connection:
            found = connection.execute(f"SELECT * FROM {relation}")  # noqa: S608 - our own words
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]

    def types(self, relation: str) -> dict[str, str]:
        """Return the types of the columns."""
        with closing(duckdb.connect(str(self.path), read_only=True)) as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {relation}")  # noqa: S608 - our own words
            return {name: _type_name(kind) for name, kind, *_ in found.fetchall()}

    def execute(self, sql: str) -> None:
        """Run a statement."""
        with closing(duckdb.connect(str(self.path))) as connection:
            connection.execute(sql)


class Postgres:
    """A database that target-postgres writes."""

    def __init__(self, server: PostgresServer, name: str, loaders: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._loader = Loader(loaders, "target-postgres", directory)
        self._database = Database(server, name)
        self._settings = {
            setting.removeprefix("TARGET_POSTGRES_").lower(): value
            for setting, value in server.settings(name).items()
        }
        names = {"database": "dbname"}
        settings = {
            f"DBT_POSTGRES_{names.get(setting, setting).upper()}": value
            for setting, value in self._settings.items()
        }
        self.dbt = DbtProject("postgres", settings, directory)

    def load(self, messages: str, schema: str = SCHEMA) -> None:
        """Load messages of the tap."""
        settings = {**self._settings, "port": int(self._settings["port"])}
        self._loader.load(messages, **settings, default_target_schema=schema)

    def rows(self, relation: str) -> list[Row]:
        """Return rows as JSON has them."""
        types = self.types(relation)
        found = self._database.query(f"SELECT * FROM {relation}")  # noqa: S608 - our own words
        return [{name: told(value, types[name]) for name, value in row.items()} for row in found]

    def types(self, relation: str) -> dict[str, str]:
        """Return the types of the columns."""
        found = self._database.query(
            "SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "  # noqa: S608 - likewise
            f"WHERE attrelid = '{relation}'::regclass AND attnum > 0"
        )
        return {row["name"]: _type_name(row["type"]) for row in found}

    def execute(self, sql: str) -> None:
        """Run a statement."""
        self._database.execute(sql)


class Loader:
    """A target that a project of the tests has installed, with the settings of meltano.yml."""

    def __init__(self, installation: Path, name: str, directory: Path) -> None:
        self._command = installation / ".meltano" / "loaders" / name / "venv" / "bin" / name
        self._directory = directory
        definition = yaml.safe_load((CHECKOUT / "meltano.yml").read_text(encoding="utf-8"))
        (plugin,) = [each for each in definition["plugins"]["loaders"] if each["name"] == name]
        self._environment = plugin.get("env", {})
        self._settings = {
            setting["name"]: setting["value"]
            for setting in plugin["settings"]
            if "value" in setting
        }

    def load(self, messages: str, **settings: Any) -> None:
        """Load messages of the tap."""
        config = self._directory / "config.json"
        config.write_text(json.dumps({**self._settings, **settings}), encoding="utf-8")
        done = subprocess.run(
            [self._command, "--config", config],
            input=messages,
            env={**os.environ, **self._environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == 0, done.stderr


def _type_name(kind: str) -> str:
    """Return the name of a type in the words of the dbt project."""
    name = kind.lower().replace(" without time zone", "")
    return {"varchar": "text", "decimal(18,2)": "numeric(18,2)"}.get(name, name)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def comparable(rows: Iterable[Row]) -> list[str]:
    """Return rows as sorted texts, in which JSON inside of text is equal if its values are."""
    return sorted(
        json.dumps({name: _parsed(value) for name, value in row.items()}, sort_keys=True)
        for row in rows
    )


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"{", "["}:
        return json.loads(value)
    return value

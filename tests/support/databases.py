"""The tables that target-postgres makes, read back in the forms of the truth."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.postgres_server import PostgresServer
    from support.warehouses import Row

SCHEMA = "crowdtwist"


class Database:
    """The tables that target-postgres makes in one database."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server = server
        self._name = name
        server.create_database(name)

    def query(self, sql: str) -> list[Any]:
        """The rows of a query as objects."""
        lines = self._server.query(f"SELECT row_to_json(q) FROM ({sql}) q", self._name)  # noqa: S608 - our own words
        return [json.loads(line) for line in lines]

    def execute(self, sql: str) -> None:
        """Run a statement."""
        self._server.query(sql, self._name)

    def types(self, stream: str) -> dict[str, str]:
        """The type of each column, as PostgreSQL writes it."""
        found = self.query(
            "SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "  # noqa: S608 - likewise
            f"WHERE attrelid = '{SCHEMA}.{stream}'::regclass AND attnum > 0"
        )
        return {row["name"]: row["type"] for row in found}

    def key(self, stream: str) -> tuple[str, ...]:
        """The columns of the primary key."""
        found = self.query(
            "SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = "  # noqa: S608 - likewise
            "i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary "
            f"AND i.indrelid = '{SCHEMA}.{stream}'::regclass"
        )
        return tuple(row["name"] for row in found)

    def rows(self, stream: str, *, deleted: bool = False) -> list[Row]:
        """The rows of a table in the forms of the truth, without what the target adds."""
        types = self.types(stream)
        found = self.query(
            f"SELECT * FROM {SCHEMA}.{stream} "  # noqa: S608 - likewise
            f"WHERE (_sdc_deleted_at IS NOT NULL) = {str(deleted).upper()}"
        )
        return [
            {
                name: told(value, types[name])
                for name, value in row.items()
                if not name.startswith("_sdc_")
            }
            for row in found
        ]

    def written(self, stream: str) -> list[datetime]:
        """When rows were written and marked as deleted, as the target says."""
        found = self.query(
            f"SELECT _sdc_batched_at FROM {SCHEMA}.{stream} WHERE _sdc_batched_at IS NOT NULL "  # noqa: S608 - likewise
            f"UNION SELECT _sdc_deleted_at FROM {SCHEMA}.{stream} WHERE _sdc_table_version IS NULL "
            f"AND _sdc_deleted_at IS NOT NULL AND '{stream}' <> 'users'"  # whose the tap tells
        )
        return [datetime.fromisoformat(f"{row['_sdc_batched_at']:0<26}+00:00") for row in found]


def told(value: Any, kind: str) -> Any:
    """A value as the truth tells it: a timestamp without time zone is one in UTC."""
    if value is None or not kind.startswith("timestamp"):
        return value
    parts = re.fullmatch(r"([^.+]+)(?:\.(\d+))?(\+[\d:]+)?", value)
    assert parts is not None, value
    moment = datetime.fromisoformat(f"{parts[1]}.{parts[2] or '':0<6}{parts[3] or '+00:00'}")
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def column_type(node: dict[str, Any]) -> str:
    """The type that a column of a schema has to get."""
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    (kind,) = [kind for kind in kinds if kind != "null"]
    if kind == "array":
        return column_type(node["items"]) + "[]"
    return _TYPES[kind, node.get("format")]


_TYPES = {
    ("integer", None): "bigint",
    ("number", None): "numeric",
    ("boolean", None): "boolean",
    ("string", None): "text",
    ("string", "date"): "date",
    ("string", "date-time"): "timestamp without time zone",
    ("object", None): "jsonb",
}

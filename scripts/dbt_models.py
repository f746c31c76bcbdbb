"""Staging models of the dbt project, from the schemas of the streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.erd import API, FILES
from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import TAG, Policy, public_schema
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERYTHING = Policy(spendable=True)
_TYPES = {
    "integer": "bigint",
    "number": "numeric(18, 2)",
    "boolean": "boolean",
    "string": "text",
    "object": "json",
    "array": "json",
    "date-time": "timestamp",
    "date": "date",
}


def staging_model(stream: str) -> str:
    """Render the SQL of a stream's view."""
    lines = [f"        '{name}': '{kind}',\n" for name, kind in column_types(stream).items()]
    member = member_id(stream)
    last = f"    member_id='{member}',\n" if member else ""
    return (
        f"{{{{ crowdtwist.staging(\n    '{stream}',\n    {{\n{''.join(lines)}    }},\n{last}) }}}}\n"
    )


def column_types(stream: str) -> dict[str, str]:
    """Return the type of each column in the warehouse, in the words of the macro `staging`."""
    public = public_schema(stream, _EVERYTHING)["properties"]
    tagged = schemas.tagged(stream)["properties"]
    return {name: _type(node, tagged[name][TAG]) for name, node in public.items()}


def _type(node: Mapping[str, Any], tag: str) -> str:
    (kind,) = schemas.types_of(node)
    if kind in {"object", "array"}:
        return _TYPES[kind]
    if tag != "business":  # text if hashed
        return "text"
    return _TYPES[node.get("format", kind)]


def member_id(stream: str) -> str | None:
    """Return the column with the id of the member that a row is about, if it is about one."""
    if stream == "users":
        return "id"
    columns = [
        relation.column.partition(".")[2]
        for diagram in (API, FILES)
        for relation in diagram.relations
        if relation.target == "users.id"
        and relation.column.startswith(f"{stream}.")
        and not relation.unless
    ]
    return columns[0] if columns else None


def write() -> None:
    from pathlib import Path

    folder = Path("transform/models/staging")
    for stream in STREAMS:
        (folder / f"stg_crowdtwist__{stream.name}.sql").write_text(staging_model(stream.name))
    tables = "".join(f"      - name: {s.name}\n" for s in STREAMS)
    (folder / "_sources.yml").write_text(
        "version: 2\n\nsources:\n  - name: crowdtwist\n"
        "    schema: \"{{ var('crowdtwist_schema') }}\"\n    tables:\n" + tables
    )


if __name__ == "__main__":
    write()

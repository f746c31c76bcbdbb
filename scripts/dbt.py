"""The staging models of the dbt project in transform/, their sources and their tests.

`make docs` writes them from the schemas of the streams. A stream needs a file of its own in
transform/models/staging/, which names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.erd import API, FILES
from tap_crowdtwist import dbt_sources, schemas
from tap_crowdtwist.privacy.policy import TAG, Policy, public_schema
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scripts.erd import Relation
    from tap_crowdtwist.streams.base import CrowdTwistStream

_EVERYTHING = Policy(spendable=True)
_TYPES = {
    "integer": "bigint",
    "number": "numeric(18, 2)",
    "boolean": "boolean",
    "string": "text",
    "date-time": "timestamp",
    "date": "date",
}
_VIEW_NOTE = "A view of the source: types as on every database, no deleted members."


def staging(stream: str) -> str:
    """Render the view of a stream."""
    columns = "".join(f"        '{name}': '{kind}',\n" for name, kind in _columns(stream).items())
    member = _member_id(stream)
    argument = f"    member_id='{member}',\n" if member else ""
    return (
        f"{{{{ crowdtwist.staging(\n    '{stream}',\n    {{\n{columns}    }},\n{argument}) }}}}\n"
    )


def sources() -> str:
    """Render the sources: `--dbt-sources`, but that a table may be missing."""
    content = dbt_sources.sources(STREAMS, _EVERYTHING)
    (source,) = content["sources"]
    del source["config"]["loaded_at_field"]
    for table in source["tables"]:
        if "freshness" in table["config"]:
            call = f"{{{{ crowdtwist.loaded_at('{table['name']}') }}}}"
            table["config"]["loaded_at_query"] = call
    return dbt_sources.to_yaml(content)


def tests() -> str:
    """Render descriptions and tests of the views."""
    return dbt_sources.to_yaml({"version": 2, "models": [_model(stream) for stream in STREAMS]})


def _model(stream: type[CrowdTwistStream]) -> dict[str, Any]:
    key = {
        "name": f"staging_key_of_{stream.name}",
        "arguments": {"columns": dbt_sources.key(stream)},
    }
    model = {
        "name": _view(stream.name),
        "description": f"{schemas.tagged(stream.name)['description']} {_VIEW_NOTE}",
        "data_tests": [{"unique_key": key}],
    }
    columns = [_tested(relation) for relation in _relations(stream.name)]
    return {**model, "columns": columns} if columns else model


def _tested(relation: Relation) -> dict[str, Any]:
    """Return a column with a test that finds the row of the other stream.

    What is missing there does not make the marts wrong, so it is a warning.
    """
    stream, _, column = relation.column.partition(".")
    target, _, field = relation.target.partition(".")
    test = {
        "name": f"staging_{stream}_{column}_in_{target}",
        "arguments": {"to": f"ref('{_view(target)}')", "field": field},
        "config": {"severity": "warn"},
    }
    return {"name": column, "data_tests": [{"finds_row": test}]}


def _relations(stream: str) -> Iterator[Relation]:
    """Yield the relations of a stream that hold without exception."""
    for diagram in (API, FILES):
        for relation in diagram.relations:
            if relation.column.startswith(f"{stream}.") and not relation.unless:
                yield relation


def _member_id(stream: str) -> str | None:
    """Return the column with the id of the member that a row is about, if it is about one."""
    if stream == "users":
        return "id"
    targets = {each.target: each.column.partition(".")[2] for each in _relations(stream)}
    return targets.get("users.id")


def _columns(stream: str) -> dict[str, str]:
    """Return the type of each column, in the words of the macro `staging`."""
    public = public_schema(stream, _EVERYTHING)["properties"]
    tagged = schemas.tagged(stream)["properties"]
    return {
        name: _type(node, tagged[name][TAG])
        for name, node in public.items()
        if not name.startswith("_sdc_")  # the macro has them for every stream
    }


def _type(node: Mapping[str, Any], sensitivity: str) -> str:
    (kind,) = schemas.types_of(node)
    if kind in {"object", "array"}:
        return "json"
    if sensitivity != "business":  # text if it is hashed
        return "text"
    return _TYPES[node.get("format", kind)]


def _view(stream: str) -> str:
    return f"stg_crowdtwist__{stream}"

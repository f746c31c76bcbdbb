"""The columns of every stream, from its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import TAG, Policy, public_schema
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.streams.base import CrowdTwistStream

_EVERYTHING = Policy(spendable=True)
_FORMATS = {"date-time": "timestamp", "date": "date"}

Schema = dict[str, Any]


def columns() -> str:
    """Render a section per stream: what a row is, and a table of its columns."""
    return "\n".join(_section(stream) for stream in STREAMS)


def _section(stream: type[CrowdTwistStream]) -> str:
    tagged = schemas.tagged(stream.name)
    public = public_schema(stream.name, _EVERYTHING)
    keys: Any = stream.primary_keys  # a property of the SDK where no stream sets it
    rows = _rows(public, tagged, keys)
    return (
        f"## `{stream.name}`\n\n{tagged['description']}\n\n"
        f"| Column | Type | Description |\n| --- | --- | --- |\n{''.join(rows)}"
    )


def _rows(
    public: Schema, tagged: Schema, keys: tuple[str, ...] = (), prefix: str = ""
) -> Iterator[str]:
    """Yield a row for each column, and for each member of an object in it."""
    for name, node in public["properties"].items():
        tags = tagged["properties"][name]
        kind = _type(node) + (", key" if name in keys else "")
        tag = tags[TAG].replace("_", " ").capitalize()
        note = "" if tag == "Business" else f" *{tag}.*"
        yield f"| `{prefix}{name}` | {kind} | {node['description']}{note} |\n"
        inner, inner_tags, path = node, tags, f"{prefix}{name}."
        if "items" in node:
            inner, inner_tags, path = node["items"], tags["items"], f"{prefix}{name}[]."
        if inner.get("properties"):
            yield from _rows(inner, inner_tags, prefix=path)


def _type(node: Schema) -> str:
    """Return the type of a column in a word or two."""
    (kind,) = schemas.types_of(node)
    if kind == "array":
        return f"list of {_type(node['items'])}s"
    return _FORMATS.get(node.get("format", ""), kind)

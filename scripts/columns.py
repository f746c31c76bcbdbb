"""The columns of every stream, from its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.privacy.policy import TAG, Policy, public_schema
from tap_crowdtwist.streams import STREAMS
from tap_crowdtwist.streams.file_stream import FileStream
from tap_crowdtwist.streams.runs import SyncRuns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.streams.base import CrowdTwistStream

_EVERYTHING = Policy(spendable=True)
_FORMATS = {"date-time": "timestamp", "date": "date"}

Schema = dict[str, Any]


def columns() -> str:
    """Render a section per stream: how it is read, and a list of its columns."""
    return "\n".join(_section(stream) for stream in STREAMS)


def _section(stream: type[CrowdTwistStream]) -> str:
    tagged = schemas.tagged(stream.name)
    public = public_schema(stream.name, _EVERYTHING)
    keys: Any = stream.primary_keys  # a property of the SDK where no stream sets it
    lines = [
        f"## `{stream.name}`\n\n{tagged['description']}\n",
        f"* **Source:** {_source(stream)}",
        f"* **Key:** {', '.join(f'`{name}`' for name in keys)}",
        f"* **Replication:** {_replication(stream)}",
        f"* **Default:** {'on' if stream.selected_by_default else 'off'}\n",
        "Columns:\n",
        *_columns(public, tagged),
        "",
    ]
    return "\n".join(lines)


def _source(stream: type[CrowdTwistStream]) -> str:
    if issubclass(stream, SyncRuns):
        return "the run itself"
    if issubclass(stream, FileStream):
        return f"files of `{stream.naming.setting}`, feed `{stream.feed}`"
    host = "point-of-sale host" if stream.endpoint.host is Host.POS else "main host"
    return f"`{stream.endpoint.path}`, {host}"


def _replication(stream: type[CrowdTwistStream]) -> str:
    key: Any = stream.replication_key  # a property of the SDK where no stream sets it
    return f"incremental, `{key}`" if isinstance(key, str) else "full table"


def _columns(public: Schema, tagged: Schema, indent: str = "") -> Iterator[str]:
    """Yield a line for each column, and below it one for each member of an object in it."""
    for name, node in public["properties"].items():
        tags = tagged["properties"][name]
        tag = tags[TAG].replace("_", " ").capitalize()
        note = "" if tag == "Business" else f" *{tag}.*"
        yield f"{indent}* `{name}` ({_type(node)}): {node['description']}{note}"
        inner, inner_tags = node, tags
        if "items" in node:
            inner, inner_tags = node["items"], tags["items"]
        if inner.get("properties"):
            yield from _columns(inner, inner_tags, indent=f"{indent}  ")


def _type(node: Schema) -> str:
    """Return the type of a column in a word or two."""
    (kind,) = schemas.types_of(node)
    if kind == "array":
        return f"list of {_type(node['items'])}s"
    return _FORMATS.get(node.get("format", ""), kind)

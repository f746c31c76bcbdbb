"""The streams as sources of a dbt project (`--dbt-sources`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import TAG, public_schema
from tap_crowdtwist.streams.file_stream import FileStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_crowdtwist.privacy.policy import Policy
    from tap_crowdtwist.streams.base import CrowdTwistStream

_SCHEMA = "{{ var('crowdtwist_schema', 'crowdtwist') }}"
"""The loaders' default, which a variable of the dbt project can override."""

_FRESH_HOURS = 36
"""A daily sync has half a day to finish."""

_YAML_WIDTH = 92

_LOADER_COLUMNS = {
    "_sdc_extracted_at": "When the tap read the row, in UTC. Written by the loader.",
    "_sdc_deleted_at": "When the row was found to be deleted, in UTC; else null. Written by the "
    "loader.",
}


def to_yaml(content: dict[str, Any]) -> str:
    """Return the text of a YAML file."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_YAML_WIDTH)
    return text


def key(stream: type[CrowdTwistStream]) -> list[str]:
    """Return the columns of a stream's key."""
    names: Any = stream.primary_keys  # a property of the SDK where no stream sets it
    return list(names)


def sources(streams: Iterable[type[CrowdTwistStream]], policy: Policy) -> dict[str, Any]:
    """Return the content of a YAML file that declares the tables of streams for dbt.

    Tables of streams that every sync reads get a check of their freshness.

    Args:
        streams: the streams.
        policy: the treatment of sensitive properties, which decides about the columns.
    """
    return {
        "version": 2,
        "sources": [
            {
                "name": "crowdtwist",
                "description": "The loyalty program on Oracle CrowdTwist, as tap-crowdtwist "
                "reads it.",
                "schema": _SCHEMA,
                "config": {"loaded_at_field": "_sdc_extracted_at", "freshness": None},
                "tables": [_table(stream, policy) for stream in streams],
            }
        ],
    }


def _table(stream: type[CrowdTwistStream], policy: Policy) -> dict[str, Any]:
    tagged = schemas.tagged(stream.name)
    config: dict[str, Any] = {"meta": {"primary_key": key(stream)}}
    if stream.selected_by_default and not issubclass(stream, FileStream):
        config["freshness"] = {"warn_after": {"count": _FRESH_HOURS, "period": "hour"}}
    properties = public_schema(stream.name, policy)["properties"]
    columns = [
        {
            "name": name,
            "description": node["description"],
            "config": {"meta": {"sensitivity": tagged["properties"][name][TAG]}},
        }
        for name, node in properties.items()
    ]
    columns += [
        {"name": name, "description": description}
        for name, description in _LOADER_COLUMNS.items()
        if name not in properties
    ]
    return {
        "name": stream.name,
        "description": tagged["description"],
        "config": config,
        "columns": columns,
    }

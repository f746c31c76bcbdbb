"""The DAG's settings: their defaults, and the validation of the Variable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crowdtwist_shards.errors import ShardError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS: dict[str, Any] = {
    "project": "/opt/meltano",  # directory of meltano.yml
    "meltano": "meltano",  # the command: a name on the PATH, or a path
    "environment": "prod",  # Meltano's; part of every state id
    "target": "target-postgres",  # the loader
    "target_conn_id": None,  # Connection with the loader's settings; else the project has them
    "roster": None,  # path or URL; else the tap's own setting user_ids_path
    "roster_sql": None,  # query that returns the ids; if set, each run rewrites the roster
    "roster_conn_id": None,  # Connection to run it on
    "members_sql": None,  # query on target_conn_id that counts the members in the warehouse
    "shards": 4,
    "requests_per_minute": 5000,  # of all shards together
    "streams": None,  # such as ["users", "purchases"]; else what the project selects
}
"""All settings, with the values that they have unless the Variable sets them."""

_NEEDS = {"roster_sql": "roster_conn_id", "members_sql": "target_conn_id"}


def read_settings(text: str | None, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the defaults, the Variable and the parameters of a run; the later ones win.

    Args:
        text: the Variable; None if there is none.
        chosen: the parameters; None where one was not set.

    Raises:
        ShardError: the Variable is not a JSON object, or a setting is unknown or has a wrong value.
    """
    try:
        given = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ShardError(
            'it has to be a JSON object, such as {"roster": "s3://bucket/members.csv"}'
        )
    if unknown := given.keys() - DEFAULTS.keys():
        raise ShardError(
            f"unknown setting: {', '.join(sorted(unknown))}; the settings are {', '.join(DEFAULTS)}"
        )
    settings = {
        **DEFAULTS,
        **given,
        **{name: value for name, value in chosen.items() if value is not None},
    }
    for name, value in settings.items():
        if expected := _violated_rule(name, value):
            raise ShardError(f"`{name}` has to be {expected}")
    for query, connection in _NEEDS.items():
        if settings[query] and not settings[connection]:
            raise ShardError(f"`{query}` needs `{connection}`, the Connection to run it on")
    return settings


def _violated_rule(name: str, value: Any) -> str:
    """Return what a setting has to be, if its value is not that; else an empty text."""
    default = DEFAULTS[name]
    if isinstance(default, int):
        # JSON's true and false are integers in Python.
        is_valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return "" if is_valid else "a whole number of at least 1, without quotes"
    if value is None and default is None:
        return ""
    if name == "streams":
        is_valid = isinstance(value, list) and value != [] and all(map(_is_text, value))
        return "" if is_valid else 'a list of streams, such as ["users", "purchases"]'
    return "" if _is_text(value) else "text"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())

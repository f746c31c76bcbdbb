"""The DAG's settings: the Variable, what it leaves out, and what may stand in it."""

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
    "roster_sql": None,  # query that gives the ids; if set, each run writes the roster anew
    "roster_conn_id": None,  # Connection to run it on
    "members_sql": None,  # query on target_conn_id that counts the members in the warehouse
    "shards": 4,
    "requests_per_minute": 5000,  # of all shards together
    "streams": None,  # such as ["users", "purchases"]; else what the project selects
}
"""The settings, and what holds where the Variable does not say."""

_NEEDS = {"roster_sql": "roster_conn_id", "members_sql": "target_conn_id"}


def read_settings(text: str | None, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the defaults, the Variable, and the parameters of a run, the last one on top.

    Args:
        text: the Variable; None where there is none.
        chosen: the parameters; None where one was not chosen.

    Raises:
        ShardError: the Variable is no JSON object, or a setting cannot be what it is.
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
            f"no such setting: {', '.join(sorted(unknown))}; there are {', '.join(DEFAULTS)}"
        )
    settings = {
        **DEFAULTS,
        **given,
        **{name: value for name, value in chosen.items() if value is not None},
    }
    for name, value in settings.items():
        if wrong := _wrong(name, value):
            raise ShardError(f"`{name}` has to be {wrong}")
    for query, connection in _NEEDS.items():
        if settings[query] and not settings[connection]:
            raise ShardError(f"`{query}` needs `{connection}`, the Connection to run it on")
    return settings


def _wrong(name: str, value: Any) -> str:
    """Say what a setting has to be, if it is not that."""
    default = DEFAULTS[name]
    if isinstance(default, int):
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return "" if fits else "a whole number of at least 1, without quotes"
    if value is None and default is None:
        return ""
    if name == "streams":
        fits = isinstance(value, list) and value != [] and all(map(_is_text, value))
        return "" if fits else 'a list of streams, such as ["users", "purchases"]'
    return "" if _is_text(value) else "text"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())

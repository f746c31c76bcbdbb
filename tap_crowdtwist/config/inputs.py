"""Checks that a given catalog and a given state are for this tap, before the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from tap_crowdtwist.errors import TapError
from tap_crowdtwist.state.compatibility import check_version

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

_MAX_NAMES_SHOWN = 5

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_FLAG = {"enum": [True, False, None]}
_NODE = {"$ref": "#/$defs/node"}
_ENTRY: dict[str, Any] = {
    "type": "object",
    "required": ["tap_stream_id", "schema"],
    "properties": {
        "tap_stream_id": {"type": "string"},
        "schema": {**_NODE, "required": ["properties"]},
        "metadata": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["breadcrumb", "metadata"],
                "properties": {
                    "breadcrumb": {"type": "array"},
                    # For the SDK any text is true, even "false", so a deselected property would be
                    # emitted.
                    "metadata": {"type": "object", "properties": {"selected": _FLAG}},
                },
            },
        },
    },
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "type": {
                    "anyOf": [
                        {"enum": [*_TYPES, None]},
                        {"type": "array", "items": {"enum": _TYPES}},
                    ]
                },
                "properties": {"type": "object", "additionalProperties": _NODE},
                "items": _NODE,
                "anyOf": {"type": "array", "items": _NODE},
                "oneOf": {"type": "array", "items": _NODE},
                "allOf": {"type": "array", "items": _NODE},
            },
        }
    },
}
"""JSON Schema of a catalog entry; for an invalid one the SDK would raise KeyError and the like."""

_FOREIGN_ENTRY = {**_ENTRY, "properties": {**_ENTRY["properties"], "schema": _NODE}}
"""The same for a stream that this tap does not have: it is not read, and may lack properties."""


def check_catalog(
    catalog: Mapping[str, Any], known: Collection[str], logger: logging.Logger
) -> None:
    """Log a warning about streams that this tap does not have.

    Raises:
        TapError: the catalog has no stream of this tap, or an invalid entry.
    """
    streams = catalog.get("streams")
    entries = streams if isinstance(streams, list) else []
    unknown = [_name(entry) for entry in entries if _name(entry) not in known]
    if len(unknown) == len(entries):
        raise TapError(
            "Option `--catalog`: contains no stream of this tap; create one with `--discover`"
        )
    for place, entry in enumerate(entries, start=1):
        _check_entry(entry, place, known)
    if unknown:
        logger.warning("Catalog: streams that this tap does not have: %s", _list(unknown))


def _name(entry: Any) -> str:
    """Return the name of a catalog entry, or "" if it has none."""
    if not isinstance(entry, dict):
        return ""
    return str(entry.get("tap_stream_id") or entry.get("stream", ""))


def _check_entry(entry: Any, place: int, known: Collection[str]) -> None:
    schema = _ENTRY if _name(entry) in known else _FOREIGN_ENTRY
    for error in Draft202012Validator(schema).iter_errors(entry):
        name = f"`{_name(entry)}`" if _name(entry) else f"entry {place} of `streams`"
        where = ".".join(map(str, error.absolute_path)) or "the entry"
        problem = "is not valid in a catalog"
        if error.validator == "required":
            problem = f"lacks {' or '.join(error.validator_value)}"
        raise TapError(
            f"Option `--catalog`: {name}: {where} {problem}; create the catalog again with "
            "`--discover`"
        )


def check_state(state: Mapping[str, Any], known: Collection[str], logger: logging.Logger) -> None:
    """Log a warning about bookmarks of streams that this tap does not have.

    Raises:
        TapError: it is not a state, an older version wrote it, or all of it belongs to another
            tap.
    """
    if state.get("type") == "STATE":
        raise TapError("Option `--state`: contains a whole STATE message; pass only its `value`")
    if "singer_state" in state:
        raise TapError("Option `--state`: is in Meltano's format; pass only its `singer_state`")
    if not state:
        return
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        raise TapError(
            "Option `--state`: contains no `bookmarks`, so it is not a state of this tap"
        )
    if not all(isinstance(entry, dict) for entry in bookmarks.values()):
        raise TapError("Option `--state`: a bookmark in it is not an object")
    for name, entry in bookmarks.items():
        check_version(name, entry)
    unknown = bookmarks.keys() - set(known)
    if not unknown:
        return
    if len(unknown) == len(bookmarks):
        raise TapError(
            f"Option `--state`: contains bookmarks of another tap's streams only: {_list(unknown)}"
        )
    logger.warning("State: streams that this tap does not have: %s", _list(unknown))


def _list(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_MAX_NAMES_SHOWN])
    return f"{shown}, …" if len(names) > _MAX_NAMES_SHOWN else shown

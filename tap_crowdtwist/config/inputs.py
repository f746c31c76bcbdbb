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


def check_catalog(
    catalog: Mapping[str, Any], known: Collection[str], logger: logging.Logger
) -> None:
    """Log a warning about streams that this tap does not have.

    Raises:
        TapError: the catalog has no stream of this tap, or an invalid entry.
    """
    entries = catalog.get("streams")
    names = [
        str(entry.get("tap_stream_id") or entry.get("stream"))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]
    unknown = [name for name in names if name not in known]
    if len(unknown) == len(names):
        raise TapError(
            "Option `--catalog`: contains no stream of this tap; create one with `--discover`"
        )
    for place, entry in enumerate(catalog["streams"], start=1):
        _check_entry(entry, place, known)
    if unknown:
        logger.warning("Catalog: streams that this tap does not have: %s", _list(unknown))


def _check_entry(entry: Any, place: int, known: Collection[str]) -> None:
    stream = entry.get("tap_stream_id") if isinstance(entry, dict) else None
    for error in Draft202012Validator(_ENTRY).iter_errors(entry):
        is_unknown = isinstance(stream, str) and stream not in known
        if is_unknown and error.validator == "required" and [*error.absolute_path] == ["schema"]:
            continue  # another tap's stream only causes a warning, and may lack properties
        entry_name = f"`{stream}`" if stream else f"entry {place} of `streams`"
        where = ".".join(map(str, error.absolute_path)) or "the entry"
        if error.validator == "required":
            problem = f"lacks {' or '.join(error.validator_value)}"
        else:
            problem = "is not valid in a catalog"
        raise TapError(
            f"Option `--catalog`: {entry_name}: {where} {problem}; create the catalog again with "
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
    bookmarks = state.get("bookmarks", None if state else {})
    if not isinstance(bookmarks, dict):
        raise TapError(
            "Option `--state`: contains no `bookmarks`, so it is not a state of this tap"
        )
    if not all(isinstance(entry, dict) for entry in bookmarks.values()):
        raise TapError("Option `--state`: a bookmark in it is not an object")
    for name, entry in bookmarks.items():
        check_version(name, entry)
    unknown = [name for name in bookmarks if name not in known]
    if unknown and len(unknown) == len(bookmarks):
        raise TapError(
            f"Option `--state`: contains bookmarks of another tap's streams only: {_list(unknown)}"
        )
    if unknown:
        logger.warning("State: streams that this tap does not have: %s", _list(unknown))


def _list(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_MAX_NAMES_SHOWN])
    return f"{shown}, …" if len(names) > _MAX_NAMES_SHOWN else shown

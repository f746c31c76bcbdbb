"""Whether a given catalog and a given state are meant for this tap, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from tap_crowdtwist.errors import TapError

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

_SHOWN = 5

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
                    # Text is true for the SDK, "false" too, so that what is deselected would leave.
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
"""What an entry of a catalog has to be like for the SDK, which raises KeyError and the like."""


def check_catalog(
    catalog: Mapping[str, Any], known: Collection[str], logger: logging.Logger
) -> None:
    """Warn of streams that are not this tap's.

    Raises:
        TapError: no stream of the catalog is this tap's, or an entry makes no sense.
    """
    entries = catalog.get("streams")
    named = [
        str(entry.get("tap_stream_id") or entry.get("stream"))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]
    strange = [name for name in named if name not in known]
    if len(strange) == len(named):
        raise TapError(
            "Option `--catalog`: holds no stream of this tap; write one with `--discover`"
        )
    for place, entry in enumerate(catalog["streams"], start=1):
        _check_entry(entry, place, known)
    if strange:
        logger.warning("Catalog: no stream of this tap: %s", _list(strange))


def _check_entry(entry: Any, place: int, known: Collection[str]) -> None:
    stream = entry.get("tap_stream_id") if isinstance(entry, dict) else None
    for error in Draft202012Validator(_ENTRY).iter_errors(entry):
        strange = isinstance(stream, str) and stream not in known
        if strange and error.validator == "required" and [*error.absolute_path] == ["schema"]:
            continue  # another tap's stream is only warned of, and need not have properties
        named = f"`{stream}`" if stream else f"entry {place} of `streams`"
        where = ".".join(map(str, error.absolute_path)) or "the entry"
        if error.validator == "required":
            said = f"lacks {' or '.join(error.validator_value)}"
        else:
            said = "is not what a catalog can have there"
        raise TapError(
            f"Option `--catalog`: {named}: {where} {said}; write the catalog anew with `--discover`"
        )


def check_state(state: Mapping[str, Any], known: Collection[str], logger: logging.Logger) -> None:
    """Warn of bookmarks that are not this tap's.

    Raises:
        TapError: the state is something else, or all of it is another tap's.
    """
    if state.get("type") == "STATE":
        raise TapError(
            "Option `--state`: holds a whole STATE message; pass only what its `value` holds"
        )
    if "singer_state" in state:
        raise TapError(
            "Option `--state`: is in Meltano's form; pass only what its `singer_state` holds"
        )
    bookmarks = state.get("bookmarks", None if state else {})
    if not isinstance(bookmarks, dict):
        raise TapError("Option `--state`: holds no `bookmarks`, so it is not a state of this tap")
    if not all(isinstance(entry, dict) for entry in bookmarks.values()):
        raise TapError("Option `--state`: a bookmark in it is not an object")
    strange = [name for name in bookmarks if name not in known]
    if strange and len(strange) == len(bookmarks):
        raise TapError(
            f"Option `--state`: holds bookmarks of another tap's streams only: {_list(strange)}"
        )
    if strange:
        logger.warning("State: no stream of this tap: %s", _list(strange))


def _list(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{shown}, …" if len(names) > _SHOWN else shown

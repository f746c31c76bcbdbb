"""The table of sensitive properties, generated from the code that handles them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import EXTRA, MODES, TAG, Policy, public_schema
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOR_THE_TABLE = b"any key of at least sixteen characters"
_TAGS = ("credential", "spendable", "direct_identifier", "personal", "business")

Row = tuple[str, str, str, str, str, str]


def privacy_rows() -> list[Row]:
    """Return property, streams, tag and the action of each mode, unless it is always kept."""
    streams: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for stream in STREAMS:
        for name, tag, actions in _properties(stream.name):
            if set(actions) != {"kept"}:
                key = (name, tag, *actions)
                streams[key].append(stream.name)
    ordered = sorted(streams.items(), key=lambda item: _TAGS.index(item[0][1]))
    return [
        (f"`{name}`", ", ".join(where), tag.replace("_", " "), keep, hashed, drop)
        for (name, tag, keep, hashed, drop), where in ordered
    ]


def _properties(stream: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    annotated = schemas.tagged(stream)["properties"]
    modes = [public_schema(stream, Policy(mode, _FOR_THE_TABLE))["properties"] for mode in MODES]
    for name, node in annotated.items():
        if name != EXTRA:
            yield (
                name,
                node[TAG],
                tuple(_action(mode.get(name), modes[0].get(name)) for mode in modes),
            )
    actions = tuple("kept" if EXTRA in mode else "dropped" for mode in modes)
    yield EXTRA, annotated[EXTRA][TAG], actions


def _action(node: dict[str, Any] | None, kept: dict[str, Any] | None) -> str:
    if node is None:
        return "dropped"
    return "kept" if node == kept else "hashed"

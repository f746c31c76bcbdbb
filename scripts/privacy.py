"""The lists of sensitive properties, generated from the code that handles them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from scripts.markdown import fill
from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import EXTRA, MODES, TAG, Policy, public_schema
from tap_crowdtwist.streams import FILE_STREAMS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY_KEY = b"any key of at least sixteen characters"

Actions = tuple[str, ...]

GROUPS: dict[str, tuple[set[str], Actions]] = {
    "Credentials": ({"credential"}, ("dropped", "dropped", "dropped")),
    "Codes that can be spent": ({"spendable"}, ("dropped", "dropped", "dropped")),
    "Direct identifiers": ({"direct_identifier"}, ("kept", "hashed", "dropped")),
    "Personal properties": ({"personal"}, ("kept", "hashed", "dropped")),
    "Keys": ({"direct_identifier", "personal"}, ("kept", "hashed", "hashed")),
    "Objects that the program defines": (
        {"personal", "business"},
        ("kept", "dropped", "dropped"),
    ),
}
"""The tags of each group's properties, and what keep, hash and drop do to them, by its heading."""


def group(title: str) -> str:
    """Render the properties of one group, those of the same streams together."""
    tags, actions = GROUPS[title]
    streams_of: dict[str, list[str]] = defaultdict(list)
    for stream in STREAMS:
        for name, tag, treated in _properties(stream.name):
            if tag in tags and treated == actions:
                streams_of[name].append(stream.name)
    names_of: dict[str, list[str]] = defaultdict(list)
    for name, streams in streams_of.items():
        names_of[_describe(streams)].append(f"`{name}`")
    items = (f"* {', '.join(names)} in {where}" for where, names in names_of.items())
    return "".join(f"{fill(item, '  ')}\n" for item in items)


def _properties(stream: str) -> Iterator[tuple[str, str, Actions]]:
    """Yield each property of a stream with its tag and the action of each mode."""
    tagged = schemas.tagged(stream)["properties"]
    modes = [public_schema(stream, Policy(mode, _ANY_KEY))["properties"] for mode in MODES]
    for name, node in tagged.items():
        kept = modes[0].get(name)
        yield name, node[TAG], tuple(_action(name, mode.get(name), kept) for mode in modes)


def _action(name: str, node: dict[str, Any] | None, kept: dict[str, Any] | None) -> str:
    if node is None:
        return "dropped"
    return "kept" if node == kept or name == EXTRA else "hashed"


def _describe(streams: list[str]) -> str:
    """Return the names of streams as a list, shorter if they are nearly all of a kind."""
    without = [f"`{stream.name}`" for stream in STREAMS if stream.name not in streams]
    if len(without) <= 1:
        return " but ".join(["every stream", *without])
    files = [stream.name for stream in FILE_STREAMS]
    missing = [f"`{name}`" for name in files if name not in streams]
    if len(missing) > 1:
        return ", ".join(f"`{name}`" for name in streams)
    others = [f"`{name}`" for name in streams if name not in files]
    every = " but ".join(["every stream of [files](feeds.md)", *missing])
    return f"{', '.join(others)} and {every}"

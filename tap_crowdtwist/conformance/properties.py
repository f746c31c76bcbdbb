"""Property names and kinds of values in rows, compared with the schema.

A name that is not in the schema may itself be a value, such as an address or a code. It is reported
only if it is at the top level of a row, looks like a name (`[a-z][A-Za-z0-9_]{0,60}`, without five
digits in a row), and was sent for two members, or in two rows of a program stream. All others are
only counted, and so are unknown names inside of objects.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import json_text, schemas
from tap_crowdtwist.records.normalizer import Normalizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.conformance.evidence import StreamEvidence

_NAME = re.compile(r"(?!.*[0-9]{5})[a-z][A-Za-z0-9_]{0,60}", re.ASCII)
_KINDS = {
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
_TEXT_KINDS = {
    "empty text": re.compile(""),
    "text of digits": re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII),
    "text of a date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII | re.DOTALL),
}
_CONVERSION_COUNT = "value that does not fit its type: "
_OPTIONAL = re.compile(
    r"set by the tap|may be missing|inferred|[Oo]nly with|under the name|hash of"
)
"""Wording in the description of a property that need not be sent."""

_TAP_COLUMN = re.compile(r"additional_properties|_sdc_deleted_at|deletion_.*")
_MIN_OCCURRENCES = 2
"""Members, or rows of a program stream, that must have a name before it is reported."""


@dataclass(frozen=True)
class PropertyStats:
    """Properties in the rows of a stream.

    Attributes:
        rows: number of rows.
        kinds: number of values of each kind, by property.
        unknown: the same for properties that are not in the schema and may be reported.
        unnamed: number of all other names.
        inner: number of names inside of objects that are not in the schema.
        unconvertible: number of values that cannot be converted to their type, by path.
        absent: properties of the schema that are in no row.
    """

    rows: int
    kinds: dict[str, Counter[str]]
    unknown: dict[str, Counter[str]]
    unnamed: int
    inner: int
    unconvertible: dict[str, int]
    absent: tuple[str, ...]


def is_name(text: str) -> bool:
    """Return whether a text looks like a property name and not like a value."""
    return _NAME.fullmatch(text) is not None


def min_occurrences(endpoint: Endpoint) -> int:
    """Return in how many responses an unknown name must be before it is reported."""
    return _MIN_OCCURRENCES if endpoint.is_per_member else 1


def property_stats(seen: StreamEvidence) -> PropertyStats:
    """Count names and kinds of values in the rows of a stream."""
    known = schemas.tagged(seen.name)["properties"]
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    owners: defaultdict[str, set[Any]] = defaultdict(set)
    inner: set[tuple[str, str]] = set()
    normalize = Normalizer(seen.name, schemas.tagged(seen.name), ())
    for number, (page, raw) in enumerate(seen.rows):
        row = {seen.stream.aliases.get(name, name): value for name, value in raw.items()}
        # Without members (program streams) each row counts as an owner.
        owner = number if page.position is None else page.position
        for name, value in row.items():
            kinds[name][kind_of(value)] += 1
            owners[name].add(owner)
        documented = {name: value for name, value in row.items() if name in known}
        for name, value in documented.items():
            inner.update((name, each) for each in _unknown_inner_names(known[name], value))
        normalize(documented)
    unknown = sorted(kinds.keys() - known.keys())
    shown = [name for name in unknown if is_name(name) and len(owners[name]) >= _MIN_OCCURRENCES]
    return PropertyStats(
        rows=len(seen.rows),
        kinds={name: kinds[name] for name in sorted(kinds.keys() & known.keys())},
        unknown={name: kinds[name] for name in shown},
        unnamed=len(unknown) - len(shown),
        inner=len(inner),
        unconvertible={
            label.removeprefix(_CONVERSION_COUNT): count
            for label, count in sorted(normalize.counts.items())
            if label.startswith(_CONVERSION_COUNT)
        },
        absent=tuple(sorted(expected_properties(seen.name) - kinds.keys())),
    )


@cache
def expected_properties(stream: str) -> frozenset[str]:
    """Return the properties that the public pages list and every program should send."""
    descriptions = {
        name: node["description"] for name, node in schemas.tagged(stream)["properties"].items()
    }
    return frozenset(
        name
        for name, description in descriptions.items()
        if not _TAP_COLUMN.fullmatch(name) and not _OPTIONAL.search(description)
    )


def kind_of(value: Any) -> str:
    """Return the kind of a value, such as "text of digits"; nothing of the value itself."""
    return _kind_of_text(value.strip()) if isinstance(value, str) else _KINDS[type(value)]


def _kind_of_text(text: str) -> str:
    for kind, pattern in _TEXT_KINDS.items():
        if pattern.fullmatch(text):
            return kind
    if text.startswith(("[", "{")):
        with suppress(ValueError):
            json_text.decode(text)
            return "text of JSON"
    return "text"


def _unknown_inner_names(node: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Yield the names inside of a value that are not in the schema. They may be values."""
    if isinstance(value, list):
        for item in value:
            yield from _unknown_inner_names(node.get("items", {}), item)
    elif isinstance(value, dict):
        known = node.get("properties", {})
        yield from value.keys() - known.keys()
        for name, inner in value.items():
            yield from _unknown_inner_names(known.get(name, {}), inner)

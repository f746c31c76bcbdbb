"""Property names and kinds of values in rows, compared with the schema.

A name that is not in the schema may itself be a value, such as an address or a code. It is reported
only if it is at the top level of a row, looks like a name (`[a-z][A-Za-z0-9_]{0,60}`, without five
digits in a row), and was sent for two members, or in two rows of a program stream. All others are
only counted, and so are unknown names inside of objects.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import json_text, schemas
from tap_crowdtwist.records.normalizer import Normalizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_crowdtwist.conformance.observations import Observation, Row

_NAME = re.compile(r"(?!.*[0-9]{5})[a-z][A-Za-z0-9_]{0,60}", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII | re.DOTALL)
_CONVERSION_COUNT = "value that does not fit its type: "
_OPTIONAL = re.compile(
    r"set by the tap|may be missing|inferred|[Oo]nly with|under the name|hash of"
)
"""Wording in the description of a property that need not be sent."""

_TAP_COLUMNS = frozenset({"additional_properties", "_sdc_deleted_at", "id of the row"})
_MIN_OCCURRENCES = 2
"""Members, or rows of a program stream, that must have a name before it is reported."""


@dataclass
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

    rows: int = 0
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    unnamed: int = 0
    inner: int = 0
    unconvertible: dict[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """Return whether a text looks like a property name and not like a value."""
    return _NAME.fullmatch(text) is not None


def property_stats(
    stream: str, pages: Iterable[Observation], aliases: Mapping[str, str] | None = None
) -> PropertyStats:
    """Count names and kinds of values in the rows of a stream."""
    stats = PropertyStats()
    known = schemas.tagged(stream)["properties"]
    owners: defaultdict[str, set[Any]] = defaultdict(set)
    unknown_kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    inner: set[tuple[str, str]] = set()
    normalize = _normalizer(stream)
    normalize.counts.clear()  # the normalizer is cached, and so are its counts
    for page in pages:
        for row in page.rows:
            stats.rows += 1
            renamed = _renamed(row, aliases or {})
            for name, value in renamed.items():
                if name in known:
                    stats.kinds.setdefault(name, Counter())[kind_of(value)] += 1
                    inner |= {(name, each) for each in _unknown_inner_names(known[name], value)}
                else:
                    unknown_kinds[name][kind_of(value)] += 1
                    # Without members (program streams) each row counts as an owner.
                    owners[name].add(stats.rows if page.member is None else page.member)
            normalize({name: value for name, value in renamed.items() if name in known})
    for name, kinds in sorted(unknown_kinds.items()):
        if is_name(name) and len(owners[name]) >= _MIN_OCCURRENCES:
            stats.unknown[name] = kinds
        else:
            stats.unnamed += 1
    stats.inner = len(inner)
    stats.kinds = dict(sorted(stats.kinds.items()))
    stats.unconvertible = {
        label.removeprefix(_CONVERSION_COUNT): count
        for label, count in sorted(normalize.counts.items())
        if label.startswith(_CONVERSION_COUNT)
    }
    stats.absent = tuple(sorted(expected_properties(stream) - stats.kinds.keys()))
    return stats


def _renamed(row: Row, aliases: Mapping[str, str]) -> Row:
    return {aliases.get(name, name): value for name, value in row.items()}


@cache
def _normalizer(stream: str) -> Normalizer:
    return Normalizer(stream, schemas.tagged(stream), ())


@cache
def expected_properties(stream: str) -> frozenset[str]:
    """Return the properties that the public pages list and every program should send."""
    return frozenset(
        name
        for name, node in schemas.tagged(stream)["properties"].items()
        if name not in _TAP_COLUMNS
        and not name.startswith("deletion_")
        and not _OPTIONAL.search(node["description"])
    )


def kind_of(value: Any) -> str:
    """Return the kind of a value, such as "text of digits"; nothing of the value itself."""
    if isinstance(value, str):
        return _kind_of_text(value)
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _kind_of_text(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        return "empty text"
    if _DIGITS.fullmatch(stripped):
        return "text of digits"
    if _DATE.fullmatch(stripped):
        return "text of a date"
    if stripped[0] in "[{":
        try:
            json_text.decode(stripped)
        except ValueError:
            return "text"
        return "text of JSON"
    return "text"


def _unknown_inner_names(node: Mapping[str, Any], value: Any) -> set[str]:
    """Return the names inside of a value that are not in the schema. They may be values."""
    if isinstance(value, list):
        items = node.get("items") or {}
        return {name for item in value for name in _unknown_inner_names(items, item)}
    if not isinstance(value, dict):
        return set()
    known = node.get("properties") or {}
    names = {name for name in value if name not in known}
    for name, inner in value.items():
        names |= _unknown_inner_names(known.get(name, {}), inner)
    return names

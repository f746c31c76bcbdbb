"""Names and forms of the properties that came, beside those of the schema.

A name that no schema knows may itself be a value: a form of address, a code, a number. It is named
only if it stands at the top of a documented object, looks like a name (`[a-z][A-Za-z0-9_]{0,60}`,
without five digits in a row), and came for two members at least, or in two rows of a catalog.
All others are counted, and so are the members of open objects.
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

    from tap_crowdtwist.conformance.looks import Look, Row

_NAME = re.compile(r"(?!.*[0-9]{5})[a-z][A-Za-z0-9_]{0,60}", re.ASCII)
_DIGITS = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII | re.DOTALL)
_MISFIT = "value that does not fit its type: "
_OPTIONAL = re.compile(
    r"set by the tap|may be missing|inferred|[Oo]nly with|under the name|hash of"
)
"""What the description of a property says if it need not come."""

_OWN = frozenset({"additional_properties", "_sdc_deleted_at", "id of the row"})
_MEMBERS = 2
"""Members, or rows of a catalog, in which a name has to come before it is taken for one."""


@dataclass
class Columns:
    """What came under the names of one stream.

    Attributes:
        rows: how many rows there were.
        forms: how often each property came in each form, by its name.
        unknown: the same for properties that the schema does not know and that may be named.
        unnamed: how many other names there were.
        inner: how many names there were inside of objects, open ones and unknown ones.
        misfits: values that do not fit the type of their column, by path.
        absent: properties of the schema that came in no row.
    """

    rows: int = 0
    forms: dict[str, Counter[str]] = field(default_factory=dict)
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    unnamed: int = 0
    inner: int = 0
    misfits: dict[str, int] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """Return whether a text looks like the name of a property, and like no value."""
    return _NAME.fullmatch(text) is not None


def columns_of(
    stream: str, looks: Iterable[Look], aliases: Mapping[str, str] | None = None
) -> Columns:
    """Count names and forms in the rows of a stream."""
    found = Columns()
    known = schemas.tagged(stream)["properties"]
    owners: defaultdict[str, set[Any]] = defaultdict(set)
    strangers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    inner: set[tuple[str, str]] = set()
    normalise = _normaliser(stream)
    normalise.counts.clear()
    for look in looks:
        for row in look.rows:
            found.rows += 1
            renamed = _renamed(row, aliases or {})
            for name, value in renamed.items():
                if name in known:
                    found.forms.setdefault(name, Counter())[form_of(value)] += 1
                    inner |= {(name, each) for each in _strange_members(known[name], value)}
                else:
                    strangers[name][form_of(value)] += 1
                    owners[name].add(found.rows if look.member is None else look.member)
            normalise({name: value for name, value in renamed.items() if name in known})
    for name, forms in sorted(strangers.items()):
        if is_name(name) and len(owners[name]) >= _MEMBERS:
            found.unknown[name] = forms
        else:
            found.unnamed += 1
    found.inner = len(inner)
    found.forms = dict(sorted(found.forms.items()))
    found.misfits = {
        what.removeprefix(_MISFIT): count
        for what, count in sorted(normalise.counts.items())
        if what.startswith(_MISFIT)
    }
    found.absent = tuple(sorted(expected(stream) - found.forms.keys()))
    return found


def _renamed(row: Row, aliases: Mapping[str, str]) -> Row:
    return {aliases.get(name, name): value for name, value in row.items()}


@cache
def _normaliser(stream: str) -> Normalizer:
    return Normalizer(stream, schemas.tagged(stream), ())


@cache
def expected(stream: str) -> frozenset[str]:
    """Return the properties that the pages name, without those that need not come."""
    return frozenset(
        name
        for name, node in schemas.tagged(stream)["properties"].items()
        if name not in _OWN
        and not name.startswith("deletion_")
        and not _OPTIONAL.search(node["description"])
    )


def form_of(value: Any) -> str:
    """Return the kind of a value in a few words, which hold nothing of it."""
    if isinstance(value, str):
        return _form_of_text(value)
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _form_of_text(text: str) -> str:
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


def _strange_members(node: Mapping[str, Any], value: Any) -> set[str]:
    """Return the names inside of a value that the schema does not know, to be counted only."""
    if isinstance(value, list):
        items = node.get("items") or {}
        return {name for item in value for name in _strange_members(items, item)}
    if not isinstance(value, dict):
        return set()
    known = node.get("properties") or {}
    found = {name for name in value if name not in known}
    for name, member in value.items():
        found |= _strange_members(known.get(name, {}), member)
    return found

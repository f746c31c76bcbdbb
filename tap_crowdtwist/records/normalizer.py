"""Conversion of raw rows to records: types, unknown properties and sensitive values.

A property that is not in the schema is kept in `additional_properties`. A value that does not fit
its type is null in its column and kept unconverted in `additional_properties`. Neither fails the
row; both are counted, and the first of each kind is logged. `privacy` decides what is emitted and
how: for known properties by their tag, for others by their name. Text that contains a withheld name
and cannot be parsed is masked, counted and logged too.

Live Push truncates JSON texts, and sends some that are not JSON. Such a text in place of an open
object is kept like any value that does not fit, but only counted, for the end of the run, because
it is expected.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist import json_text, schemas
from tap_crowdtwist.privacy import policy as policies
from tap_crowdtwist.privacy.policy import EXTRA
from tap_crowdtwist.records.converters import Breadcrumb, ConverterCompiler
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

logger = logging.getLogger(__name__)

Row = dict[str, Any]

UNKNOWN = "unknown property"
UNFIT_VALUE = "value that does not fit its type"
"""Problems by which `Normalizer.counts_of` counts."""


class _UnknownProperty(NamedTuple):
    """The decisions about an unknown property, made when it first appears.

    Attributes:
        counter: the name under which it is counted.
        is_allowed: whether it may be emitted.
        remove: removes the credentials in it.
    """

    counter: str
    is_allowed: bool
    remove: Callable[[Any], Any]


class Normalizer:
    """Converter from the raw rows of one stream to records.

    Args:
        stream: the stream's name, for log lines.
        schema: its JSON Schema in the catalog.
        keys: its key properties.
        selected: returns whether the property at a breadcrumb is selected.
        policy: what happens to sensitive properties.
        aliases: other names under which the API sends a property.
        text_counts: counts, by property, the texts in place of an open object that are not JSON; if
            not given, they are logged like any value that does not fit.
    """

    def __init__(
        self,
        stream: str,
        schema: Mapping[str, Any],
        keys: Iterable[str],
        *,
        selected: Callable[[Breadcrumb], bool] = lambda _: True,
        policy: policies.Policy = policies.KEEP,
        aliases: Mapping[str, str] = {},
        text_counts: dict[str, int] | None = None,
    ) -> None:
        self._stream = stream
        self._schema = schema
        self._keys = tuple(keys)
        self._selected = selected
        self._unknown_properties: dict[str, _UnknownProperty] = {}
        self.counts: Counter[str] = Counter()
        # All decisions that depend on schema, selection and policy are made here, once per stream.
        # Made per row, they would cost more than the conversion itself.
        compiler = ConverterCompiler(stream, self._keys, selected, policy, self._count)
        columns = compiler.compile_members(schema, ())
        self._compiler = compiler
        self._is_withheld = compiler.is_withheld
        self._conversion_errors = compiler.conversion_errors
        self._aliases = aliases
        self._texts = text_counts
        nodes = schema["properties"]
        self._open_objects = {name for name in columns if schemas.is_open_object(nodes[name])}
        # Known properties without a column: deselected, or withheld by the policy. They must not be
        # taken for unknown ones and reappear in `additional_properties`.
        self._ignored = compiler.tagged["properties"].keys() - columns.keys()
        self._ignored |= nodes.keys() - columns.keys()
        self._ignored |= {alias for alias, name in aliases.items() if name in self._ignored}
        # Copied for each record, so that every record has all columns in the same order.
        self._blank = dict.fromkeys(columns)
        self._has_extra = columns.pop(EXTRA, None) is not None
        # Hashing and dropping need a typed value, so under them the raw value is withheld.
        self._keeps_raw = self._has_extra and policy.mode == "keep"
        self._converters = columns

    def counts_of(self, problem: str) -> dict[str, int]:
        """Return how often a problem occurred, by property."""
        prefix = f"{problem}: "
        return {
            counter.removeprefix(prefix): count
            for counter, count in self.counts.items()
            if counter.startswith(prefix)
        }

    def __call__(self, row: Row) -> Row | None:
        """Return the record of a row, or None if the row lacks a value for its key."""
        record: Row = self._blank.copy()
        extra: Row = {}
        converters = self._converters
        if self._aliases:
            row = self._rename_aliases(row)
        for name, value in row.items():
            convert = converters.get(name)
            if convert is None:
                if name not in self._ignored:
                    self._keep_unknown(name, value, extra)
            elif value is not None:
                try:
                    record[name] = convert(value)
                except ConversionError:
                    self._conversion_errors.append(name)
                if self._conversion_errors:
                    self._keep_unconverted(name, value, extra)
        if extra:
            record[EXTRA] = extra
        blank_keys = [key for key in self._keys if record[key] in {None, ""}]
        if blank_keys:
            self._count("row without a value for its key", blank_keys[0])
            return None
        return record

    def _rename_aliases(self, row: Row) -> Row:
        for alias, name in self._aliases.items():
            if alias in row and row.get(name) is None:
                row = {**row, name: row[alias]}
                del row[alias]
        return row

    def _keep_unknown(self, name: str, value: Any, extra: Row) -> None:
        """Count an unknown property, and add it to `extra` if it may be emitted."""
        # An API that adds a property sends it in every row, so its name is examined only once.
        unknown = self._unknown_properties.get(name)
        if unknown is None:
            is_allowed = self._has_extra and self._compiler.is_allowed(name)
            self._count(UNKNOWN, name, _outcome(is_kept=is_allowed))
            unknown = _UnknownProperty(
                f"{UNKNOWN}: {name}", is_allowed, self._compiler.remover(name)
            )
            self._unknown_properties[name] = unknown
        else:
            self.counts[unknown.counter] += 1
        if unknown.is_allowed:
            extra[name] = unknown.remove(value)

    def _keep_unconverted(self, name: str, value: Any, extra: Row) -> None:
        """Count what does not fit its type, and add the raw value to `extra` if policy allows."""
        if self._texts is not None and name in self._open_objects and isinstance(value, str):
            self._texts[name] = self._texts.get(name, 0) + 1
        else:
            outcome = _outcome(is_kept=self._keeps_raw)
            for path in self._conversion_errors:
                self._count(UNFIT_VALUE, path, outcome)
        self._conversion_errors.clear()
        if self._keeps_raw:
            node = self._schema["properties"][name]
            extra[name] = self._clean_raw(value, node, ("properties", name))

    def _count(self, problem: str, path: str, outcome: str = "") -> None:
        """Count a problem, and log the first one of its kind and property."""
        counter = f"{problem}: {path}"
        is_first = not self.counts[counter]
        self.counts[counter] += 1
        if is_first:
            message = "%s: %s: `%s`%s (further ones not logged)"
            logger.warning(message, self._stream, problem, path, outcome)

    def _clean_raw(self, value: Any, node: Mapping[str, Any], at: Breadcrumb) -> Any:
        """Return a copy of a raw value, without members that are deselected or withheld by name."""
        if isinstance(value, list):
            items = node.get("items", {})
            return [self._clean_raw(item, items, (*at, "items")) for item in value]
        members = node.get("properties", {})
        if members and isinstance(value, str):
            with suppress(ValueError):
                value = json_text.decode(value)
        if not members or not isinstance(value, dict):
            return self._compiler.remover(*at)(value)
        return {
            name: self._clean_raw(member, members.get(name, {}), (*at, "properties", name))
            for name, member in value.items()
            if self._may_emit(name, members, at)
        }

    def _may_emit(self, name: str, members: Mapping[str, Any], at: Breadcrumb) -> bool:
        """Return whether a member of an object that does not fit is selected or allowed."""
        if name in members:
            return self._selected((*at, "properties", name))
        return not self._is_withheld(name)


def _outcome(*, is_kept: bool) -> str:
    """Return the end of a log line about a value without a column of its own."""
    return ", kept in `additional_properties`" if is_kept else ", withheld"

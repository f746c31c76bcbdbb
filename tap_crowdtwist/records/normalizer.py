"""Raw row -> record: types, unknown properties, sensitivity. Compiled once per stream.

A property that the schema does not know is kept in `additional_properties`; a value that does not
fit its type is null in its column and kept raw there. Neither fails a row, both are counted, and
each is warned about once. What may leave, and how, is decided by `privacy`: for known properties
by their tag, for others by their name. Text that holds a withheld name and cannot be taken apart is
masked, counted and warned about too.

Live Push cuts JSON texts, and sends some that are none. There, such a text in place of an open
object is kept raw like any misfit, but only counted, for the end of the run: it is expected.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import json_text, schemas
from tap_crowdtwist.privacy import policy as policies
from tap_crowdtwist.privacy.log_redaction import REDACTOR
from tap_crowdtwist.privacy.policy import EXTRA, Action
from tap_crowdtwist.privacy.sanitize import remove_credentials
from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Converter = Callable[[Any], Any]
Breadcrumb = tuple[str, ...]


def _text(value: Any) -> str:
    return REDACTOR.in_record(values.text(value))


_SCALARS: dict[tuple[str, str | None], Converter] = {
    ("integer", None): values.integer,
    ("number", None): values.number,
    ("boolean", None): values.boolean,
    ("string", None): _text,
    ("string", "date-time"): timestamps.normalize_timestamp,
    ("string", "date"): timestamps.normalize_date,
}


_UNTAGGED: dict[str, Any] = {"properties": {}}


class Normalizer:
    """Makes records of one stream out of raw rows.

    Args:
        stream: the stream's name, for warnings.
        schema: its JSON Schema, as the catalog has it.
        keys: its key properties.
        selected: tells whether the property at a breadcrumb is wanted.
        policy: what becomes of sensitive properties.
        aliases: other names under which the API sends a property.
        texts: counts, by property, the texts that stand where an open object should and are none;
            if not given, they are warned about like any value that does not fit.
    """

    def __init__(
        self,
        stream: str,
        schema: Mapping[str, Any],
        keys: Iterable[str],
        *,
        selected: Callable[[Breadcrumb], bool] = lambda _: True,
        policy: policies.Policy = policies.KEEP,
        aliases: Mapping[str, str] | None = None,
        texts: dict[str, int] | None = None,
    ) -> None:
        self._stream = stream
        self._schema = schema
        self._keys = tuple(keys)
        self._selected = selected
        self._policy = policy
        guarded = not policy.spendable and policies.has_spendable(stream)
        self._forbidden = (
            policies.is_withheld_or_spendable_name if guarded else policies.is_withheld_name
        )
        self._unknown = policy.allows(stream, EXTRA)
        self._tagged = schemas.tagged(stream) if stream in schemas.names() else _UNTAGGED
        self._conversion_errors: list[str] = []
        self._unknown_properties: dict[str, tuple[str, bool, Callable[[], None]]] = {}
        self.counts: Counter[str] = Counter()
        columns = self._members(schema, ())
        self._aliases = dict(aliases or {})
        self._texts = texts
        self._objects = {name for name in columns if _is_open(schema["properties"][name])}
        self._ignored = self._tagged["properties"].keys() - columns.keys()
        self._ignored |= schema["properties"].keys() - columns.keys()
        self._ignored |= {alias for alias, name in self._aliases.items() if name in self._ignored}
        self._blank = dict.fromkeys(columns)
        self._extra = columns.pop(EXTRA, None) is not None
        self._columns = columns

    def __call__(self, row: Row) -> Row | None:
        """Make a record, or return None where the row lacks a value for its key."""
        record: Row = self._blank.copy()
        extra: Row = {}
        columns = self._columns
        if self._aliases:
            row = self._renamed(row)
        for name, value in row.items():
            convert = columns.get(name)
            if convert is None:
                if name not in self._ignored:
                    self._unknown_property(name, value, extra)
            elif value is not None:
                try:
                    record[name] = convert(value)
                except ConversionError:
                    self._conversion_errors.append(name)
                if self._conversion_errors:
                    self._conversion_failed(name, value, extra)
        if self._extra and extra:
            record[EXTRA] = extra
        lacking = next((key for key in self._keys if record[key] in {None, ""}), None)
        if lacking is not None:
            self._note("row without a value for its key", lacking)
            return None
        return record

    def _renamed(self, row: Row) -> Row:
        for alias, name in self._aliases.items():
            if alias in row and row.get(name) is None:
                others = {n: value for n, value in row.items() if n not in {alias, name}}
                row = {**others, name: row[alias]}
        return row

    def _unknown_property(self, name: str, value: Any, extra: Row) -> None:
        stranger = self._unknown_properties.get(name)
        if stranger is None:
            leaves = self._may_leave(name)
            self._note("unknown property", name, self._action(leaves=leaves))
            stranger = f"unknown property: {name}", leaves, self._masked(name)
            self._unknown_properties[name] = stranger
        else:
            self.counts[stranger[0]] += 1
        if stranger[1]:
            extra[name] = remove_credentials(value, self._forbidden, stranger[2])

    def _may_leave(self, name: str) -> bool:
        """Tell whether a property that no schema knows may leave."""
        return self._unknown and not self._forbidden(name)

    def _masked(self, *path: str) -> Callable[[], None]:
        """Return what notes that a text of a property was replaced by the mask."""
        return partial(self._note, "masked text with a withheld name", _dotted(path))

    def _open(self, at: Breadcrumb) -> Converter:
        masked = self._masked(*at)
        return lambda value: remove_credentials(values.open_object(value), self._forbidden, masked)

    def _conversion_failed(self, name: str, value: Any, extra: Row) -> None:
        """Count what does not fit, and keep it raw, unless it is sensitive and not to be kept."""
        kept = self._policy.mode == "keep"
        if self._texts is not None and name in self._objects and isinstance(value, str):
            self._texts[name] = self._texts.get(name, 0) + 1
        else:
            for path in self._conversion_errors:
                self._note("value that does not fit its type", path, self._action(leaves=kept))
        self._conversion_errors.clear()
        if kept:
            node = self._schema["properties"][name]
            extra[name] = self._raw(value, node, ("properties", name))

    def _action(self, *, leaves: bool) -> str:
        """Say whether what has no column of its own is in the output."""
        return ", kept in `additional_properties`" if leaves and self._extra else ", withheld"

    def _note(self, what: str, path: str, action: str = "") -> None:
        first = not self.counts[f"{what}: {path}"]
        self.counts[f"{what}: {path}"] += 1
        if first:
            said = "%s: %s: `%s`%s (further ones not logged)"
            logger.warning(said, self._stream, what, path, action)

    def _raw(self, value: Any, node: Mapping[str, Any], at: Breadcrumb) -> Any:
        """Copy a value that does not fit, without what is deselected or a credential by name."""
        members = node.get("properties")
        if members and isinstance(value, str):
            with suppress(ValueError):
                value = json_text.decode(value)
        if members and isinstance(value, dict):
            return {
                name: self._raw(member, members.get(name, {}), (*at, "properties", name))
                for name, member in value.items()
                if (
                    self._selected((*at, "properties", name))
                    if name in members
                    else not self._forbidden(name)
                )
            }
        if isinstance(value, list):
            items = node.get("items") or {}
            return [self._raw(item, items, (*at, "items")) for item in value]
        return remove_credentials(value, self._forbidden, self._masked(*at))

    def _members(self, schema: Mapping[str, Any], at: Breadcrumb) -> dict[str, Converter]:
        return {
            name: self._guard(name, node, (*at, "properties", name))
            for name, node in schema["properties"].items()
            if self._selected((*at, "properties", name))
        }

    def _guard(self, name: str, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        """Give the converter of a property, which hashes if the policy wants it hashed."""
        own = _at(self._tagged, at)
        if own is None and self._tagged["properties"]:
            own = policies.unknown(name, node)
        is_key = len(at) == len(("properties", name)) and name in self._keys
        if own is not None:
            action = self._policy.action(self._stream, name, own, is_key=is_key)
            if action is Action.HASH and "items" in own:
                item = self._converter(own["items"], (*at, "items"))
                return self._array(policies.hasher(self._policy, item), at)
            if action is Action.HASH:
                return policies.hasher(self._policy, self._converter(own, at))
        return self._converter(node, at)

    def _converter(self, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        declared = node.get("type", ())
        kinds = [declared] if isinstance(declared, str) else [k for k in declared if k != "null"]
        kind = kinds[0] if len(kinds) == 1 else None
        if kind == "array":
            return self._array(self._converter(node.get("items") or {}, (*at, "items")), at)
        if kind == "object":
            return self._object(node, at) if node.get("properties") else self._open(at)
        if kind is None:
            return partial(remove_credentials, forbidden=self._forbidden, masked=self._masked(*at))
        return _SCALARS.get((kind, node.get("format"))) or _SCALARS[kind, None]

    def _object(self, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        columns = self._members(node, at)
        ignored = node["properties"].keys() - columns.keys()

        def convert(value: Any) -> Row | None:
            members = values.open_object(value)
            if members is None:
                return None
            result: Row = dict.fromkeys(columns)
            for name, member in members.items():
                inner = columns.get(name)
                if inner is not None:
                    result[name] = self._nested(inner, member, at, name)
                elif name not in ignored and self._may_leave(name):
                    result[name] = remove_credentials(
                        member, self._forbidden, self._masked(*at, name)
                    )
            return result

        return convert

    def _array(self, item: Converter, at: Breadcrumb) -> Converter:
        def convert(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise ConversionError
            return [self._nested(item, element, at, "[]") for element in value]

        return convert

    def _nested(self, convert: Converter, value: Any, at: Breadcrumb, name: str) -> Any:
        if value is None:
            return None
        try:
            return convert(value)
        except ConversionError:
            self._conversion_errors.append(_dotted((*at, name)))
            return None


def _dotted(at: Breadcrumb) -> str:
    return ".".join(step for step in at if step not in {"properties", "items"})


def _is_open(node: Mapping[str, Any]) -> bool:
    """Tell whether only the program knows what an object holds."""
    return "object" in node.get("type", ()) and not node.get("properties")


def _at(schema: Mapping[str, Any], breadcrumb: Breadcrumb) -> Mapping[str, Any] | None:
    """Give the part of a schema at a breadcrumb, or None where it has none."""
    node: Any = schema
    for step in breadcrumb:
        node = node.get(step)
        if node is None:
            return None
    return node  # type: ignore[no-any-return]

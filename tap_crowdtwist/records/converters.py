"""Converters of properties, compiled from a schema and a policy.

Schema, selection and policy do not change during a run, so each stream compiles them once into one
converter per property. Converting a row then costs one dictionary lookup and one call per value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy import policy as policies
from tap_crowdtwist.privacy.log_redaction import REDACTOR
from tap_crowdtwist.privacy.policy import EXTRA, Action
from tap_crowdtwist.privacy.sanitize import credential_remover
from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


class ConverterCompiler:
    """Compiler of the converters of one stream.

    Args:
        stream: the stream's name.
        keys: its key properties.
        selected: returns whether the property at a breadcrumb is selected.
        policy: what happens to sensitive properties.
        count: counts a problem at a path.
    """

    def __init__(
        self,
        stream: str,
        keys: Iterable[str],
        selected: Callable[[Breadcrumb], bool],
        policy: policies.Policy,
        count: Callable[[str, str], None],
    ) -> None:
        self._stream = stream
        self._keys = {("properties", name) for name in keys}
        self._selected = selected
        self._policy = policy
        self._count = count
        self.is_withheld = policy.withheld_names(stream)
        self._allows_unknown = policy.allows(stream, EXTRA)
        # A catalog carries no tags and may be old, so sensitivity is always looked up in the tap's
        # own schema.
        self.tagged = schemas.tagged(stream)
        # Filled by the nested converters of one value, which cannot raise without losing the
        # members that do fit; emptied after each value.
        self.conversion_errors: list[str] = []

    def compile_members(self, schema: Mapping[str, Any], at: Breadcrumb) -> dict[str, Converter]:
        """Return a converter for each selected member of an object, by name."""
        return {
            name: self._compile_property(name, node, (*at, "properties", name))
            for name, node in schema["properties"].items()
            if self._selected((*at, "properties", name))
        }

    def is_allowed(self, name: str) -> bool:
        """Return whether a property that is not in the schema may be emitted."""
        return self._allows_unknown and not self.is_withheld(name)

    def remover(self, *path: str) -> Converter:
        """Return a function that removes credentials, and counts masked texts of a property."""
        on_mask = partial(self._count, "masked text with a withheld name", dotted(path))
        return credential_remover(self.is_withheld, on_mask)

    def _compile_property(self, name: str, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        """Return the converter of a property; it hashes if the policy says so."""
        tagged = _at(self.tagged, at) or policies.tag_unknown(name, node)
        action = self._policy.action(self._stream, name, tagged, is_key=at in self._keys)
        if action is not Action.HASH:
            return self._compile_type(node, at)
        # A hashed property is a string in the catalog. The value is first converted to the type in
        # the tap's own schema, so that 1 and "1" have the same hash.
        if "items" in tagged:
            item = self._compile_type(tagged["items"], (*at, "items"))
            return self._compile_array(policies.hasher(self._policy, item), at)
        return policies.hasher(self._policy, self._compile_type(tagged, at))

    def _compile_type(self, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        types = schemas.types_of(node)
        if len(types) != 1:  # any type, or several
            return self.remover(*at)
        if types == ["array"]:
            item = self._compile_type(node.get("items", {}), (*at, "items"))
            return self._compile_array(item, at)
        if types == ["object"]:
            return self._compile_object(node, at)
        return _SCALARS.get((types[0], node.get("format")), _SCALARS[types[0], None])

    def _compile_object(self, node: Mapping[str, Any], at: Breadcrumb) -> Converter:
        if schemas.is_open_object(node):
            remove = self.remover(*at)
            return lambda value: remove(values.open_object(value))
        converters = self.compile_members(node, at)
        ignored = node["properties"].keys() - converters.keys()

        def convert(value: Any) -> dict[str, Any] | None:
            members = values.open_object(value)
            if members is None:
                return None
            result: dict[str, Any] = dict.fromkeys(converters)
            for name, member in members.items():
                inner = converters.get(name)
                if inner is not None:
                    result[name] = self._convert_nested(inner, member, at, name)
                elif name not in ignored and self.is_allowed(name):
                    result[name] = self.remover(*at, name)(member)
            return result

        return convert

    def _compile_array(self, item: Converter, at: Breadcrumb) -> Converter:
        def convert(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise ConversionError
            return [self._convert_nested(item, element, at, "[]") for element in value]

        return convert

    def _convert_nested(self, convert: Converter, value: Any, at: Breadcrumb, name: str) -> Any:
        """Return a converted member or item; if it does not fit, record its path and return None.

        So one member that does not fit does not cost the others.
        """
        if value is None:
            return None
        try:
            return convert(value)
        except ConversionError:
            self.conversion_errors.append(dotted((*at, name)))
            return None


def dotted(at: Breadcrumb) -> str:
    """Return the path of a property for log lines: `address.city`."""
    return ".".join(step for step in at if step not in {"properties", "items"})


def _at(schema: Mapping[str, Any], breadcrumb: Breadcrumb) -> Mapping[str, Any]:
    """Return the part of a schema at a breadcrumb; it is empty if there is none."""
    for step in breadcrumb:
        schema = schema.get(step, {})
    return schema

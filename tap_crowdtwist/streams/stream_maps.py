"""Stream maps and flattening: the SDK's, for what is selected, and only into columns of the SCHEMA.

Records are made, and cut down to what may leave, before any map sees them.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import (
    ConfigValidationError,
    MapExpressionError,
    StreamMapConfigError,
)
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.mapper import CustomStreamMap, PluginMapper, RemoveRecordTransform

from tap_crowdtwist import schemas
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.privacy.policy import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers._flattening import FlatteningOptions
    from singer_sdk.mapper import StreamMap
    from singer_sdk.streams import Stream

    from tap_crowdtwist.records.normalizer import Row

SETTING = "stream_maps"
_NOTHING = (None, "__NULL__")
_NO_EXPRESSIONS = frozenset({"__else__", "__key_properties__", "__source__"})


def check(config: Mapping[str, Any]) -> None:
    """Check what can be checked before any stream is there, so that no map is passed over.

    A map of a stream that the tap does not have would do nothing, and what it was to hide or
    filter would leave as it is.

    Raises:
        SettingError: a map is for no stream, or an expression cannot be parsed.
    """
    given = config.get(SETTING)
    maps = given if isinstance(given, dict) else {}
    if any(each.get("__else__") not in _NOTHING for each in (maps, *_definitions(maps).values())):
        # The SDK's declaration of it is no JSON Schema: to check against that crashes.
        raise SettingError(SETTING, "`__else__` can only be null")
    for name, definition in _definitions(maps).items():
        source = _source(name, definition)
        if not fnmatch.filter(schemas.names(), source):
            close = difflib.get_close_matches(source, schemas.names(), n=1)
            hint = f"; did you mean `{close[0]}`?" if close else "; `--discover` lists those it has"
            raise SettingError(SETTING, f"the tap has no stream `{source}`{hint}")
        for target, expression in _expressions(definition).items():
            if not _is_expression(expression):
                raise SettingError(SETTING, f"`{target}` of `{name}` is not a valid expression")


def mapper(config: Mapping[str, Any], logger: logging.Logger) -> PluginMapper:
    """Return the SDK's mapper, which knows no stream yet.

    Raises:
        SettingError: flattening is not told how deep.
    """
    # The SDK logs filters, which may name a member, and at DEBUG one more line for each row.
    logging.getLogger("singer_sdk.mapper").setLevel(logging.WARNING)
    # The SDK cannot read null as "not set", and takes `__else__` out of what it is given.
    own = {name: value for name, value in config.items() if value is not None}
    try:
        return PluginMapper({**own, SETTING: dict(own.get(SETTING, {}))}, logger)
    except ConfigValidationError:
        raise SettingError(
            "flattening_max_depth", "must say how deep, where `flattening_enabled` is true"
        ) from None


def maps_of(mapper: PluginMapper, stream: Stream) -> list[StreamMap]:
    """Return the maps of a stream, made when they are first asked for.

    Only of what is selected, that is. The SDK makes maps for every stream of the catalog, and a
    stream that is not selected has no property there, not even its key (meltano/sdk#1942).

    Raises:
        SettingError: a map cannot be made of the settings.
    """
    name = stream.name
    if name not in mapper.stream_maps:
        schema = get_selected_schema(name, stream.effective_schema, stream.mask)
        try:
            mapper.register_raw_stream_schema(name, schema, stream.primary_keys)
        except MapExpressionError:  # the SDK evaluates aliases of all maps, for each stream
            raise SettingError(SETTING, "an `__alias__` in it is not a valid expression") from None
        except StreamMapConfigError as error:
            raise SettingError(SETTING, str(error)) from None
        except ValueError as error:
            raise SettingError(
                "flattening_separator",
                f"with it, or with `flattening_max_key_length`, two columns of `{name}` get the "
                f"same name ({error})",
            ) from None
        for each in mapper.stream_maps[name]:
            for key in each.transformed_key_properties or ():
                if each.flattening_enabled and key not in each.transformed_schema["properties"]:
                    raise SettingError(
                        "flattening_max_key_length", f"would shorten `{key}`, a key of `{name}`"
                    )
    return mapper.stream_maps[name]


def table_names(stream: Stream) -> set[str]:
    """Return the names under which the records of a stream are sent."""
    return {
        each.stream_alias
        for each in stream.stream_maps
        if not isinstance(each, RemoveRecordTransform)
    }


def apply_maps(stream: Stream, record: Row) -> Iterator[tuple[str, Row]]:
    """Yield what the maps of a stream make of a record: under which name, and the row.

    A row has exactly the columns of its SCHEMA. Flattening by itself leaves a null object a column
    of its own (meltano/sdk#2178).

    Raises:
        SettingError: an expression fails. Neither it nor a value of the record is told.
    """
    first = stream.stream_maps[0]
    if first.flattening_options and first.flattening_enabled:
        record = _without_unknown(record, stream.effective_schema, first.flattening_options)
    for stream_map in stream.stream_maps:
        try:
            row = stream_map.transform(record)
        except Exception as error:
            if isinstance(stream_map, CustomStreamMap):
                raise _failure(stream_map, error, stream.config[SETTING]) from None
            raise
        if row is not None:
            columns = stream_map.transformed_schema["properties"]
            yield stream_map.stream_alias, {name: row.get(name) for name in columns}


def _without_unknown(record: Row, schema: Mapping[str, Any], options: FlatteningOptions) -> Row:
    """Move members that the schema does not know to where unknown properties are kept.

    Else they would become columns that the SCHEMA lacks, or take the place of one that it has.
    """
    unknown: Row = {}

    def keep_known(value: Row, node: Mapping[str, Any], path: tuple[str, ...]) -> Row:
        result = {}
        for name, member in value.items():
            child, at = node["properties"].get(name), (*path, name)
            if child is None:
                unknown[options.separator.join(at)] = member
            elif (
                isinstance(member, dict)
                and child.get("properties")
                and len(at) <= options.max_level
            ):
                result[name] = keep_known(member, child, at)
            else:
                result[name] = member
        return result

    result = keep_known(record, schema, ())
    if unknown and EXTRA in record:
        result[EXTRA] = {**(record[EXTRA] or {}), **unknown}
    return result


def _failure(stream_map: CustomStreamMap, error: Exception, maps: Mapping[str, Any]) -> Exception:
    stream = str(stream_map.stream_name)
    expression = stream_map.expr_evaluator.expr
    names = (
        target
        for name, definition in _definitions(maps).items()
        if fnmatch.fnmatch(stream, _source(name, definition))
        for target, each in _expressions(definition).items()
        if each == expression
    )
    target, what = next(names, "a property"), type(error.__cause__ or error).__name__
    return SettingError(
        SETTING,
        f"`{target}` of `{stream}` fails on a row ({what}); note that any property may be null",
    )


def _definitions(maps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is said of each stream; nothing more than that is said of those to drop."""
    named = {name: each for name, each in maps.items() if name != "__else__"}
    return {name: each if isinstance(each, dict) else {} for name, each in named.items()}


def _source(name: str, definition: Mapping[str, Any]) -> str:
    return str(definition.get("__source__", name))


def _expressions(definition: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: each
        for name, each in definition.items()
        if isinstance(each, str) and each not in _NOTHING and name not in _NO_EXPRESSIONS
    }


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True

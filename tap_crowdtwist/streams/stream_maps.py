"""The SDK's stream maps and flattening, limited to selected streams and to columns of the SCHEMA.

Maps get records to which the privacy policy has been applied, so they can bring nothing back that
the policy removed.
"""

from __future__ import annotations

import ast
import difflib
import fnmatch
import logging
from typing import TYPE_CHECKING, Any, cast

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


def check(config: Mapping[str, Any]) -> None:
    """Check the setting before streams are built.

    The SDK ignores the map of an unknown stream: data that it should hide or filter out would be
    sent unchanged.

    Raises:
        SettingError: a map matches no stream, or an expression cannot be parsed.
    """
    maps = config.get(SETTING)
    if not isinstance(maps, dict):
        return  # not set, or not valid, which the check of the settings says
    definitions = _definitions(maps)
    if any(each.get("__else__") not in _NOTHING for each in (maps, *definitions.values())):
        # The SDK declares `__else__` with an invalid JSON Schema, and crashes when it checks it.
        raise SettingError(SETTING, "`__else__` can only be null")
    for name, definition in definitions.items():
        _check_source(_source(name, definition))
        for target, expression in _expressions(definition).items():
            _check_expression(name, target, expression)


def _check_source(source: str) -> None:
    if fnmatch.filter(schemas.names(), source):
        return
    close = difflib.get_close_matches(source, schemas.names(), n=1)
    hint = f"; did you mean `{close[0]}`?" if close else "; `--discover` lists those it has"
    raise SettingError(SETTING, f"the tap has no stream `{source}`{hint}")


def _check_expression(name: str, target: str, expression: str) -> None:
    try:
        ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        problem = f"`{target}` of `{name}` is not a valid expression"
        raise SettingError(SETTING, problem) from None


def mapper(config: Mapping[str, Any], logger: logging.Logger) -> PluginMapper:
    """Return the SDK's mapper, without any stream yet.

    Raises:
        SettingError: flattening is enabled without a depth.
    """
    # The SDK logs filter expressions, which may contain a member's id, and a DEBUG line per row.
    logging.getLogger("singer_sdk.mapper").setLevel(logging.WARNING)
    # The SDK does not take null for "not set", and removes `__else__` from the dictionary it gets.
    own = {name: value for name, value in config.items() if value is not None}
    try:
        return PluginMapper({**own, SETTING: dict(own.get(SETTING, {}))}, logger)
    except ConfigValidationError:
        raise SettingError(
            "flattening_max_depth", "must be set if `flattening_enabled` is true"
        ) from None


def maps_of(mapper: PluginMapper, stream: Stream) -> list[StreamMap]:
    """Return the maps of a selected stream, and build them at the first call.

    The SDK would build maps for every stream of the catalog. One that is not selected has no
    properties left, not even its key, and that fails (meltano/sdk#1942).

    Raises:
        SettingError: the settings make no valid map.
    """
    name = stream.name
    if name not in mapper.stream_maps:
        _build_maps(mapper, stream)
        for stream_map in mapper.stream_maps[name]:
            _check_keys(stream_map, name)
    return mapper.stream_maps[name]


def _build_maps(mapper: PluginMapper, stream: Stream) -> None:
    name = stream.name
    schema = get_selected_schema(name, stream.effective_schema, stream.mask)
    try:
        mapper.register_raw_stream_schema(name, schema, stream.primary_keys)
    except MapExpressionError:  # the SDK evaluates the aliases of all maps for each stream
        raise SettingError(SETTING, "an `__alias__` in it is not a valid expression") from None
    except StreamMapConfigError as error:
        raise SettingError(SETTING, str(error)) from None
    except ValueError as error:
        raise SettingError(
            "flattening_separator",
            f"with it, or with `flattening_max_key_length`, two columns of `{name}` get the "
            f"same name ({error})",
        ) from None


def _check_keys(stream_map: StreamMap, name: str) -> None:
    keys = stream_map.transformed_key_properties or ()
    missing = sorted(set(keys) - stream_map.transformed_schema["properties"].keys())
    if missing and stream_map.flattening_enabled:
        raise SettingError(
            "flattening_max_key_length", f"would shorten `{missing[0]}`, a key of `{name}`"
        )


def table_names(stream: Stream) -> set[str]:
    """Return the names of the tables that the records of a stream are written to."""
    return {
        each.stream_alias
        for each in stream.stream_maps
        if not isinstance(each, RemoveRecordTransform)
    }


def apply_maps(stream: Stream, record: Row) -> Iterator[tuple[str, Row]]:
    """Yield each mapped row of a record, with the name of its table.

    A row has exactly the columns of its SCHEMA. The SDK's flattening alone would leave a null
    object as an additional column (meltano/sdk#2178).

    Raises:
        SettingError: an expression fails. The message contains neither it nor a value.
    """
    first = stream.stream_maps[0]
    if first.flattening_enabled:
        options = cast("FlatteningOptions", first.flattening_options)
        record = _without_unknown(record, stream.effective_schema, options)
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
    """Move properties of objects that the schema does not know to `additional_properties`.

    Flattened, they would become columns that the SCHEMA lacks, or overwrite one that it has.
    """
    unknown: Row = {}

    def keep_known(value: Row, node: Mapping[str, Any], path: tuple[str, ...]) -> Row:
        result = {}
        for name, member in value.items():
            child, at = node["properties"].get(name), (*path, name)
            if child is None:
                unknown[options.separator.join(at)] = member
                continue
            is_flattened = child.get("properties") and len(at) <= options.max_level
            has_members = is_flattened and isinstance(member, dict)
            result[name] = keep_known(member, child, at) if has_members else member
        return result

    result = keep_known(record, schema, ())
    if unknown and EXTRA in record:
        result[EXTRA] = {**(record[EXTRA] or {}), **unknown}
    return result


def _failure(stream_map: CustomStreamMap, error: Exception, maps: Mapping[str, Any]) -> Exception:
    # The SDK's error names no property: find it by the expression that was evaluated last.
    stream = str(stream_map.stream_name)
    targets: dict[str, str] = {}
    for name, definition in _definitions(maps).items():
        if fnmatch.fnmatch(stream, _source(name, definition)):
            targets |= {each: target for target, each in _expressions(definition).items()}
    target = targets.get(stream_map.expr_evaluator.expr, "a property")
    kind = type(error.__cause__ or error).__name__
    return SettingError(
        SETTING,
        f"`{target}` of `{stream}` fails on a row ({kind}); any property may be null",
    )


def _definitions(maps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the definitions by name of the map; {} for a stream that is to be dropped."""
    return {
        name: each if isinstance(each, dict) else {}
        for name, each in maps.items()
        if name != "__else__"
    }


def _source(name: str, definition: Mapping[str, Any]) -> str:
    return str(definition.get("__source__", name))


def _expressions(definition: Mapping[str, Any]) -> dict[str, str]:
    # `__source__` is the name of a stream. Other operators are expressions, or no text.
    operators_and_columns = {**definition, "__source__": None}
    return {name: each for name, each in operators_and_columns.items() if isinstance(each, str)}

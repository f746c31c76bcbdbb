"""The tap rests on parts of the SDK that it may change without notice: fail if it does.

Private attributes that the tap uses or overrides are looked for in every module that knows the SDK
or a stream, so none can be added without a line here.
"""

# ruff: noqa: SLF001 - private members are what this is about

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.helpers import _util
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.mapper import CustomStreamMap, PluginMapper, SameRecordTransform
from singer_sdk.metrics import Counter, Timer
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from support.harness import process_untouched

import tap_crowdtwist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCES = Path(tap_crowdtwist.__file__).parent

# name: what is called, and how
PRIVATE: dict[str, tuple[Any, str] | None] = {
    "_check_max_record_limit": (Stream._check_max_record_limit, "self, current_record_index"),
    "_handle_termination": (Tap._handle_termination, "self, signum, frame"),
    "_sync_records": (Stream._sync_records, "self, context, *, write_messages"),
    "_validate_config": (Tap._validate_config, "self, *, raise_errors"),
    "_write_activate_version_message": (
        Stream._write_activate_version_message,
        "self, full_table_version",
    ),
    "_config": None,
    "_env_var_config": None,
    "_tap": None,
}
IMPORTED = {
    "singer_sdk.configuration._dict_config.parse_environment_config",
    "singer_sdk.helpers._classproperty.classproperty",
    "singer_sdk.helpers._catalog.get_selected_schema",
    "singer_sdk.helpers._flattening.FlatteningOptions",
    "singer_sdk.helpers._util.load_json",
    "singer_sdk.plugin_base._ConfigInput",
}

PUBLIC: dict[str, tuple[Callable[..., Any], str]] = {
    "append_builtin_config": (Tap.append_builtin_config, "config_jsonschema"),
    "format_message": (GenericSingerWriter.format_message, "self, message"),
    "get_batch_config": (Stream.get_batch_config, "self, config"),
    "get_records": (Stream.get_records, "self, context"),
    "get_selected_schema": (get_selected_schema, "stream_name, schema, mask"),
    "get_replication_key_signpost": (Stream.get_replication_key_signpost, "self, context"),
    "invoke": (Tap.invoke, "*, about, about_format, config, state, catalog"),
    "load_json": (_util.load_json, "json_str, kwargs"),
    "print_version": (Tap.print_version, "print_fn"),
    "register_raw_stream_schema": (
        PluginMapper.register_raw_stream_schema,
        "self, stream_name, schema, key_properties",
    ),
    "setup_mapper": (Tap.setup_mapper, "self"),
    "transform": (CustomStreamMap.transform, "self, record"),
    "write_message": (Tap.write_message, "self, message"),
}


class PlainTap(Tap):
    """A tap that is the SDK's and nothing else."""

    name = "tap-plain"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}

    def discover_streams(self) -> list[Stream]:
        return [PlainStream(self)]


class PlainStream(Stream):
    """A stream that is the SDK's and nothing else."""

    name = "plain"
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}  # noqa: RUF012 - as the SDK has it

    def get_records(self, context: Any) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        yield {"id": 1}


@pytest.fixture
def tap() -> Iterator[PlainTap]:
    with process_untouched():
        yield PlainTap(config={})


def private_names() -> set[str]:
    """Names with one underscore before them that the tap reads, calls or defines."""
    found: set[str] = set()
    for node in nodes():
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def nodes() -> Iterator[ast.AST]:
    for file in SOURCES.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "singer_sdk" in text or file.parent.name == "streams":
            yield from ast.walk(ast.parse(text))


def spelled(function: Callable[..., Any]) -> str:
    """The names of a function's parameters, with a star before those that need their name."""
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        names.append(parameter.name)
    return ", ".join(names)


def test_every_private_attribute_that_the_tap_uses_is_listed_here(tap: PlainTap) -> None:
    of_sdk = {
        name for owner in (tap, tap.streams["plain"], tap.message_writer) for name in dir(owner)
    }
    assert private_names() & of_sdk == set(PRIVATE)


def test_every_private_import_from_the_sdk_is_listed_here() -> None:
    imported = {
        f"{node.module}.{alias.name}"
        for node in nodes()
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk")
        for alias in node.names
    }
    assert {name for name in imported if "._" in name} == IMPORTED


@pytest.mark.parametrize("name", [name for name, how in PRIVATE.items() if how])
def test_private_methods_are_called_as_before(name: str) -> None:
    how = PRIVATE[name]
    assert how is not None
    assert spelled(how[0]) == how[1]


@pytest.mark.parametrize("name", PUBLIC)
def test_methods_that_the_tap_overrides_or_calls_are_called_as_before(name: str) -> None:
    function, parameters = PUBLIC[name]
    assert spelled(function) == parameters


def test_the_tap_keeps_its_settings_where_we_fill_in_defaults(tap: PlainTap) -> None:
    tap._config["later"] = 1
    assert tap.config["later"] == 1


def test_the_environment_is_read_where_we_leave_out_what_is_blank() -> None:
    class Subject(PlainTap):
        _env_var_config: ClassVar[dict[str, Any]] = {"later": 1}

    with process_untouched():
        assert Subject(config={}, parse_env_config=True).config["later"] == 1


def test_settings_are_validated_while_the_tap_is_made() -> None:
    class Curious(PlainTap):
        def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
            seen.append((dict(self._config), raise_errors))
            return []

    seen: list[Any] = []
    with process_untouched():
        Curious(config={"a": 1})
        Curious(config={"b": 1}, validate_config=False)
    assert seen == [({"a": 1}, True), ({"b": 1}, False)]


def test_the_sdk_has_no_attribute_for_the_keys_by_which_a_stream_can_be_replicated(
    tap: PlainTap,
) -> None:
    assert not hasattr(tap.streams["plain"], "valid_replication_keys")


def test_a_stream_knows_its_tap_and_shares_its_state(tap: PlainTap) -> None:
    stream = tap.streams["plain"]
    assert stream._tap is tap
    stream.stream_state["sweep"] = {}
    assert tap.state == stream.tap_state == {"bookmarks": {"plain": {"sweep": {}}}}


def test_a_sync_writes_one_schema_and_runs_our_loop(
    tap: PlainTap, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    tap.sync_all()
    kinds = [line.split(b'"')[3] for line in capfdbinary.readouterr().out.splitlines()]
    assert kinds[0] == b"SCHEMA"
    assert kinds.count(b"SCHEMA") == 1


def test_a_record_message_is_stream_record_version_and_instant() -> None:
    assert spelled(RecordMessage).startswith("stream, record, version, time_extracted")


def test_a_stream_without_maps_transforms_nothing(tap: PlainTap) -> None:
    (only,) = tap.streams["plain"].stream_maps
    assert type(only) is SameRecordTransform
    assert not only.flattening_enabled
    assert only.flattening_options is not None
    assert only.flattening_options.max_level == -1
    assert only.flattening_options.separator == "__"


def test_a_map_remembers_the_expression_that_it_evaluated_last(tap: PlainTap) -> None:
    mapper = PluginMapper({"stream_maps": {"plain": {"x": "id", "y": "id + 1"}}}, tap.logger)
    mapper.register_raw_stream_schema("plain", PlainStream.schema, ["id"])
    (only,) = mapper.stream_maps["plain"]
    assert isinstance(only, CustomStreamMap)
    assert only.transform({"id": 1}) == {"id": 1, "x": 1, "y": 2}
    assert (only.stream_name, only.expr_evaluator.expr) == ("plain", "id + 1")


def test_selection_is_a_mask_by_breadcrumb(tap: PlainTap) -> None:
    assert tap.streams["plain"].mask["properties", "id"] is True


def test_metrics_are_contexts(tap: PlainTap) -> None:
    stream = tap.streams["plain"]
    assert isinstance(stream.get_record_counter(), Counter)
    assert isinstance(stream.get_sync_timer(), Timer)


def test_a_dry_run_limits_records_by_an_attribute(tap: PlainTap) -> None:
    stream = tap.streams["plain"]
    stream.ABORT_AT_RECORD_COUNT = 1
    stream._check_max_record_limit(0)
    with pytest.raises(Exception, match="FULL_TABLE"):
        stream._check_max_record_limit(1)


def test_the_command_line_gives_a_config_and_whether_to_read_the_environment() -> None:
    assert {"config", "parse_env"} == set(get_type_hints(_ConfigInput))

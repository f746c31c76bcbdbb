"""Stream maps and flattening work with whatever is selected, and write only what the SCHEMA has."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from singer_sdk.singerlib import RecordMessage, SchemaMessage
from support.harness import (
    OFF_BY_DEFAULT,
    PRESENT,
    STREAMS,
    entry_of,
    process_untouched,
    queries,
    run_cli,
    run_tap,
    select,
    tap_at,
)

from tap_crowdtwist import schemas
from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.privacy.policy import EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from crowdtwist_sandbox import Sandbox
    from tap_crowdtwist.tap import TapCrowdTwist

Row = dict[str, Any]
Node = dict[str, Any]

ADA = 1000003
ON = sorted(set(STREAMS) - set(OFF_BY_DEFAULT))
LEAK = "CANARY"
NEW = ("brand_new", "x", "current_level__title")
"""Names that no schema knows; the last one comes out like a column of the schema."""

FORBIDDEN = ("api_token", "password", "loyaltyPin")


class Collector:
    """Keeps the messages of a tap in place of writing them."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def write_message(self, message: Any) -> None:
        self.messages.append(message)


@cache
def flattening(depth: int, separator: str, longest: int = 255) -> tuple[TapCrowdTwist, Collector]:
    """A tap that flattens every stream there is."""
    collector = Collector()
    paths = dict.fromkeys(FEED_PATHS, "/nowhere")
    config = {
        "api_key": "a key that is long enough",
        "client_id": "512",
        "flattening_enabled": True,
        "flattening_max_depth": depth,
        "flattening_separator": separator,
        "flattening_max_key_length": longest,
        **paths,
    }
    catalog = select(*schemas.names(), paths=paths)
    with process_untouched():
        tap = tap_at(PRESENT)(config=config, catalog=catalog, message_writer=collector)
    return tap, collector


WILD: SearchStrategy[Any] = (
    st.none()
    | st.sampled_from([True, 1.5, "{", '{"a": 1}'])
    | st.recursive(
        st.none() | st.integers(-9, 9),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
        ),
        max_leaves=3,
    )
)
FITTING: dict[str, Any] = {"integer": 7, "number": 1.5, "boolean": True, "string": "text"}
STRANGE = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(NEW, WILD), **dict.fromkeys(FORBIDDEN, st.just(LEAK))}
)
FORMS = ((1, "__"), (2, "."), (10, "_"), (10, "__"), (10, "__", 30))


def kind_of(node: Node) -> str:
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    return next(str(kind) for kind in kinds if kind != "null")


def fitting(node: Node) -> Any:
    return 1773100000 if node.get("format") else FITTING[kind_of(node)]


def values(node: Node) -> SearchStrategy[Any]:
    """Values of a property as they may come: fitting, null, of any other shape, or with more."""
    kind = kind_of(node)
    if kind == "array":
        return st.lists(values(node["items"]), max_size=2) | WILD
    if kind != "object":
        return st.just(fitting(node)) | WILD
    members = {name: values(child) for name, child in node.get("properties", {}).items()}
    known = st.fixed_dictionaries({}, optional=members)
    whole = st.builds(lambda a, b: a | b, known, STRANGE)
    return whole | whole | WILD if members else whole | WILD


@cache
def rows(stream: str) -> SearchStrategy[Row]:
    """Raw rows of a stream: its key, all objects and lists, and a few of its other properties."""
    schema = flattening(1, "__")[0].streams[stream].schema
    nodes = schema["properties"]
    keys = {name: st.just(fitting(nodes[name])) for name in schema["required"]}
    plain = [name for name in nodes if name not in keys and kind_of(nodes[name]) in FITTING]
    nested = {n: values(node) for n, node in nodes.items() if kind_of(node) not in FITTING}
    objects = {n: nested.pop(n) for n, node in nodes.items() if node.get("properties")}
    return st.builds(
        lambda *parts: {name: value for part in parts for name, value in part.items()},
        st.dictionaries(st.sampled_from(plain), WILD, max_size=3) if plain else st.just({}),
        st.fixed_dictionaries(objects, optional=nested),
        STRANGE,
        st.fixed_dictionaries(keys),
    )


@settings(max_examples=250, deadline=None)
@given(data=st.data(), stream=st.sampled_from(schemas.names()), form=st.sampled_from(FORMS))
def test_flattened_records_have_the_columns_of_the_schema_and_no_others(
    data: st.DataObject, stream: str, form: tuple[Any, ...]
) -> None:
    tap, collector = flattening(*form)
    collector.messages.clear()
    row = data.draw(rows(stream))
    source: Any = tap.streams[stream]
    source._write_schema_message()  # noqa: SLF001 - what a sync writes first
    (record,) = source._write([row], PRESENT, write=True)  # noqa: SLF001 - and then

    schema, sent = collector.messages
    assert isinstance(schema, SchemaMessage)
    assert isinstance(sent, RecordMessage)
    flat = sent.record
    assert set(flat) == set(schema.schema["properties"])
    Draft202012Validator(schema.schema).validate(flat)
    assert set(schema.key_properties or ()) <= set(flat)
    assert LEAK not in json.dumps(flat)

    unknown = json.loads(flat.get(EXTRA) or "{}")
    for name, value, known in leaves(record, source.schema, form) if form in FORMS[:-1] else ():
        place = flat if known else unknown
        assert value is None or place[name] in (value, json.dumps(value, separators=(",", ":")))


def leaves(record: Row, node: Node, form: tuple[Any, ...]) -> Iterator[tuple[str, Any, bool]]:
    """What flattening has to keep, under which names, and whether the schema has it."""
    depth, separator = form
    for name, value in record.items():
        child = node["properties"].get(name)
        if isinstance(value, dict) and depth and child and child.get("properties"):
            for inner, *rest in leaves(value, child, (depth - 1, separator)):
                yield f"{name}{separator}{inner}", *rest
        elif name != EXTRA:
            yield name, value, child is not None


def test_an_unknown_member_takes_no_column_of_another() -> None:
    tap, collector = flattening(10, "__")
    collector.messages.clear()
    inner = {"current_level": {"title": "Gold"}, "current_level__title": 5, "current": {"a": [1]}}
    source: Any = tap.streams["users"]
    list(source._write([{"id": 7, "tier_info": inner}], PRESENT, write=True))  # noqa: SLF001 - as a sync does
    (sent,) = collector.messages
    assert sent.record["tier_info__current_level__title"] == "Gold"
    assert json.loads(sent.record[EXTRA]) == {
        "tier_info__current_level__title": 5,
        "tier_info__current": {"a": [1]},
    }


def test_a_null_object_is_null_in_each_of_its_columns(world: Sandbox) -> None:
    result = run_tap(world, "users", flattening_enabled=True, flattening_max_depth=10)
    columns = set(result.schemas["users"][0]["schema"]["properties"])
    inner = {name for name in columns if name.startswith("tier_info__current_level__")}
    assert inner
    without = [
        row["id"] for row in world.expected_rows("users") if not row["tier_info"]["current_level"]
    ]
    assert without
    for record in result.records["users"]:
        assert set(record) == columns
        if record["id"] in without:
            assert {record[name] for name in inner} == {None}


@pytest.mark.parametrize("mode", ["keep", "hash", "drop"])
def test_maps_and_flattening_bring_back_nothing_that_is_withheld(world: Sandbox, mode: str) -> None:
    key = "sixteen characters" if mode != "keep" else None
    plain = run_tap(world, *STREAMS, sensitive_data=mode, hash_key=key)
    result = run_tap(
        world,
        *STREAMS,
        sensitive_data=mode,
        hash_key=key,
        flattening_enabled=True,
        flattening_max_depth=10,
        stream_maps={"*": {"whole": "json.dumps(record)"}},
    )
    assert LEAK not in result.stdout
    for stream, records in plain.records.items():
        mapped = result.records[stream]
        assert [json.loads(record["whole"]) for record in mapped] == records
        for before, after in zip(records, mapped, strict=True):
            assert texts(after) <= texts(before) | {after["whole"]} | dumped(before)


def texts(value: Any) -> set[str]:
    """Every text in a value."""
    if isinstance(value, dict):
        return {text for member in value.values() for text in texts(member)}
    if isinstance(value, list):
        return {text for item in value for text in texts(item)}
    return {value} if isinstance(value, str) else set()


def dumped(value: Any) -> set[str]:
    """Every object and list in a value, as flattening spells it."""
    own = {json.dumps(value, separators=(",", ":"))} if isinstance(value, (dict, list)) else set()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return own.union(*(dumped(each) for each in inner))


@pytest.mark.parametrize("selected", [(), ("users", "activities")], ids=["default", "catalog"])
@pytest.mark.parametrize(
    ("pattern", "concerned"),
    [
        ("*", lambda _: True),
        ("user*", lambda name: name.startswith("user")),
        ("badges", lambda _: False),
        ("push_users", lambda _: False),
    ],
    ids=["all", "some", "deselected", "absent"],
)
def test_a_map_applies_to_what_is_selected(
    world: Sandbox, pattern: str, concerned: Any, selected: tuple[str, ...]
) -> None:
    result = run_tap(
        world,
        *selected,
        user_ids=[ADA],
        stream_maps={pattern: {"program": "config['program']", EXTRA: None}},
        stream_map_config={"program": "acme"},
        faker_config={"seed": 1},
    )
    assert set(result.schemas) == set(selected or ON)
    for stream, records in result.records.items():
        (schema,) = result.schemas[stream]
        assert ("program" in schema["schema"]["properties"]) is bool(concerned(stream))
        for record in records:
            assert set(record) == set(schema["schema"]["properties"])
            assert record.get("program") == ("acme" if concerned(stream) else None)


@pytest.mark.parametrize("selected", [(), ("users", "activities")], ids=["default", "catalog"])
@pytest.mark.parametrize("dropped", [None, "__NULL__"])
def test_streams_can_be_dropped_renamed_and_split(
    world: Sandbox, selected: tuple[str, ...], dropped: str | None
) -> None:
    result = run_tap(
        world,
        *selected,
        user_ids=[ADA],
        stream_maps={
            "activities": {"__alias__": "'catalog_' + __stream_name__"},
            "users": dropped,
            "names": {
                "__source__": "users",
                "__key_properties__": ["digest"],
                "__else__": None,
                "digest": "md5(str(id))",
                "first_name": "first_name",
            },
            "nobody": {"__source__": "users", "__filter__": "id < 0"},
            "__else__": dropped,
        },
    )
    assert set(result.schemas) == {"catalog_activities", "names", "nobody"}
    (names,) = result.schemas["names"]
    assert names["key_properties"] == ["digest"]
    assert set(names["schema"]["properties"]) == {"digest", "first_name"}
    assert [set(record) for record in result.records["names"]] == [{"digest", "first_name"}]
    assert "nobody" not in result.records
    versions = {m["stream"]: m for m in result.messages if m["type"] == "ACTIVATE_VERSION"}
    assert set(versions) == {"catalog_activities"}
    of_rows = {
        message.get("version")
        for message in result.messages
        if message["type"] == "RECORD" and message["stream"] == "catalog_activities"
    }
    assert of_rows == {versions["catalog_activities"]["version"]}


def test_null_is_the_same_as_no_setting(world: Sandbox) -> None:
    nothing = dict.fromkeys(
        ("stream_maps", "stream_map_config", "faker_config", "flattening_enabled")
    )
    config = {"client_id": "512", "api_key": world.api_key, **nothing}
    with process_untouched():
        tap = tap_at(PRESENT)(config=config)
    assert len(tap.streams["users"].stream_maps) == 1


def test_a_schema_test_describes_streams_that_are_not_selected_too(
    world: Sandbox, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    settings = {"client_id": "512", "api_key": world.api_key, "stream_maps": {"*": {"x": "'y'"}}}
    config.write_text(json.dumps(settings))
    result = run_cli("--config", config, "--test=schema")
    assert set(result.schemas) == {*STREAMS, "sync_runs"}
    for (schema,) in result.schemas.values():
        assert {*schema["key_properties"], "x"} < set(schema["schema"]["properties"])


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"usrs": {"x": "1"}}, "the tap has no stream `usrs`; did you mean `users`?"),
        ({"usrs": None}, "the tap has no stream `usrs`; did you mean `users`?"),
        ({"a": {"__source__": "zz*"}}, "the tap has no stream `zz*`; `--discover` lists"),
        ({"users": {"x": "md5("}}, "`x` of `users` is not a valid expression"),
        ({"users": {"x": ""}}, "`x` of `users` is not a valid expression"),
        ({"badges": {"x": "y = 1"}}, "`x` of `badges` is not a valid expression"),
        ({"users": {"__filter__": "id <"}}, "`__filter__` of `users` is not a valid expression"),
        ({"users": {"__alias__": "my people"}}, "`__alias__` of `users` is not a valid expr"),
        ({"users": {"__alias__": "f('x')"}}, "an `__alias__` in it is not a valid expression"),
        ({"users": {"__else__": "x"}}, "`__else__` can only be null"),
        ({"__else__": ["x"]}, "`__else__` can only be null"),
        ({"user*": {"id": None}}, "Removing key property 'id' is not permitted in 'user"),
        ({"users": {"__else__": None}}, "Property 'id' was not detected in schema"),
        ({"users": {"__key_properties__": ["no"]}}, "Property 'no' was not detected in schema"),
        ({"users": 5}, "is not as `tap-crowdtwist --about` describes it"),
        ([], "must be an object"),
    ],
)
def test_a_map_that_cannot_be_is_refused_before_anything_is_asked(
    world: Sandbox, maps: Any, said: str
) -> None:
    result = run_tap(world, stream_maps=maps, code=1)
    assert f"Setting `stream_maps`: {said}" in result.last_line or (
        said in result.last_line and "Setting `stream_maps`: Invalid key" in result.last_line
    )
    assert "Traceback" not in result.stderr
    assert queries(world) == []
    assert result.stdout == ""


@pytest.mark.parametrize(
    "expression", ["nosuch", "int(first_name)", "first_name + id", "1 / 0", "tier_info.nosuch"]
)
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_an_expression_that_fails_on_a_row_is_named_and_tells_nothing_of_the_row(
    world: Sandbox, expression: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CROWDTWIST_LOGLEVEL", level)
    maps = {"badges": {"wrong": expression}, "user*": {"fine": "'x'", "broken": expression}}
    result = run_tap(world, "users", "activities", user_ids=[ADA], stream_maps=maps, code=1)
    assert "Setting `stream_maps`: `broken` of `users` fails on a row (" in result.last_line
    assert "Traceback" not in result.stderr
    (ada,) = [row for row in world.expected_rows("users") if row["id"] == ADA]
    assert ada["first_name"] not in result.stderr
    assert "users" not in result.records
    assert "replication_key_value" not in result.state["bookmarks"].get("users", {})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Setting `flattening_max_depth`: must be set if"),
        ({"flattening_max_depth": -1}, "Setting `flattening_max_depth`: must be set if"),
        (
            {"flattening_max_depth": 1, "flattening_max_key_length": 5},
            "Setting `flattening_separator`: with it, or with `flattening_max_key_length`, two ",
        ),
        (
            {"flattening_max_depth": 1, "flattening_max_key_length": 15},
            "Setting `flattening_max_key_length`: would shorten `purchase_id_type`, a key",
        ),
    ],
)
def test_flattening_that_cannot_be_is_refused(
    world: Sandbox, options: dict[str, Any], said: str
) -> None:
    result = run_tap(world, code=1, flattening_enabled=True, **options)
    assert said in result.last_line
    assert queries(world) == []


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_filters_stay_out_of_the_log(
    world: Sandbox, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CROWDTWIST_LOGLEVEL", level)
    maps = {"users": {"__filter__": "email_address != 'ada@members.test'"}}
    result = run_tap(world, "users", user_ids=[ADA], stream_maps=maps)
    assert len(result.records["users"]) == 1
    assert "ada@members" not in result.stderr


def test_a_catalog_without_a_key_is_not_blamed_on_flattening(world: Sandbox) -> None:
    catalog = select("users")
    del entry_of(catalog, "users")["schema"]["properties"]["id"]
    result = run_tap(world, catalog=catalog, code=1)
    assert "Catalog: the schema of `users` lacks its key `id`" in result.last_line


def test_flattening_to_no_depth_changes_nothing(world: Sandbox) -> None:
    flat = run_tap(world, "users", flattening_enabled=True, flattening_max_depth=0)
    assert flat.records == run_tap(world, "users").records

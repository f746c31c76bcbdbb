"""Every SCHEMA is one that PostgreSQL, DuckDB, BigQuery, Snowflake and Redshift take as it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from support.harness import KEYS, STREAMS, discover, entry_of

from tap_crowdtwist.config.file_settings import FEED_PATHS
from tap_crowdtwist.streams import FILE_STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Node = dict[str, Any]
    Path = tuple[str, ...]

EVERY_STREAM = (*STREAMS, *(stream.name for stream in FILE_STREAMS))

LONGEST = {"PostgreSQL": 63, "Redshift": 127, "Snowflake": 255, "BigQuery": 300}
"""Bytes of an identifier."""

DEEPEST = 15
"""Levels of nested records in BigQuery."""

RESERVED = {
    # SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T'), PostgreSQL 15
    "PostgreSQL": """
        all analyse analyze and any array as asc asymmetric authorization binary both case cast
        check collate collation column concurrently constraint create cross current_catalog
        current_date current_role current_schema current_time current_timestamp current_user default
        deferrable desc distinct do else end except false fetch for foreign freeze from full grant
        group having ilike in initially inner intersect into is isnull join lateral leading left
        like limit localtime localtimestamp natural not notnull null offset on only or order outer
        overlaps placing primary references returning right select session_user similar some
        symmetric table tablesample then to trailing true union unique user using variadic verbose
        when where window with
    """,
    # https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#reserved_keywords
    "BigQuery": """
        all and any array as asc assert_rows_modified at between by case cast collate contains
        create cross cube current default define desc distinct else end enum escape except exclude
        exists extract false fetch following for from full group grouping groups hash having if
        ignore in inner intersect interval into is join lateral left like limit lookup merge natural
        new no not null nulls of on or order outer over partition preceding proto qualify range
        recursive respect right rollup rows select set some struct tablesample then to treat true
        unbounded union unnest using when where window with within
    """,
    # https://docs.snowflake.com/en/sql-reference/reserved-keywords, limited ones included
    "Snowflake": """
        account all alter and any as between by case cast check column connect connection constraint
        create cross current current_date current_time current_timestamp current_user database
        delete distinct drop else exists false following for from full grant group gscluster having
        ilike in increment inner insert intersect into is issue join lateral left like localtime
        localtimestamp minus natural not null of on or order organization qualify regexp revoke
        right rlike row rows sample schema select set some start table tablesample then to trigger
        true try_cast union unique update using values view when whenever where with
    """,
    # https://docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html
    "Redshift": """
        aes128 aes256 all allowoverwrite analyse analyze and any array as asc authorization az64
        backup between binary blanksasnull both bytedict bzip2 case cast check collate column
        constraint create credentials cross current_date current_time current_timestamp current_user
        current_user_id default deferrable deflate defrag delta delta32k desc disable distinct do
        else emptyasnull enable encode encrypt encryption end except explicit false for foreign
        freeze from full globaldict256 globaldict64k grant group gzip having identity ignore ilike
        in initially inner intersect interval into is isnull join leading left like limit localtime
        localtimestamp lun luns lzo lzop minus mostly16 mostly32 mostly8 natural new not notnull
        null nulls off offline offset oid old on only open or order outer overlaps parallel
        partition percent permissions pivot placing primary raw readratio recover references
        rejectlog resort respect restore right select session_user similar snapshot some sysdate
        system table tag tdes text255 text32k then timestamp to top trailing true truncatecolumns
        union unique unnest unpivot user using verbose wallet when where with without
    """,
}

LEAVES = {
    ("integer", None),
    ("number", None),
    ("boolean", None),
    ("string", None),
    ("string", "date"),
    ("string", "date-time"),
}
KEYWORDS = {"type", "format", "description", "properties", "items", "additionalProperties"}
"""What targets are known to read; anything else may change a column's type in some of them."""


def schema_of(stream: str) -> Node:
    catalog = discover(dict.fromkeys(FEED_PATHS, "nowhere"))
    schema: Node = entry_of(catalog, stream)["schema"]
    return schema


def nodes(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every property of a schema, nested ones too, items under `[]`."""
    for name, child in node.get("properties", {}).items():
        yield (*path, name), child
        yield from nodes(child, (*path, name))
    if isinstance(items := node.get("items"), dict):
        yield (*path, "[]"), items
        yield from nodes(items, (*path, "[]"))


def names(stream: str) -> list[str]:
    return [stream, *(path[-1] for path, _ in nodes(schema_of(stream)) if path[-1] != "[]")]


def kinds(node: Node) -> list[str]:
    return [node["type"]] if isinstance(node["type"], str) else node["type"]


@pytest.mark.parametrize("stream", EVERY_STREAM)
def test_names_are_short_plain_and_begin_with_a_letter(stream: str) -> None:
    for name in names(stream):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "_sdc_deleted_at", name
        assert len(name.encode()) <= min(LONGEST.values()), name
        assert "__" not in f"{name}_", name


def test_the_one_name_with_an_underscore_in_front_is_the_mark_that_targets_know() -> None:
    marked = {
        stream: node
        for stream in STREAMS
        for path, node in nodes(schema_of(stream))
        if path == ("_sdc_deleted_at",)
    }
    assert list(marked) == ["users"]
    assert marked["users"]["type"] == ["string", "null"]
    assert marked["users"]["format"] == "date-time"


@pytest.mark.parametrize("stream", EVERY_STREAM)
def test_names_flattened_with_two_underscores_are_short_enough_too(stream: str) -> None:
    for path, _ in nodes(schema_of(stream)):
        assert len("__".join(path).encode()) <= min(LONGEST.values()), path


@pytest.mark.parametrize("warehouse", [*RESERVED, "DuckDB"])
def test_no_name_is_reserved(warehouse: str) -> None:
    words = set(RESERVED[warehouse].split()) if warehouse in RESERVED else duckdb_words()
    assert {"select", "all"} <= words

    assert {name.lower() for stream in EVERY_STREAM for name in names(stream)} & words == set()


def duckdb_words() -> set[str]:
    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    with duckdb.connect() as connection:
        return {word for (word,) in connection.execute(query).fetchall()}


@pytest.mark.parametrize("stream", EVERY_STREAM)
def test_no_two_names_differ_in_case_alone(stream: str) -> None:
    schema = schema_of(stream)
    for _, node in [((), schema), *nodes(schema)]:
        lowered = Counter(name.lower() for name in node.get("properties", {}))
        assert max(lowered.values(), default=1) == 1


@pytest.mark.parametrize("stream", STREAMS)
def test_each_property_has_one_type_beside_null(stream: str) -> None:
    for path, node in nodes(schema_of(stream)):
        assert set(node) <= KEYWORDS, path
        given = kinds(node)
        assert given in ([given[0]], [given[0], "null"]), path
        assert given[0] != "null", path
        if given[0] == "array":
            assert isinstance(node["items"], dict), path
        elif given[0] == "object":
            assert node.get("properties") or node["additionalProperties"] is True, path
        else:
            assert (given[0], node.get("format")) in LEAVES, path


@pytest.mark.parametrize("stream", STREAMS)
def test_keys_are_required_and_scalar_and_never_null(stream: str) -> None:
    schema = schema_of(stream)

    assert entry_of(discover(), stream)["key_properties"] == list(KEYS[stream])
    assert set(KEYS[stream]) <= set(schema["required"])
    for name in KEYS[stream]:
        assert kinds(schema["properties"][name]) in (["integer"], ["string"])


@pytest.mark.parametrize("stream", STREAMS)
def test_all_but_keys_may_be_null(stream: str) -> None:
    for path, node in nodes(schema_of(stream)):
        if path[0] not in KEYS[stream]:
            assert "null" in kinds(node), path


@pytest.mark.parametrize("stream", STREAMS)
def test_nesting_is_shallow_and_no_array_holds_an_array(stream: str) -> None:
    for path, node in nodes(schema_of(stream)):
        assert len(path) <= DEEPEST, path
        assert kinds(node)[0] != "array" or kinds(node["items"])[0] != "array", path

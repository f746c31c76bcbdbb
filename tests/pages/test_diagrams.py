"""The pictures of the site: what joins the streams is drawn in full, and holds in a program."""

from __future__ import annotations

import itertools
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from support.harness import sandbox
from support.live_events import LIVE, Captures
from support.pages import DOCS
from support.push_files import BATCH, PUSH, read

from crowdtwist_sandbox.feeds.live_push import live_events
from scripts import erd
from tap_crowdtwist import schemas
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox
    from scripts.erd import Diagram, Relation

Rows = dict[str, list[dict[str, Any]]]

DAY = 1
DIAGRAMS = {"api": erd.API, "files": erd.FILES}
RELATIONS = [*erd.API.relations, *erd.FILES.relations]
SVG = "{http://www.w3.org/2000/svg}"
WITHOUT_ACTIVITY = {
    "Purchase",
    "Rédemption",
    "Points deducted by staff",
    "Return of a purchase",
}
"""Names of the lines of the points history that are no activity of the sandbox's program."""
JOINING_COLUMNS = {
    "user_id",
    "redeeming_user_id",
    "activity_id",
    "user_activity_id",
    "reward_id",
    "order_id",
    "redeem_order_id",
}


def name_of(relation: Relation) -> str:
    return relation.column


def split(end: str) -> tuple[str, str]:
    stream, _, column = end.partition(".")
    return stream, column


def picture(name: str) -> ET.Element:
    return ET.parse(DOCS / "_static" / f"{name}.svg").getroot()  # noqa: S314 - our own file


@cache
def running() -> Sandbox:
    return sandbox(members=100, drift=False)


@pytest.fixture(scope="module")
def api_rows() -> Rows:
    streams = [name for names in erd.API.columns for name in names]
    return {name: list(running().expected_rows(name, DAY)) for name in streams}


@pytest.fixture(scope="module")
def file_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What the tap reads of the files and events of a day."""
    pushed, live, batch = (tmp_path_factory.mktemp(name) for name in ("push", "live", "batch"))
    running().write_data_push(pushed, DAY)
    running().write_batch_activity(batch, DAY)
    captures = Captures(live)
    for feed, events in itertools.groupby(
        sorted(live_events(running().engine, DAY), key=lambda each: each[0]), lambda each: each[0]
    ):
        captures.add(f"live_{feed.replace('-', '_')}", *(event for _, event in events))
    return {
        **read(pushed, *PUSH).records,
        **captures.read(*LIVE).records,
        **read(batch, BATCH, setting="batch_activity_path").records,
    }


def values(rows: Rows, end: str) -> list[Any]:
    stream, column = split(end)
    return [row[column] for row in rows[stream] if row.get(column) is not None]


def lost(rows: Rows, relation: Relation, targets: Rows) -> list[dict[str, Any]]:
    """Rows whose column has a value, but finds no row."""
    known = set(values(targets, relation.target))
    stream, column = split(relation.column)
    assert values(rows, relation.column), f"no row has a value in {relation.column}"
    return [row for row in rows[stream] if row.get(column) is not None and row[column] not in known]


def test_every_stream_is_in_a_picture() -> None:
    drawn = {name for diagram in DIAGRAMS.values() for names in diagram.columns for name in names}

    # The rows of `sync_runs` are about streams, and join no other row.
    assert drawn == {stream.name for stream in STREAMS} - {"sync_runs"}


@pytest.mark.parametrize("relation", RELATIONS, ids=name_of)
def test_joined_columns_exist_and_are_of_one_type(relation: Relation) -> None:
    source, target = (
        schemas.types_of(schemas.tagged(stream)["properties"][column])
        for stream, column in (split(relation.column), split(relation.target))
    )

    assert source == target


@pytest.mark.parametrize("stream", [stream.name for stream in STREAMS])
def test_every_column_that_finds_a_row_of_another_stream_is_joined(stream: str) -> None:
    joined = {end for relation in RELATIONS for end in relation[:2]}
    named = JOINING_COLUMNS & schemas.tagged(stream)["properties"].keys()

    assert {f"{stream}.{column}" for column in named} <= joined


@pytest.mark.parametrize(("name", "diagram"), DIAGRAMS.items(), ids=DIAGRAMS)
def test_a_picture_shows_keys_and_joins(name: str, diagram: Diagram) -> None:
    boxes: dict[str, list[str]] = defaultdict(list)
    for text in picture(f"erd_{name}").iter(f"{SVG}text"):
        if text.get("class") == "name":
            box = boxes[text.text or ""]
        elif text.get("class") is None:
            box.append(text.text or "")

    assert list(boxes) == [stream for names in diagram.columns for stream in names]
    for stream in STREAMS:
        if stream.name in boxes:
            assert boxes[stream.name][: len(stream.primary_keys)] == list(stream.primary_keys)
    for stream_name, column in (split(end) for each in diagram.relations for end in each[:2]):
        assert column in boxes[stream_name]


@pytest.mark.parametrize("name", ["overview", "erd_api", "erd_files"])
def test_everything_is_inside_of_the_picture(name: str) -> None:
    root = picture(name)
    _, _, width, height = map(int, root.attrib["viewBox"].split())

    for box in root.iter(f"{SVG}rect"):
        x, y, wide, high = (int(box.attrib[side]) for side in ("x", "y", "width", "height"))
        assert x > 0
        assert y > 0
        assert x + wide < width
        assert y + high < height


@pytest.mark.parametrize("relation", erd.API.relations, ids=name_of)
def test_rows_of_the_api_find_the_rows_that_they_name(api_rows: Rows, relation: Relation) -> None:
    missing = lost(api_rows, relation, api_rows)

    if relation.column == "user_activity_history.activity_id":
        assert {row["name"] for row in missing} == WITHOUT_ACTIVITY
    else:
        assert missing == []


@pytest.mark.parametrize("relation", erd.FILES.relations, ids=name_of)
def test_rows_of_files_find_the_rows_that_they_name(
    file_rows: Rows, api_rows: Rows, relation: Relation
) -> None:
    missing = lost(file_rows, relation, api_rows)

    if relation.column in {"push_user_activities.activity_id", "live_activities.activity_id"}:
        names = {row["activity_name"] for row in missing}
        # Staff deduct points and purchases are returned on a few days only.
        assert {"Purchase", "Rédemption"} <= names <= WITHOUT_ACTIVITY
    else:
        assert missing == []

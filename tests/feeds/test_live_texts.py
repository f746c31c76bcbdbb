"""Objects of Live Push may come as text that is no JSON: kept as it came, counted, no alarm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.live_events import LIVE, Captures

from tap_crowdtwist.privacy.policy import EXTRA, public_schema
from tap_crowdtwist.records import values
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.records.values import ConversionError
from tap_crowdtwist.streams import FILE_STREAMS

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

LONGEST = 4000
CANARY = "CaNaRy"
OBJECTS = [
    ("live_users", "custom_data"),
    ("live_activities", "extra_data"),
    ("live_redemptions", "extra_data"),
]
STATEMENT = "Texts that should be JSON objects but are not"
ALIASES = {stream.name: stream.aliases for stream in FILE_STREAMS}

ellipses = st.sampled_from(["...", "…", "… … …"])
names = st.sampled_from(["note", "home_store", "Straße", "größe (cm)", "n"])
members = st.recursive(
    st.integers() | st.text(max_size=40) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=20,
)


@st.composite
def shortened(draw: st.DrawFn, content: st.SearchStrategy[Row]) -> str:
    """Objects as JSON text, cut anywhere as CrowdTwist does."""
    text = json.dumps(draw(content), ensure_ascii=draw(st.booleans()))
    return text[: draw(st.integers(1, len(text) - 1))] + draw(ellipses)


def normalise(stream: str, row: Row) -> tuple[Row, dict[str, int], Normalizer]:
    texts: dict[str, int] = {}
    normaliser = Normalizer(
        stream, public_schema(stream), ["event_id"], aliases=ALIASES[stream], text_counts=texts
    )
    record = normaliser({"event_id": "1", **row})
    assert record is not None
    return record, texts, normaliser


@pytest.mark.parametrize(("stream", "name"), OBJECTS)
@settings(deadline=None)
@given(data=st.data())
def test_any_text_that_is_no_object_is_kept_as_it_came_and_counted(
    stream: str, name: str, data: st.DataObject
) -> None:
    text = data.draw(shortened(st.dictionaries(names, members, min_size=1)) | st.text(min_size=1))
    try:
        values.open_object(text)
    except ConversionError:
        pass
    else:
        return
    record, texts, normaliser = normalise(stream, {name: text})
    assert record[name] is None
    assert record[EXTRA] == {name: text}
    assert texts == {name: 1}
    assert not normaliser.counts


@pytest.mark.parametrize(("stream", "name"), OBJECTS)
@settings(deadline=None)
@given(content=shortened(st.builds(lambda value: {"n": value, "accessToken": CANARY}, members)))
def test_a_withheld_name_in_a_cut_text_does_not_leak(stream: str, name: str, content: str) -> None:
    record, _, _ = normalise(stream, {name: content})
    assert CANARY not in json.dumps(record)


@settings(deadline=None)
@given(st.text(min_size=1) | st.integers() | st.booleans())
def test_a_wrong_value_in_any_other_column_is_still_warned_of(value: Any) -> None:
    _, texts, normaliser = normalise("live_users", {"tier_info": value, "custom_data": 5})
    assert texts == {}
    assert normaliser.counts["value that does not fit its type: custom_data"] == 1


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    return Captures(tmp_path)


def cut(content: Row, ellipsis: str) -> str:
    """JSON text of 4,000 characters."""
    return json.dumps(content)[: LONGEST - len(ellipsis)] + ellipsis


def test_a_run_tells_of_such_texts_in_one_line_at_its_end(captures: Captures) -> None:
    basket = {"basket": ["x" * 9] * 900}
    whole = {"homeStore": 12}
    custom = [None, whole, json.dumps(whole), "homeStore is 12", '"{homeStore:12}"']
    captures.add("live_users", *({"id": n, "customData": data} for n, data in enumerate(custom)))
    dots = ["...", "…"]
    captures.add(
        "live_activities",
        *(
            {"userActivityId": n, "activityExtraData": cut(basket, end), "notes": "n" * 3997 + end}
            for n, end in enumerate(dots, 1)
        ),
    )
    captures.add("live_redemptions", {"orderId": 1, "rewardExtraData": cut(basket, "...")})

    result = captures.read(*dict(OBJECTS))

    users = result.records["live_users"]
    assert [row["custom_data"] for row in users] == [None, whole, whole, None, None]
    assert [row[EXTRA] for row in users[3:]] == [{"custom_data": text} for text in custom[3:]]
    activities = result.records["live_activities"]
    assert [row[EXTRA] for row in activities] == [{"extra_data": cut(basket, e)} for e in dots]
    assert [row["notes"][-4:] for row in activities] == ["n...", "nnn…"]
    (line,) = (line for line in result.stderr.splitlines() if STATEMENT in line)
    for column in ("live_users.custom_data 2", "live_activities.extra_data 2"):
        assert column in line
    assert "live_redemptions.extra_data 1" in line
    assert not [text for text in result.stderr.splitlines() if "WARNING" in text]


def test_a_run_without_such_texts_says_nothing_of_them(captures: Captures) -> None:
    for stream in LIVE:
        captures.add(stream, {"userActivityId": 1, "orderId": 1, "customData": "{}"})
    assert STATEMENT not in captures.read().stderr


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_such_texts_do_not_leave_where_personal_data_may_not(captures: Captures, mode: str) -> None:
    captures.add("live_users", {"id": 1, "customData": "lives at 1 Example Street"})
    result = captures.read("live_users", sensitive_data=mode, hash_key="0123456789abcdef")
    assert "Example Street" not in result.stdout + result.stderr

"""What is withheld for its name stays withheld in text that is an object in some encoding."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.harness import KEYS

from crowdtwist_receiver.events import parse_events
from tap_crowdtwist.privacy.log_redaction import MASK
from tap_crowdtwist.privacy.policy import (
    EXTRA,
    Policy,
    is_withheld_name,
    is_withheld_or_spendable_name,
    public_schema,
)
from tap_crowdtwist.privacy.sanitize import LAYERS, credential_remover
from tap_crowdtwist.records.normalizer import Normalizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

CANARY = "CaNaRy"
HELD = [
    "password", "loyalty_pin", "api_token", "accessToken", "x-api-key", "client secret",
    "passwort_password", "Salt", "session.id", "refresh_token_v2", "o'brien_token", "jeton:token",
]  # fmt: skip
SPENDABLE = ["coupon", "promo_code", "voucherValue", "download_url", "codes"]
HARMLESS = ["x", "note", "home_store", "token_count", "Straße", "secretary", "größe (cm)"]

plain = st.sampled_from(
    ["", "y", "Köln", "a b", "\n", "🙂", "it's", '5"', "{", "a=b", "50%", "100%25"]
)
values = plain | st.integers() | st.none() | st.booleans() | st.lists(plain, max_size=2)


def member(names: list[str]) -> st.SearchStrategy[Row]:
    return st.sampled_from(names).map(lambda name: {name: CANARY})


def holding(names: list[str]) -> st.SearchStrategy[Row]:
    """Objects with a withheld name somewhere in them."""
    around = st.dictionaries(st.sampled_from(HARMLESS), values, max_size=3)
    there = member(names)
    inner = there | st.builds(
        lambda left, held, right: {**left, **held, **right}, around, there, around
    )
    nested = inner.map(lambda held: {"inner": held}) | inner.map(lambda held: {"list": [1, held]})
    return inner | st.builds(lambda left, held: {**left, **held}, around, nested)


def with_nan(text: str) -> str:
    return re.sub(r'"x": ("[^"]*"|null|true|false|-?\d+)', '"x": NaN', text)


def with_newline(text: str) -> str:
    return text.replace(", ", ", \n", 1).replace("\\n", "\n")


BROKEN: list[Callable[[str], str]] = [
    lambda text: "\ufeff" + text,
    lambda text: "data: " + text,
    lambda text: "payload" + text,
    lambda text: f" {text}\r\n",
    lambda text: text.replace("}", ",}", 1),
    lambda text: text.replace('"', "'"),
    lambda text: text + "…",
    lambda text: text + "\\ud83d",
    lambda text: text + text,
    with_nan,
    with_newline,
    repr,
]
ENCODINGS: list[Callable[[str], str]] = [
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps({"text": text}),
    lambda text: json.dumps([text]).replace("/", "\\/"),
    quote,
    lambda text: quote(text, safe=""),
    lambda text: base64.b64encode(text.encode(errors="replace")).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode(errors="replace")).decode().rstrip("="),
    lambda text: base64.encodebytes(text.encode(errors="replace")).decode(),
]
cuts = st.integers(1, 30).map(lambda count: lambda text: text[:-count])
damages = st.lists(st.sampled_from(BROKEN) | cuts, max_size=3)
encodings = st.lists(st.sampled_from(ENCODINGS), max_size=LAYERS - 1)


@st.composite
def coded(draw: st.DrawFn, content: st.SearchStrategy[Row]) -> str:
    """Objects as text, damaged and then encoded in any ways."""
    value = draw(content)
    text = draw(st.sampled_from([json.dumps, repr]))(value)
    for step in [*draw(damages), *draw(encodings)]:
        text = step(text)
    return text


def decodings(text: str, depth: int = LAYERS + 2) -> Iterator[str]:
    """Yield a text and what can be made of it."""
    yield text
    if not depth:
        return
    for plainer in {unquote(text), html.unescape(text), text.replace("\\", "")} - {text}:
        yield from decodings(plainer, depth - 1)
    joined = text.replace("\\n", "").replace("\n", "").replace("\\", "")
    for run in re.findall(r"[\w+/-]{8,}", joined, re.ASCII):
        for start in range(4):
            piece = run[start:].translate(str.maketrans("-_", "+/"))
            piece = piece[: len(piece) // 4 * 4]
            found = base64.b64decode(piece).decode("latin-1")
            if found.isprintable() or CANARY in found or re.search(r"[\w+/-]{12}", found, re.ASCII):
                yield from decodings(found, depth - 1)


def stands_in(text: str) -> bool:
    return any(CANARY in plainer for plainer in decodings(text))


remove_credentials = credential_remover(is_withheld_name)
remove_spendable = credential_remover(is_withheld_or_spendable_name)

MANY = settings(max_examples=300, deadline=None)


@given(text=coded(holding(HELD)))
@MANY
def test_no_encoding_carries_a_withheld_name_out(text: str) -> None:
    assert not stands_in(remove_credentials(text))


@given(text=coded(holding([*HELD, *SPENDABLE])))
@MANY
def test_no_encoding_carries_what_can_be_spent_out(text: str) -> None:
    assert not stands_in(remove_spendable(text))


@given(text=coded(st.dictionaries(st.sampled_from(HARMLESS), values, max_size=4)))
@MANY
def test_text_without_a_withheld_name_passes_byte_for_byte(text: str) -> None:
    assert remove_credentials(text) == text
    assert remove_spendable(text) == text


PROSE = [
    "I forgot my password: {sigh}",
    'My password = my dog, said "nobody"',
    'He said "password": never again',
    "Dear {first_name}, your pin: see the letter",
    "it's my secret: [rest] and [peace]",
    "https://shop.test/reset?token=abc&lang=de",
    "the token",
    "YWJjPw==",
]


@pytest.mark.parametrize("text", PROSE)
def test_text_that_only_mentions_a_withheld_name_is_left_as_it_is(text: str) -> None:
    assert remove_credentials(text) == text
    inside = json.dumps({"review": text})
    assert remove_credentials(inside) == inside


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"x":1,"password":"a"}', '{"x":1}'),
        ('\ufeff{"x":1,"password":"a"}', '{"x":1}'),
        ('{"x":NaN,"password":"a"}', '{"x":null}'),
        ('{"x":"\\ud83d","password":"a"}', '{"x":"\ufffd"}'),
        ('{"x":"a\nb","password":"a"}', '{"x":"a\\nb"}'),
        ('{"x":{"password":"a"},"x":1}', '{"x":[{},1]}'),
        ('{"x":"eyJwYXNzd29yZCI6ICJhIn0=","y":1,"y":2}', '{"x":"e30=","y":[1,2]}'),
        (json.dumps(json.dumps('{"x":1,"pin":"a"}')), json.dumps(json.dumps('{"x":1}'))),
        (quote('{"x":1,"pin":"a"}'), quote('{"x":1}')),
        (base64.b64encode(b'{"x":1,"pin":"a"}').decode(), base64.b64encode(b'{"x":1}').decode()),
    ],
)
def test_what_can_be_decoded_loses_the_withheld_member_alone(text: str, left: str) -> None:
    assert remove_credentials(text) == left


@pytest.mark.parametrize(
    "piece", ["{", "\\", "'", '":', "%25", "&amp;", ",a", "{,pin ", "a=&", "AAAA", "[\n", "\ud83d"]
)
@pytest.mark.timeout(60)
def test_no_text_takes_long(piece: str) -> None:
    remove_credentials(piece * 300_000 + "{")


def record_of(stream: str, row: Row, policy: Policy) -> tuple[Normalizer, Row]:
    normalise = Normalizer(stream, public_schema(stream, policy), KEYS[stream], policy=policy)
    record = normalise(dict.fromkeys(KEYS[stream], "1") | row)
    assert record is not None
    return normalise, record


OPEN = frozenset({"custom_data", "extra_data", EXTRA})


@pytest.mark.parametrize("mode", ["keep", "hash", "drop"])
@pytest.mark.parametrize(
    ("stream", "names"), [("users", HELD), ("redemptions", [*HELD, *SPENDABLE])]
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_withheld_is_in_a_record_whatever_text_it_came_in(
    mode: str, stream: str, names: list[str], data: st.DataObject
) -> None:
    text = data.draw(coded(holding(names)))
    row: Row = {"custom_data": text, "new": text, "other": [{"deep": text}], "quantity": text}
    if stream == "users":
        row |= {"extra_data": {"a": text}, "total_points": text, "segments": [{"a": text}]}
        row |= {"tier_info": {"new": text, "tier_score": text}}
    _, record = record_of(stream, row, Policy(mode, b"a long enough hash key", OPEN))
    assert not [leaf for leaf in leaves(record) if stands_in(leaf)]


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


CUT = '{"loyalty_pin": "1", "api_token": "CaNaRy", "x": "y'


def test_a_masked_text_is_counted_and_told_once_by_its_property(
    caplog: pytest.LogCaptureFixture,
) -> None:
    normalise, record = record_of("users", {"custom_data": CUT, "new": CUT}, Policy())
    assert record["custom_data"] is None
    assert record[EXTRA] == {"custom_data": MASK, "new": MASK}
    normalise({"id": 2, "new": [json.dumps({"a": CUT})], "tier_info": {"more": CUT}})
    what = "masked text with a withheld name"
    assert normalise.counts[f"{what}: new"] == 2
    assert normalise.counts[f"{what}: custom_data"] == 1
    assert normalise.counts[f"{what}: tier_info.more"] == 1
    told = [entry.getMessage() for entry in caplog.records if what in entry.getMessage()]
    assert told == [
        f"users: {what}: `{name}` (further ones not logged)"
        for name in ("custom_data", "new", "tier_info.more")
    ]
    assert {entry.levelno for entry in caplog.records} == {logging.WARNING}
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff{"a": 1}',
        '{"a": 1, "b": NaN}',
        '{"a": 1,\n "b": "x\ny"}',
        json.dumps('{"a": 1}'),
        json.dumps(json.dumps('{"a": 1}')),
    ],
)
def test_an_open_object_may_come_as_text_that_is_not_quite_json(text: str) -> None:
    _, record = record_of("users", {"custom_data": text}, Policy())
    assert record["custom_data"]["a"] == 1
    assert record[EXTRA] is None


def test_typed_text_is_what_people_wrote_and_left_as_it_is() -> None:
    _, record = record_of("users", {"first_name": CUT}, Policy())
    assert record["first_name"] == CUT


@settings(max_examples=100, deadline=None)
@given(text=coded(holding(HELD)))
def test_the_receiver_keeps_nothing_withheld_whatever_text_it_came_in(text: str) -> None:
    event = {"id": 1, "customData": text, "extra": [{"a": [text]}]}
    (stored,) = parse_events(json.dumps(event).encode()).events
    assert not [leaf for leaf in leaves(json.loads(stored.text)) if stands_in(leaf)]


@settings(max_examples=100, deadline=None)
@given(text=coded(st.dictionaries(st.sampled_from(HARMLESS), values, max_size=4)))
def test_the_receiver_keeps_other_text_byte_for_byte(text: str) -> None:
    event = json.dumps({"id": 1, "customData": text}).encode()
    (stored,) = parse_events(event).events
    assert stored.text == event

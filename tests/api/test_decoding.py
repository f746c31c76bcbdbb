"""A body that is slightly wrong is read all the same; one that was cut never is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_crowdtwist.api.decoding import Decoded, decode

VALID = {"id": 7, "name": "Zoë", "points": [1, 2.5, None, True]}
TEXT = json.dumps(VALID, ensure_ascii=False)


def test_what_is_valid_has_no_defect() -> None:
    assert decode(TEXT.encode()) == Decoded(VALID)


@pytest.mark.parametrize(
    ("body", "payload", "defect"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode(), VALID, "a byte-order mark"),
        (TEXT.encode() + b"\0", VALID, "trailing zero bytes"),
        (TEXT.encode() + b"\0\0\r\n\0", VALID, "trailing zero bytes"),
        (TEXT.encode("latin-1"), VALID, "bytes that are not UTF-8"),
        (b'{"a": "\xe2\x82\xac \xe9"}', {"a": "€ é"}, "bytes that are not UTF-8"),
        (rb'{"a": "x\ud83d"}', {"a": "x\ufffd"}, "half of a surrogate pair"),
        (
            rb'{"a\udc00": ["\ude00", {"b": "\ud83d\ude00"}]}',
            {"a\ufffd": ["\ufffd", {"b": "😀"}]},
            "half of a surrogate pair",
        ),
        (b'{"a": "x\x01\ny\t"}', {"a": "x\x01\ny\t"}, "a raw control character"),
        (
            b'{"a": NaN, "b": [-Infinity, Infinity]}',
            {"a": None, "b": [None, None]},
            "NaN or Infinity",
        ),
        (
            b'{"a": 1e400, "b": -1e400, "c": NaN}',
            {"a": None, "b": None, "c": None},
            "a number out of range",
        ),
        (
            b'\xef\xbb\xbf{"a": 18446744073709551616, "b": -9223372036854775808}',
            {"a": 18446744073709551616.0, "b": -9223372036854775808},
            "a byte-order mark",
        ),
    ],
)
def test_what_is_slightly_wrong_is_read_and_named(body: bytes, payload: Any, defect: str) -> None:
    found = decode(body)
    assert found.payload == payload
    assert defect in found.defects


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\xef\xbb\xbf",
        b"<html><p>{}</p></html>",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{a: 1}",
        b'{"a": 1} {"b": 2}',
        b"[" * 100_000,
        b"NaN",
    ],
)
def test_what_is_not_even_nearly_json_is_nothing(body: bytes) -> None:
    assert decode(body).payload is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
SPOILS = st.sampled_from([b"", b"\xef\xbb\xbf"])


@settings(max_examples=300, deadline=None)
@given(value=st.dictionaries(st.text(max_size=4), VALUES) | st.lists(VALUES), data=st.data())
def test_no_part_of_a_body_is_taken_for_the_whole(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    text = text.replace("null", data.draw(st.sampled_from(["null", "NaN", "1e999"])))
    body = text.encode(errors="surrogatepass")
    cut = data.draw(st.integers(0, len(body) - 1))
    end = data.draw(st.sampled_from([b"", b"\0", b"\0\0 \n", b"\xe9", b"\r\n"]))
    assert decode(data.draw(SPOILS) + body[:cut] + end).payload is None

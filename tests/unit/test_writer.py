"""What leaves the tap can be stored by any database: no NUL, no half of a surrogate pair."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.singerlib import RecordMessage

from tap_crowdtwist.json_text import make_storable
from tap_crowdtwist.privacy.policy import Policy
from tap_crowdtwist.sync.message_writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

NOW = datetime(2026, 3, 10, tzinfo=timezone.utc)
UNSTORABLE = ("\0", "\ud83d", "\ude00")

any_text = st.text(st.sampled_from(["a", "é", "🙂", "\\", "u", "0", *UNSTORABLE]), max_size=12)
shapes = st.recursive(
    st.none() | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)
records = st.dictionaries(any_text, shapes, max_size=5)


def sent(writer: MessageWriter, record: dict[str, Any]) -> Any:
    """What a strict reader gets of a record."""
    line = bytes(writer.format_message(RecordMessage("users", record, None, NOW)))
    return msgspec.json.decode(line)["record"]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@given(records)
def test_any_text_at_any_depth_can_be_stored_and_none_is_lost(record: dict[str, Any]) -> None:
    writer = MessageWriter()
    before, after = list(texts(record)), list(texts(sent(writer, dict(record))))
    assert not [text for text in after if any(letter in text for letter in UNSTORABLE)]
    assert len(before) == len(after)
    for was, now in zip(before, after, strict=True):
        mended = was.translate(dict.fromkeys(map(ord, UNSTORABLE), "\ufffd"))
        assert now.rstrip("\ufffd") == mended.rstrip("\ufffd")
    sound = not any(letter in text for text in before for letter in UNSTORABLE)
    assert sound == (not writer.mended)
    if sound:
        assert before == after


def test_replaced_characters_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    writer = MessageWriter()
    for text in ("a\0", "sound", "\ud83d", "\\u0000"):
        sent(writer, {"x": text})
    assert writer.mended == {"users": 2}
    assert [(entry.levelno, entry.getMessage()) for entry in caplog.records] == [
        (
            logging.WARNING,
            (
                "users: replaced characters that no database stores (NUL, or half a surrogate "
                "pair) by U+FFFD (further ones not logged)"
            ),
        )
    ]


def test_names_that_differ_only_there_stay_apart() -> None:
    value = {f"a{letter}": number for number, letter in enumerate([*UNSTORABLE, "\ufffd"])}
    assert sorted(make_storable(value).values()) == [0, 1, 2, 3]


def test_a_hash_is_of_what_would_be_stored() -> None:
    policy = Policy("hash", b"a long enough hash key")
    assert (
        policy.pseudonymize("a\0")
        == policy.pseudonymize("a\ud83d")
        == policy.pseudonymize("a\ufffd")
    )

"""Records leave the tap in the SDK's form, with only what any database can store.

That is no NUL, and no half of a surrogate pair.
"""

from __future__ import annotations

import logging
import math
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage
from typing_extensions import override

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

SCALARS = st.sampled_from([Decimal("1.10"), 0.1, 1e300, math.nan, -math.inf, 2**63 - 1, True, NOW])
values = st.recursive(
    st.none() | SCALARS | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)
versions = st.sampled_from([None, 0, 1773100800000])
instants = st.sampled_from(
    [
        NOW,
        NOW.replace(microsecond=120000),
        NOW.astimezone(timezone(timedelta(hours=5, minutes=30))),
    ]
)


class Lines(MessageWriter):
    """Collects what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    @override
    def write_line(self, line: bytearray, *, flush: bool = False) -> None:
        self.lines.append(bytes(line))


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


@given(
    st.sampled_from(["users", 'a "quoted",\\"record\\":{} name']),
    st.lists(st.dictionaries(any_text, values, max_size=5), min_size=1, max_size=4),
    versions,
    instants,
)
def test_a_record_is_written_with_the_same_bytes_as_a_message_of_the_sdk(
    stream: str, several: list[dict[str, Any]], version: int | None, extracted: datetime
) -> None:
    fast, slow = Lines(), Lines()
    write = fast.record_writer(stream, version, extracted)
    for record in several:
        write(record)
        slow.write_message(RecordMessage(stream, record, version, extracted))
    of_sdk = [
        RecordMessage(stream, make_storable(record), version, extracted) for record in several
    ]
    assert fast.lines == [bytes(MsgSpecWriter().format_message(message)) for message in of_sdk]
    assert slow.lines == fast.lines
    assert slow.mended == fast.mended


def test_two_reads_at_once_do_not_mix_their_records() -> None:
    writer = Lines()
    first = writer.record_writer("users", None, NOW)
    second = writer.record_writer("purchases", 1, NOW + timedelta(seconds=1))
    for write, text in ((first, "a"), (second, "\ud83d"), (first, "\0" * 99), (second, "b")):
        write({"x": text})
    sent = [msgspec.json.decode(line) for line in writer.lines]
    assert [(each["stream"], each.get("version"), each["record"]["x"]) for each in sent] == [
        ("users", None, "a"),
        ("purchases", 1, "\ufffd"),
        ("users", None, "\ufffd" * 99),
        ("purchases", 1, "b"),
    ]
    assert writer.mended == {"users": 1, "purchases": 1}


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

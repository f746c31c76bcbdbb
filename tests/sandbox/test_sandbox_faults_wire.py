"""Each fault in the way an answer travels, looked at byte by byte."""

from __future__ import annotations

import json
import threading
import time
import zlib
from typing import TYPE_CHECKING

import pytest
import requests
from support.sandbox_client import FIRST_ID
from support.sandbox_faults import Heard, ask, faulty, hear, line, once

from crowdtwist_sandbox.faults.registry import DELIVERY_FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

PROFILE = f"/v2/users/{FIRST_ID}"
QUIET = 0.1


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[Sandbox]:
    with faulty() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    _sandbox.set_faults()
    _sandbox.reset()
    return _sandbox


@pytest.fixture
def right(sandbox: Sandbox) -> bytes:
    """The right answer's body."""
    return once(sandbox, PROFILE, "Connection: close").body


def struck(sandbox: Sandbox, spec: str, *headers: str, quiet: float = 5) -> Heard:
    """The answer to one request that meets a fault; the next one is right again."""
    sandbox.set_faults(f"{spec}@1")
    heard = once(sandbox, PROFILE, *headers, quiet=quiet)
    assert sandbox.counts()["faults"] == {spec.partition(":")[0]: 1}
    again = once(sandbox, PROFILE, "Connection: close")
    assert (again.status, json.loads(again.body)["id"]) == (200, FIRST_ID)
    return heard


def test_late_answers_rightly_after_a_silence(sandbox: Sandbox, right: bytes) -> None:
    before = time.monotonic()
    heard = struck(sandbox, "late:0.1", "Connection: close")
    assert 0.1 <= time.monotonic() - before < 4
    assert (heard.status, heard.body) == (200, right)


def test_late_is_silent_for_five_seconds_unless_told(sandbox: Sandbox) -> None:
    assert struck(sandbox, "late", quiet=QUIET) == Heard(0, {}, b"", "open")


def test_refused_closes_before_any_byte(sandbox: Sandbox) -> None:
    assert struck(sandbox, "refused") == Heard(0, {}, b"", "closed")


def test_reset_before_tears_the_connection_before_any_byte(sandbox: Sandbox) -> None:
    assert struck(sandbox, "reset_before") == Heard(0, {}, b"", "reset")


def test_reset_after_tears_the_connection_after_the_headers(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "reset_after")
    assert (heard.status, heard.body, heard.end) == (200, b"", "reset")
    assert int(heard.headers["content-length"]) == len(right)


def test_body_cut_announces_more_than_it_sends(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "body_cut")
    assert (heard.status, heard.end) == (200, "closed")
    assert int(heard.headers["content-length"]) == len(right)
    assert heard.body == right[: len(right) // 2]


def test_wrong_length_sends_more_than_it_announces(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "wrong_length", quiet=0.5)
    assert (heard.status, heard.end) == (200, "open")
    assert heard.body == right
    assert int(heard.headers["content-length"]) == len(right) // 2


def test_wrong_length_leaves_its_rest_in_front_of_the_next_answer(sandbox: Sandbox) -> None:
    sandbox.set_faults("wrong_length@1")
    with line(sandbox) as sock:
        ask(sock, PROFILE)
        first = hear(sock, quiet=0.5)
        ask(sock, PROFILE, "Connection: close")
        second = hear(sock)
    assert second.body == first.body


def test_gzip_garbage_is_no_gzip(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "gzip_garbage", "Connection: close")
    assert (heard.headers["content-encoding"], heard.body) == ("gzip", right)


def test_gzip_cut_is_gzip_that_does_not_end(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "gzip_cut", "Connection: close")
    assert heard.headers["content-encoding"] == "gzip"
    assert int(heard.headers["content-length"]) == len(heard.body)
    unpacker = zlib.decompressobj(31)
    unpacked = unpacker.decompress(heard.body)
    assert not unpacker.eof
    assert len(unpacked) < len(right)
    assert right.startswith(unpacked)


def test_chunks_cut_ends_without_the_last_chunk(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "chunks_cut")
    half = len(right) // 2
    assert (heard.headers["transfer-encoding"], heard.end) == ("chunked", "closed")
    assert "content-length" not in heard.headers
    assert heard.body == b"%x\r\n%b\r\n" % (half, right[:half])


def test_drip_takes_its_time_from_drop_to_drop(sandbox: Sandbox, right: bytes) -> None:
    sandbox.set_faults("drip:0.3@1")
    with line(sandbox) as sock:
        ask(sock, PROFILE, "Connection: close")
        before = time.monotonic()
        drops = list(iter(lambda: sock.recv(1 << 16), b""))
        assert time.monotonic() - before >= 0.25
    assert len(drops) > 10
    assert max(map(len, drops)) < len(right)
    assert b"".join(drops).endswith(right)


def test_bomb_is_the_right_answer_after_megabytes_of_blanks(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "bomb", "Connection: close")
    assert int(heard.headers["content-length"]) == len(heard.body) < 1_000_000
    unpacker = zlib.decompressobj(31)
    size, piece = 0, b""
    while not unpacker.eof:
        piece = unpacker.decompress(unpacker.unconsumed_tail or heard.body, 1 << 20)
        size += len(piece)
    assert size == (65 << 20) + len(right)
    assert piece.endswith(right)


def test_the_size_of_a_bomb_is_a_parameter(sandbox: Sandbox, right: bytes) -> None:
    heard = struck(sandbox, "bomb:0.5", "Connection: close")
    assert zlib.decompress(heard.body, 31) == b" " * (1 << 19) + right


@pytest.mark.parametrize("name", DELIVERY_FAULTS)
def test_they_come_over_errors_too(sandbox: Sandbox, name: str) -> None:
    sandbox.set_faults(f"{name}@1")
    heard = once(sandbox, "/nowhere", "Connection: close", quiet=QUIET)
    assert heard.status in {0, 404}


@pytest.mark.parametrize("spec", ["late:60", "drip:60"])
def test_nothing_waits_for_a_client_that_has_gone(spec: str) -> None:
    threads = threading.active_count()
    with faulty(f"{spec}=1") as running:
        with line(running) as sock:
            ask(sock, PROFILE)
            assert hear(sock, quiet=QUIET).end == "open"
        before = time.monotonic()
    assert time.monotonic() - before < 0.9
    assert threading.active_count() == threads


def test_a_sandbox_ends_soon_whatever_is_still_under_way() -> None:
    threads = threading.active_count()
    with faulty("late:60=1") as running, line(running) as sock:
        ask(sock, PROFILE)
        assert hear(sock, quiet=QUIET).end == "open"
        before = time.monotonic()
        running.stop()
        assert time.monotonic() - before < 2
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("refused", "ConnectionError"),
        ("reset_before", "ConnectionError"),
        ("reset_after", "ChunkedEncodingError"),
        ("body_cut", "ChunkedEncodingError"),
        ("wrong_length", "JSONDecodeError"),
        ("gzip_garbage", "ContentDecodingError"),
        ("gzip_cut", "JSONDecodeError"),
        ("chunks_cut", "ChunkedEncodingError"),
    ],
)
def test_a_usual_client_stumbles_and_recovers(sandbox: Sandbox, name: str, error: str) -> None:
    params = {"api_key": sandbox.api_key}
    with requests.Session() as session:
        session.get(sandbox.api_url + PROFILE, params=params, timeout=5)
        sandbox.set_faults(f"{name}@1")
        with pytest.raises(requests.RequestException) as caught:
            session.get(sandbox.api_url + PROFILE, params=params, timeout=5).json()
        assert type(caught.value).__name__ == error
        again = session.get(sandbox.api_url + PROFILE, params=params, timeout=5)
    assert again.json()["id"] == FIRST_ID

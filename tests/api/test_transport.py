"""One GET: a whole answer in time and in size, or a reason; and a clean connection after either."""

from __future__ import annotations

import gc
import gzip
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted_server import OK, Server, answer, drip

from tap_crowdtwist.api.auth import HeaderKey, QueryKey
from tap_crowdtwist.api.decoding import Decoded, decode
from tap_crowdtwist.api.transport import NoResponseError, Transport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

AUTH = QueryKey("made-up-key")
BODY = b'{"id": 1}'
GZIP = "Content-Encoding: gzip"
MOST = 1 << 20
PATIENCE = 0.4
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def pack(data: bytes) -> bytes:
    """Pack without the time of day, since what is packed names the tests."""
    return gzip.compress(data, mtime=0)


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport that leaves no socket behind: one would warn, and a warning is an error."""
    made = Transport(2, PATIENCE, "tap-crowdtwist/test", MOST)
    yield made
    made.close()
    gc.collect()


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", headers: bytes = b"") -> bytes:
    parts = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return OK + headers + b"Transfer-Encoding: chunked\r\n\r\n" + parts + end


@pytest.mark.parametrize(
    "script",
    [
        answer(BODY),
        answer(pack(BODY), GZIP),
        answer(pack(BODY[:4]) + pack(BODY[4:]), "Content-Encoding: X-GZip"),
        answer(BODY, "Content-Encoding: identity"),
        answer(BODY, "Content-Encoding:"),
        chunked(BODY[:3], BODY[3:]),
        chunked(*[bytes([byte]) for byte in pack(BODY)], headers=f"{GZIP}\r\n".encode()),
        chunked(BODY, end=b"0\r\nX-Trailer: 1\r\n\r\n"),
        answer(BODY, status="503 Service Unavailable"),
    ],
)
def test_an_answer_is_read_whole_over_one_connection(transport: Transport, script: bytes) -> None:
    with Server(script).running() as server:
        answers = [transport.get(f"{server.url}/x", AUTH) for _ in range(3)]
    assert [bytes(each.body) for each in answers] == [BODY] * 3
    assert {each.status for each in answers} == {503 if b"503" in script else 200}
    assert server.connections == 1


@pytest.mark.parametrize(
    "script",
    [answer(b""), answer(b"", GZIP), OK.replace(b"200 OK", b"304 Not Modified") + b"\r\n"],
)
def test_an_empty_body_is_one(transport: Transport, script: bytes) -> None:
    with Server(script).running() as server:
        assert transport.get(server.url, AUTH).body == b""


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([100, *range(102, 200)]), max_size=20))
def test_informational_answers_are_skipped(statuses: list[int]) -> None:
    interim = b"".join(
        f"HTTP/1.1 {status} Wait\r\nLink: </style.css>\r\n\r\n".encode() for status in statuses
    )
    bodies = [b'{"id": 1}', b'{"id": 2}']
    scripts = [interim + answer(body) for body in bodies]
    transport = Transport(2, 5, "test")
    with Server(*scripts).running() as server:
        answers = [transport.get(server.url, AUTH) for _ in bodies]
        transport.close()
    assert [(each.status, each.body) for each in answers] == [(200, body) for body in bodies]
    assert server.connections == 1


def test_a_body_may_end_with_the_connection(transport: Transport) -> None:
    with Server(lambda line: line.sendall(OK + b"\r\n" + BODY)).running() as server:
        assert transport.get(server.url, AUTH).body == BODY


def hang_up(_: socket.socket) -> None:
    """Say nothing."""


def cut(data: bytes) -> Callable[[socket.socket], None]:
    return lambda line: line.sendall(data)


PACKED = pack(b"%r" % list(range(5000)))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hang_up, "the connection was reset"),
        (cut(answer(BODY)[:-3]), "the response was cut short"),
        (cut(chunked(BODY, end=b"")), "the response was cut short"),
        (cut(chunked(BODY, end=b"nonsense\r\n")), "the response was cut short"),
        (answer(BODY, GZIP), "the response is not valid gzip"),
        (answer(PACKED[:9] + PACKED, GZIP), "the response is not valid gzip"),
        (answer(PACKED[:-8] + bytes(8), GZIP), "the response is not valid gzip"),
        (answer(BODY, "Content-Encoding: gzip, gzip"), "the response is not valid gzip"),
        (answer(BODY, "Content-Length: 4"), "the connection failed (InvalidHeader)"),
        (answer(BODY, "no header at all", "X: 1"), "the connection failed (HTTPException)"),
        (answer(BODY, *["X: 1"] * 101), "the connection failed (HTTPException)"),
        (answer(BODY, f"X: {'1' * 70_000}"), "the connection failed (LineTooLong)"),
        (EARLY * 101 + answer(BODY), "the connection failed (HTTPException)"),
        (b"HTTP/1.1 101 Switch\r\n\r\n" + answer(BODY), "the connection failed (HTTPException)"),
        (cut(EARLY), "the connection was reset"),
        (cut(b"Hello!\r\n\r\n"), "the connection failed (BadStatusLine)"),
        (answer(b" " * (MOST + 1)), f"the response is larger than {MOST} bytes"),
        (drip(OK + b"\r\n", b" " * 99_999, every=0), "the response is larger than"),
    ],
)
def test_a_broken_answer_is_none_and_leaves_nothing_to_the_next(
    transport: Transport, script: bytes | Callable[[socket.socket], None], reason: str
) -> None:
    with Server(script, answer(BODY)).running() as server:
        with pytest.raises(NoResponseError) as caught:
            transport.get(server.url, AUTH)
        assert transport.get(server.url, AUTH).body == BODY
        assert server.connections == 2 or isinstance(script, bytes)
    assert reason in str(caught.value)
    assert caught.value.__cause__ is None
    assert not caught.value.is_permanent


@pytest.mark.parametrize("length", [12, 2000, len(PACKED) - 20])
def test_gzip_that_was_cut_before_it_was_sent_is_no_json(transport: Transport, length: int) -> None:
    with Server(answer(PACKED[:length], GZIP)).running() as server:
        assert decode(transport.get(server.url, AUTH).body) == Decoded(None)


def test_an_answer_may_be_as_large_as_that(transport: Transport) -> None:
    with Server(answer(pack(b" " * MOST), GZIP)).running() as server:
        assert len(transport.get(server.url, AUTH).body) == MOST


@pytest.mark.parametrize("packed_twice", [False, True])
def test_what_grows_when_unpacked_is_not_unpacked_to_its_end(
    transport: Transport, *, packed_twice: bool
) -> None:
    parts = [pack(b" " * (1 << 24))] * 4
    bomb = b"".join(parts) if packed_twice else parts[0]
    with Server(answer(bomb, GZIP)).running() as server:
        tracemalloc.start()
        try:
            with pytest.raises(NoResponseError, match="larger than"):
                transport.get(server.url, AUTH)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4 * MOST


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 20", b"0"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", EARLY),
        (OK + b"X: ", b"1"),
        (OK, b"X: 1\r\n"),
        (OK + b"\r\n", b" "),
        (OK + b"Content-Length: 500000\r\n\r\n", b" "),
        (OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08" + b"\0" * 6, b"name"),
        (OK + b"Content-Encoding: gzip\r\n\r\n", pack(b"")),
        (chunked(end=b"1;"), b"x"),
        (chunked(end=b""), b"1\r\n \r\n"),
        (chunked(end=b"0\r\n"), b"X: 1\r\n"),
    ],
    ids=[
        "silence",
        "status",
        "continue",
        "early hints",
        "header",
        "headers",
        "body",
        "announced body",
        "gzip name",
        "gzip members",
        "chunk extension",
        "chunks",
        "trailers",
    ],
)
def test_an_answer_that_comes_drop_by_drop_is_not_waited_for_without_end(
    transport: Transport, start: bytes, drop: bytes
) -> None:
    with Server(drip(start, drop)).running() as server:
        began = time.monotonic()
        with pytest.raises(NoResponseError, match="no complete response within `request_timeout`"):
            transport.get(server.url, AUTH)
        assert time.monotonic() - began < 3 * PATIENCE


def test_an_answer_that_never_pauses_is_not_waited_for_either(transport: Transport) -> None:
    flood = drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, every=0)
    with (
        Server(flood).running() as server,
        pytest.raises(NoResponseError, match="no complete response within"),
    ):
        transport.get(server.url, AUTH)


def test_a_slow_answer_leaves_the_next_one_its_full_time(transport: Transport) -> None:
    def slowly(line: socket.socket) -> None:
        for _ in range(2):
            time.sleep(0.7 * PATIENCE)
            line.sendall(answer(BODY))

    with Server(slowly).running() as server:
        assert [transport.get(server.url, AUTH).body for _ in range(2)] == [BODY] * 2
        assert server.connections == 1


def test_a_refused_connection_is_told_without_the_url(transport: Transport) -> None:
    with Server(b"").running() as server:
        url = server.url
    with pytest.raises(NoResponseError) as caught:
        transport.get(f"{url}/secret", AUTH)
    assert str(caught.value) == "the connection was refused"


def test_nothing_is_sent_but_what_has_to_be(
    transport: Transport, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w", encoding="ascii") as file:  # noqa: PTH123 - the name goes elsewhere too
        file.write("machine 127.0.0.1 login ada password made-up\n")
    monkeypatch.setenv("NETRC", netrc)
    cookie = answer(BODY, "Set-Cookie: session=1; Path=/")
    with Server(cookie).running() as server:
        for _ in range(2):
            transport.get(f"{server.url}/x", HeaderKey("made-up"))
    first, second = ([*filter(None, head.split("\r\n"))] for head in server.heads)
    assert first[0] == "GET /x HTTP/1.1"
    assert sorted(first[1:]) == [
        "Accept-Encoding: gzip",
        "Accept: application/json",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: tap-crowdtwist/test",
        "X-CT-Authorization: CTApiKey made-up",
    ]
    assert second == first


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
def test_a_redirect_is_an_answer_and_not_followed(transport: Transport, status: str) -> None:
    with Server(answer(b"", "Location: /elsewhere", status=status)).running() as server:
        assert transport.get(f"{server.url}/x", AUTH).status == int(status[:3])
    assert len(server.heads) == 1


def test_closing_ends_the_connections_and_later_requests_open_new_ones(
    transport: Transport,
) -> None:
    server = Server(answer(BODY))
    with server.running():
        transport.get(f"{server.url}/x", AUTH)
        transport.close()
        # A thread per connection, beside the one that accepts: it ends with its connection.
        server.join_connections()

        assert transport.get(f"{server.url}/x", AUTH).body == BODY
        assert server.connections == 2

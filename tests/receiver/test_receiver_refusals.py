"""What is not taken is refused with the right status, and takes neither memory nor time."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.receiver import (
    BY_KEY,
    BY_USER,
    KEY,
    PASSWORD,
    USER,
    Running,
    answer_on,
    head,
    receiving,
    stored,
)

from crowdtwist_receiver.addresses import Addresses
from crowdtwist_receiver.app import Receiver
from crowdtwist_receiver.auth import Credentials
from crowdtwist_receiver.body import BodyReader
from crowdtwist_receiver.journal import Journal
from crowdtwist_receiver.stats import ReceiverStats

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path


LARGEST = 4000
BODY_TIMEOUT = 1.0
MARGIN = 2  # seconds, as in serving


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bounds = ("--max-body", str(LARGEST), "--body-timeout", str(BODY_TIMEOUT), "--max-bodies", "2")
    secrets = {**BY_KEY, **BY_USER}
    with receiving(tmp_path_factory.mktemp("live"), *bounds, secrets=secrets) as running:
        yield running
        code, out, err = running.end()
        assert (code, out) == (0, "")
        assert err.splitlines()[1:] == []
        assert "CANARY" not in err


@pytest.fixture
def running(_running: Running) -> Iterator[Running]:
    """A receiver that stores nothing of what a test sends, and goes on."""
    yield _running
    before = len(stored(_running.directory))
    assert _running.post("/live", {"id": 1}).status_code == 200
    after = [line.event for line in stored(_running.directory)]
    assert after == [{"id": 1}] * (before + 1)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": KEY + "x"},
        {"x-api-key": f"{USER}:{PASSWORD}"},
        {"Authorization": basic(USER, PASSWORD + "x")},
        {"Authorization": basic(USER + "x", PASSWORD)},
        {"Authorization": basic(USER, "")},
        {"Authorization": basic("", "")},
        {"Authorization": "Basic"},
        {"Authorization": "Basic ***"},
        {"Authorization": "Basic a"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": KEY},
    ],
)
def test_who_does_not_know_a_secret_may_not_post(running: Running, headers: dict[str, str]) -> None:
    given = {"Content-Type": "application/json", **headers}
    response = requests.post(running.url + "/live", b'{"id":9}', headers=given, timeout=10)

    assert (response.status_code, response.json()) == (401, {"error": "unauthorized"})
    assert response.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": KEY},
        {"Authorization": basic(USER, PASSWORD)},
        {"Authorization": basic(USER, PASSWORD).replace("Basic", "basic")},
        {"Authorization": basic(USER, "wrong"), "x-api-key": KEY},
        {"Authorization": basic(USER, PASSWORD), "x-api-key": "wrong"},
    ],
)
def test_either_secret_is_enough_where_both_are_set(
    running: Running, headers: dict[str, str]
) -> None:
    given = {"Content-Type": "application/json", **headers}
    response = requests.post(running.url + "/live", b'{"id":1}', headers=given, timeout=10)

    assert response.status_code == 200


def test_what_is_not_set_is_no_way_in(tmp_path: Path) -> None:
    nothing: list[dict[str, str]] = [{}, {"x-api-key": ""}, {"Authorization": ""}]
    blanks = [{"Authorization": "Basic "}, {"Authorization": basic("", "")}]
    for secrets, challenge in [(BY_KEY, "ApiKey"), (BY_USER, "Basic ")]:
        with receiving(tmp_path, secrets=secrets) as running:
            for headers in [*nothing, *blanks]:
                response = requests.post(running.url + "/live", headers=headers, timeout=10)
                assert response.status_code == 401
                assert response.headers["www-authenticate"].startswith(challenge)


def test_a_compressed_body_is_refused_with_the_reason(running: Running) -> None:
    response = running.post("/live", gzip.compress(b'{"id":9}'), Content_Encoding="gzip")

    assert (response.status_code, response.json()) == (
        415,
        {"error": "content encodings are not supported"},
    )
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"CANARY",
        b"null",
        b"7",
        b'"CANARY"',
        b'[{"id":9},7]',
        b'[[{"id":9}]]',
        b'{"id":9',
        b'{"id":9}{"id":9}',
        b"{'id':9}",
        b'{"CANARY":NaN',
        b'{"CANARY":"\xff',
        b'{"CANARY":"\n"}{}',
        b'{"CANARY":"\\x"}',
        b"[" * 2000 + b"]" * 2000,
        b'{"a":' * 65 + b"7" + b"}" * 65,
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        "\ufeff{}".encode("utf-16"),
    ],
)
def test_what_is_not_an_event_is_refused_without_repeating_it(
    running: Running, body: bytes
) -> None:
    response = running.post("/live", body)

    assert response.status_code == 400
    assert response.json().keys() == {"error"}
    assert len(response.text) < 100
    assert "CANARY" not in response.text


def test_an_event_may_be_as_deep_as_that(running: Running) -> None:
    deep = b'{"a":' * 64 + b'"{[["' + b"}" * 64

    assert running.post("/live", deep).status_code == 200
    (path,) = (p for p in running.directory.iterdir() if deep in p.read_bytes())
    path.write_bytes(path.read_bytes().replace(deep, b'{"id":1}'))


def test_a_body_may_have_as_many_bytes_as_that_and_no_more(running: Running) -> None:
    fits = b'{"id":1' + b" " * (LARGEST - 8) + b"}"

    assert len(fits) == LARGEST
    assert running.post("/live", fits).status_code == 200
    response = running.post("/live", fits + b" ")
    assert (response.status_code, response.json()) == (
        413,
        {"error": f"the body is larger than {LARGEST} bytes"},
    )


def test_the_announced_length_is_enough_to_refuse_a_body(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(head(Content_Length=str(LARGEST + 1)))
        assert answer_on(connection)[0] == 413


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_a_body_in_chunks_is_counted_as_it_comes(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(head(Transfer_Encoding="chunked"))
        connection.sendall(chunk(b'{"id":') + chunk(b"1}") + chunk(b""))
        assert answer_on(connection)[0] == 200
        connection.sendall(head(Transfer_Encoding="chunked"))
        for _ in range(5):
            connection.sendall(chunk(b" " * (LARGEST // 4)))
        assert answer_on(connection)[0] == 413


def test_nothing_of_a_body_is_read_before_it_is_known_who_sends_it(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(head(x_api_key="wrong", Content_Length="10", Expect="100-continue"))
        status, _, headers = answer_on(connection)
        assert (status, headers["connection"]) == (401, "close")
    with running.connect() as connection:
        connection.sendall(head(Content_Length="8", Expect="100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"id":1}')
        assert answer_on(connection)[0] == 200


def test_a_connection_goes_on_after_a_refusal_whose_body_came(running: Running) -> None:
    with running.connect() as connection:
        for given, status in [
            ({"x_api_key": "wrong"}, 401),
            ({"x_api_key": ""}, 401),
            ({}, 200),
        ]:
            connection.sendall(head(Content_Length="8", **given) + b'{"id":1}')
            assert answer_on(connection)[0] == status


def test_a_body_that_takes_too_long_is_given_up(running: Running) -> None:
    with running.connect() as connection:
        begun = time.monotonic()
        connection.sendall(head(Content_Length="100") + b'{"id":9')
        status, content, headers = answer_on(connection)
        assert (status, content) == (408, {"error": "the body was not received in time"})
        assert headers["connection"] == "close"
        assert connection.recv(1) == b""
        assert BODY_TIMEOUT <= time.monotonic() - begun < BODY_TIMEOUT + 5


def test_no_more_bodies_than_allowed_are_incomplete_at_a_time(running: Running) -> None:
    with ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(running.connect())
            waiting.sendall(head(Content_Length="100") + b'{"id":9')
        time.sleep(0.1)
        response = running.post("/live", {"id": 9})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert answer_on(waiting)[0] == 408
    assert running.post("/live", {"id": 1}).status_code == 200


def test_a_client_that_goes_away_leaves_nothing_behind(running: Running) -> None:
    for _ in range(5):
        with running.connect() as connection:
            connection.sendall(head(Content_Length="100") + b'{"id":9')
            time.sleep(0.02)
        time.sleep(0.02)


def is_cut(connection: socket.socket) -> bool:
    """Whether the other side has closed, rightly or not."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_connections_that_dawdle_are_cut(running: Running) -> None:
    wrong = head(x_api_key="wrong", Content_Length="3000")
    beginnings = {b"": None, b"POST /live HTTP/1.1\r\nx-a": None, wrong: 401}
    begun = time.monotonic()
    with ExitStack() as stack:
        connections = []
        for beginning, status in beginnings.items():
            connection = stack.enter_context(running.connect())
            connection.sendall(beginning)
            if status:
                assert answer_on(connection)[0] == status
            connections.append(connection)
        assert all(map(is_cut, connections))
    assert BODY_TIMEOUT + MARGIN <= time.monotonic() - begun < BODY_TIMEOUT + MARGIN + 6


def flood(connection: socket.socket) -> int:
    """Send until the other side has had enough; returns how many bytes went out."""
    sent = 0
    with suppress(ConnectionError):
        while sent < 64 * 2**20:
            sent += connection.send(b"x" * 8192)
    return sent


@pytest.mark.parametrize(
    "beginning",
    [
        head()[:-2] + b"x-endless: ",
        head(x_api_key="wrong", Content_Length=str(10**9)),
        head(x_api_key="wrong", Transfer_Encoding="chunked") + b"0\r\nx-trailer: ",
    ],
)
def test_what_never_ends_is_cut_before_it_is_large(running: Running, beginning: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(beginning)
        assert flood(connection) < 16 * 2**20  # buffers of the system included


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/live", 405),
        ("PUT", "/live/users", 405),
        ("POST", "/health", 405),
        ("POST", "/live/nothing/", 404),
        ("POST", "/live/nothing", 404),
        ("GET", "/", 404),
    ],
)
def test_other_paths_and_methods_are_not_there(
    running: Running, method: str, path: str, status: int
) -> None:
    response = requests.request(
        method, running.url + path, headers={"x-api-key": KEY}, timeout=10, allow_redirects=False
    )

    assert response.status_code == status
    assert response.json().keys() == {"error"}


def test_what_is_not_http_is_refused(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_fault_of_our_own_is_told_by_its_type_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b'{"id":"CANARY"}', "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    stats = ReceiverStats()

    async def ask() -> None:
        bodies = BodyReader(max_bytes=100, timeout=1, max_incomplete=1)
        never_started = Journal(tmp_path, 1000, stats)
        credentials = Credentials.from_secrets("", "", KEY)
        app = Receiver(Addresses(), credentials, bodies, never_started, stats)
        headers = [(b"x-api-key", KEY.encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/live", "headers": headers}
        await app(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 500
    assert sent[1]["body"] == b'{"error":"internal error"}'
    assert stats.responses == {"500 internal error (AttributeError)": 1}
    assert not capsys.readouterr().err  # it is one of the counts: no line for each request


def test_a_full_queue_refuses_until_there_is_room(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    bounds = ("--max-body", "1000", "--max-queue", "1000")
    with receiving(tmp_path_factory.mktemp("live"), *bounds) as running:
        body: Any = [{"id": n} for n in range(30)]  # fits as a body, but not as lines
        assert len(json.dumps(body)) < 1000
        response = running.post("/live", body)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert running.post("/live", body[:10]).status_code == 200
        assert [line.event for line in stored(running.directory)] == body[:10]

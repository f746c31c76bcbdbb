"""A request that offers another protocol is read like any other, since a server may ignore it."""

from __future__ import annotations

import http.client
import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.receiver import Running, head, receiving, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFERS = {
    # What Java's HttpClient sends with every request to an http:// address.
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk"},
    "websocket": {"Connection": "keep-alive, Upgrade"},
    "TLS/1.3, h2c": {"Connection": "upgrade"},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with receiving(tmp_path_factory.mktemp("live")) as running:
        yield running


def offering(offer: str, event: bytes, *, chunked: bool) -> bytes:
    """Return a request that would rather speak another protocol."""
    headers = {"Upgrade": offer, **OFFERS[offer]}
    if chunked:
        begin, rest = event[:4], event[4:]
        body = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(begin), begin, len(rest), rest)
        return head(Transfer_Encoding="chunked", **headers) + body
    return head(Content_Length=str(len(event)), **headers) + event


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(st.tuples(st.sampled_from(sorted(OFFERS)), st.booleans()), min_size=1),
    cuts=st.lists(st.integers(min_value=1, max_value=600), max_size=4),
)
@example([("h2c", False)], [])
@example([("h2c", True)], [])
@example([("h2c", False), ("h2c", True)], [200])
def test_no_event_is_lost_for_an_offer_of_another_protocol(
    running: Running, requests: list[tuple[str, bool]], cuts: list[int]
) -> None:
    before = len(stored(running.directory))
    with running.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, (offer, chunked) in enumerate(requests):
            sent = offering(offer, b'{"id":%d}' % number, chunked=chunked)
            edges = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
            for begin, end in pairwise(edges):
                connection.sendall(sent[begin:end])
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert (response.status, response.read()) == (200, b"{}")
    events = [line.event for line in stored(running.directory)[before:]]
    assert events == [{"id": number} for number in range(len(requests))]


def test_requests_behind_an_offer_that_were_not_waited_for_are_read(running: Running) -> None:
    before = len(stored(running.directory))
    sent = b"".join(offering("h2c", b'{"id":%d}' % n, chunked=n == 1) for n in range(3))
    with running.connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(sent)
        assert [line for line in answers_until(answers, 3) if line.startswith(b"HTTP/")] == [
            b"HTTP/1.1 200 OK\r\n"
        ] * 3
    assert len(stored(running.directory)) == before + 3


def answers_until(answers: Iterator[bytes], number: int) -> Iterator[bytes]:
    """Yield lines up to the head of the last answer."""
    while number:
        line = next(answers)
        number -= line == b"\r\n"
        yield b"HTTP/" + line.partition(b"HTTP/")[2] if b"HTTP/" in line else line


def test_a_tunnel_is_refused(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"CONNECT receiver:443 HTTP/1.1\r\nHost: receiver:443\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")

"""A steady load for a receiver that dies and comes back; each event is sent until acknowledged.

It is cheap, so that it can run for minutes beside other tests: one thread, a few connections that
stay open, bodies made beforehand.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from crowdtwist_receiver.events import parse_events
from crowdtwist_sandbox.engine import Engine
from crowdtwist_sandbox.feeds.live_push import live_events
from crowdtwist_sandbox.options import SandboxOptions
from support.receiver import head

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "number"
_DIGITS = 9
_FEEDS = ("users", "activities", "redemptions")
_MIN_SIZE = 1200
_TICK_SECONDS = 0.01
_REST_SECONDS = 0.25
"""Pause of a connection whose event was not stored, and between attempts to connect."""


class _Template(NamedTuple):
    """An event around its number, and the head of the request that posts it."""

    head: bytes
    before: bytes
    after: bytes


def _templates() -> list[_Template]:
    """Return the smallest event of each feed, with notes to make it large enough."""
    events = list(live_events(Engine(SandboxOptions(members=100)), day=0))
    texts = [
        min((_text(event) for name, event in events if name == feed), key=len) for feed in _FEEDS
    ]
    return [
        _Template(head("/live", Content_Length=str(len(text))), before, after)
        for text in texts
        for before, after in [text.split(b"?" * _DIGITS)]
    ]


def _text(event: dict[str, Any]) -> bytes:
    """Encode an event with a place for a number.

    The receiver takes credentials out of an event; these have none, so they are stored as sent.
    """
    (clean,) = parse_events(json.dumps(event).encode()).events
    notes = "x" * max(0, _MIN_SIZE - len(clean.text))
    numbered = {**clean.properties, "notes": notes, MARK: "?" * _DIGITS}
    return json.dumps(numbered, ensure_ascii=False).encode()


class _Connection:
    """A connection with at most one request in flight."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.number: int | None = None
        self.answer = b""
        self.rests_until = 0.0


class Load:
    """Posts numbered events at a rate, and catches up after a pause.

    Attributes:
        address: of the receiver; may change while it is down.
        acknowledged: by number, whether the event was answered with 200.
        statuses: number of responses by status.
        lost: number of requests whose response never came; they are sent again.

    Args:
        total: number of events.
        rate: events a second.
        connections: number of connections.
    """

    def __init__(self, total: int, rate: float, connections: int) -> None:
        self.address = ("127.0.0.1", 0)
        self.acknowledged = bytearray(total)
        self.statuses: Counter[int] = Counter()
        self.lost = 0
        self._total = total
        self._rate = rate
        self._sent = 0
        self._again: deque[int] = deque()
        self._templates = _templates()
        self._connections = [_Connection() for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        self._begun = time.monotonic()

    def event(self, number: int) -> bytes:
        """Return the event of a number, as it is posted."""
        template = self._templates[number % len(self._templates)]
        return b"%s%0*d%s" % (template.before, _DIGITS, number, template.after)

    @property
    def sizes(self) -> list[int]:
        """Bytes of the kinds of events."""
        return [len(self.event(number)) for number in range(len(self._templates))]

    @property
    def in_flight(self) -> int:
        """Number of requests without a response."""
        return sum(each.number is not None for each in self._connections)

    def run(self, until: Callable[[], bool]) -> None:
        """Post until a condition holds, which is checked 100 times a second."""
        while not until():
            tick = time.monotonic() + _TICK_SECONDS
            for connection in self._connections:
                self._work(connection)
            while (left := tick - time.monotonic()) > 0:
                for key, _ in self._selector.select(left):
                    self._read(key.data)
                    self._work(key.data)

    def is_done(self) -> bool:
        """Return whether all events are acknowledged."""
        return self._sent == self._total and not self._again and self.in_flight == 0

    def is_disconnected(self) -> bool:
        """Return whether no connection is open."""
        return all(each.sock is None for each in self._connections)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            self._disconnect(connection)
        self._selector.close()

    def _work(self, connection: _Connection) -> None:
        """Send the next event that is due, if the connection is idle."""
        if connection.number is not None or time.monotonic() < connection.rests_until:
            return
        if connection.sock is None and not self._connect(connection):
            return
        number = self._next()
        if number is None:
            return
        connection.number = number
        connection.answer = b""
        template = self._templates[number % len(self._templates)]
        assert connection.sock is not None
        try:
            connection.sock.sendall(template.head + self.event(number))
        except OSError:
            self._disconnect(connection)

    def _next(self) -> int | None:
        if self._again:
            return self._again.popleft()
        due = min(self._total, int((time.monotonic() - self._begun) * self._rate))
        if self._sent >= due:
            return None
        self._sent += 1
        return self._sent - 1

    def _connect(self, connection: _Connection) -> bool:
        try:
            sock = socket.create_connection(self.address, timeout=1)
        except OSError:
            connection.rests_until = time.monotonic() + _REST_SECONDS
            return False
        sock.settimeout(0)
        connection.sock = sock
        self._selector.register(sock, selectors.EVENT_READ, connection)
        return True

    def _disconnect(self, connection: _Connection) -> None:
        if connection.sock is not None:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            connection.sock = None
        if connection.number is not None:
            self.lost += 1
            self._again.append(connection.number)
            connection.number = None

    def _read(self, connection: _Connection) -> None:
        assert connection.sock is not None
        try:
            data = connection.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._disconnect(connection)
            return
        connection.answer += data
        text, _, content = connection.answer.partition(b"\r\n\r\n")
        if content.endswith(b"}"):  # the bodies of all responses are objects
            self._answered(connection, int(text[9:12]), closes=b"connection: close" in text)

    def _answered(self, connection: _Connection, status: int, *, closes: bool) -> None:
        assert connection.number is not None
        self.statuses[status] += 1
        if status == 200:
            self.acknowledged[connection.number] = 1
        else:
            self._again.append(connection.number)
            connection.rests_until = time.monotonic() + _REST_SECONDS
        connection.number = None
        if closes:
            self._disconnect(connection)

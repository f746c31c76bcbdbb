"""Reads from a socket what really comes over the wire, and how it ends."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from support.sandbox_client import KEY, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

PATIENCE = 5.0


class Heard(NamedTuple):
    """Bytes of one answer, split where its headers end, and how the connection ended.

    `end` is "open" (nothing more came for a moment), "closed" (FIN) or "reset" (RST).
    """

    status: int
    headers: dict[str, str]
    body: bytes
    end: str


@contextmanager
def line(running: Sandbox) -> Iterator[socket.socket]:
    """A connection to the main host."""
    address = "127.0.0.1", int(running.api_url.rsplit(":", 1)[1])
    with socket.create_connection(address, timeout=PATIENCE) as sock:
        yield sock


def ask(sock: socket.socket, path: str, *headers: str) -> None:
    """Send a GET with a good key."""
    key = f"X-CT-Authorization: CTApiKey {KEY}"
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", key, *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode())


def hear(sock: socket.socket, *, quiet: float = PATIENCE) -> Heard:
    """All that comes until the connection ends or stays quiet for so long."""
    sock.settimeout(quiet)
    data, end = b"", "closed"
    try:
        while piece := sock.recv(1 << 20):
            data += piece
    except TimeoutError:
        end = "open"
    except ConnectionResetError:
        end = "reset"
    if not data:
        return Heard(0, {}, b"", end)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    pairs = (text.split(": ", 1) for text in rest)
    return Heard(int(first.split()[1]), {name.lower(): value for name, value in pairs}, body, end)


def once(running: Sandbox, path: str, *headers: str, quiet: float = PATIENCE) -> Heard:
    """The answer to one GET over a connection of its own."""
    with line(running) as sock:
        ask(sock, path, *headers)
        return hear(sock, quiet=quiet)


def faulty(spec: str = "", **options: object) -> Sandbox:
    """A sandbox without drift, with faults."""
    return sandbox(drift=False, faults=spec, **options)

"""Runs a receiver as a process of its own, posts to it, and reads what it wrote."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY = "CANARY-the-key"
USER = "CANARY-the-user"
PASSWORD = "CANARY-the-password"
BY_KEY = {"CROWDTWIST_RECEIVER_API_KEY": KEY}
BY_USER = {"CROWDTWIST_RECEIVER_USER": USER, "CROWDTWIST_RECEIVER_PASSWORD": PASSWORD}
HEADERS = {"x-api-key": KEY, "Content-Type": "application/json"}
NAME = re.compile(
    r"(live_(?:users|activities|redemptions|points_expiration|segments))"
    r"-(\d{8}T\d\d)-([0-9a-f]{8})\.jsonl"
)
LINE = re.compile(
    rb'\{"received_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","event":(\{.*\})\}\n', re.DOTALL
)


def environment(secrets: Mapping[str, str], **more: str) -> dict[str, str]:
    """Ours, with these secrets only."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("CROWDTWIST_")}
    return {**ours, **secrets, **more}


class Running(NamedTuple):
    """A receiver that runs."""

    process: subprocess.Popen[str]
    url: str
    directory: Path

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        """Post what is not bytes as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return requests.post(self.url + path, data=data, headers=given, timeout=10)

    def health(self) -> requests.Response:
        return requests.get(self.url + "/health", timeout=10)

    def connect(self) -> socket.socket:
        """A connection to speak HTTP on by hand."""
        address = urlsplit(self.url)
        return socket.create_connection((address.hostname or "", address.port or 0), timeout=10)

    def end(self) -> tuple[int, str, str]:
        """Tell it to stop; returns its exit code and what it printed."""
        self.process.terminate()
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextmanager
def receiving(
    directory: Path, *options: str, secrets: Mapping[str, str] = BY_KEY, **more: str
) -> Iterator[Running]:
    """A receiver on a free port, killed at the end if it still runs."""
    command = [sys.executable, "-m", "crowdtwist_receiver", "--directory", str(directory)]
    with subprocess.Popen(
        [*command, "--port", "0", *options],
        env=environment(secrets, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Running(process, json.loads(process.stdout.readline())["url"], directory)
        finally:
            process.kill()


def head(path: str = "/live/users", **headers: str) -> bytes:
    """The head of a post, to be sent by hand."""
    given = {"Host": "receiver", **HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode()


def answer_on(connection: socket.socket) -> tuple[int, Any, dict[str, str]]:
    """Read one answer: its status, its content, its headers."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    content = json.loads(response.read())
    return response.status, content, {k.lower(): v for k, v in response.getheaders()}


class Stored(NamedTuple):
    """A complete line of a file, taken apart."""

    feed: str
    hour: str
    instance: str
    received_at: str
    text: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


def stored(directory: Path, feed: str = "live_") -> list[Stored]:
    """Everything in complete lines, as the format is promised; by name of the file."""
    found = []
    for path in sorted(directory.iterdir()):
        name = NAME.fullmatch(path.name)
        assert name, path.name
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                parts = LINE.fullmatch(line)
                assert parts, line
                found.append(Stored(name[1], name[2], name[3], parts[1].decode(), parts[2]))
    return [line for line in found if line.feed.startswith(feed)]


class Client(Thread):
    """Posts one body after the other until the connection breaks; remembers what was acknowledged.

    Every third body is a list, to the path that tells feeds apart.
    """

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name)
        self._address = urlsplit(url)
        self.acknowledged: list[str] = []
        self.rejected_rows: list[int] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=10
        )
        number = 0
        try:
            while True:
                number += 1
                events = self._events(number)
                one = len(events) == 1
                connection.request(
                    "POST",
                    "/live/users" if one else "/live",
                    json.dumps(events[0] if one else events),
                    HEADERS,
                )
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.acknowledged += [event["mark"] for event in events]
                else:
                    self.rejected_rows.append(response.status)
        except (OSError, http.client.HTTPException):
            connection.close()

    def _events(self, number: int) -> list[dict[str, Any]]:
        marks = [f"{self.name}-{number}-{part}" for part in range(1 if number % 3 else 3)]
        kinds: list[dict[str, Any]] = [{"id": number}, {"userActivityId": number}, {"orderId": "7"}]
        return [
            {**kind, "mark": mark, "notes": "x" * 500}
            for mark, kind in zip(marks, kinds, strict=False)
        ]

"""Reads the files of the feeds, and receives Live Push, sharing no code with the sandbox."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from support.sandbox_client import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

FEEDS = ("PROFILE", "USER_ACTIVITY", "USER_REDEMPTION", "POINTS_EXPIRATION")
COUNTRIES = {
    "United States": "US",
    "France": "FR",
    "Germany": "DE",
    "Brazil": "BR",
    "Poland": "PL",
}

Row = dict[str, Any]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a Data Push file, zipped or bare."""
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            content = archive.read(name)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def pushed(running: Sandbox, directory: Path, day: int) -> list[list[dict[str, str]]]:
    """Rows of a day's four files: profiles, activities, redemptions, points expiration."""
    return [rows_of(path) for path in running.write_data_push(directory, day)]


def of_day(running: Sandbox, stream: str, day: int, name: str) -> list[Row]:
    """True rows of a stream whose date lies in the day."""
    date = date_of(running, day)
    return [row for row in running.expected_rows(stream, day) if row[name][:10] == date]


def date_of(running: Sandbox, day: int) -> str:
    return instant(
        int(running.engine.world.first_day + day) * 86_400  # the only look inside
    )[:10]


def text(value: Any) -> str:
    """A value as a CSV tells it."""
    return "" if value is None else str(value)


class Receiver:
    """What an endpoint got, and with which statuses it is going to answer before all is well."""

    def __init__(self, statuses: Sequence[int]) -> None:
        self.statuses = list(statuses)
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.url = ""
        self.asked = Event()

    def events(self, feed: str) -> list[Row]:
        return [json.loads(body) for path, _, body in self.posts if path == f"/live/{feed}"]


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    """A running endpoint at `url`, which answers 200 after the given statuses."""
    got = Receiver(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            got.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            got.posts.append((self.path, headers, body))
            got.asked.set()
            status = got.statuses.pop(0) if got.statuses else 200
            self.send_response(status)
            if status in {301, 302, 307, 308}:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    got.url = f"http://127.0.0.1:{server.server_port}/live"
    try:
        yield got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The number of Live Push events per second that the receiver writes to disk on one core.

python -m benchmarks.receiver [--events 60000] [--connections 64] [--seconds 20]

The receiver is a process bound to one core. The load comes from another process on the other cores,
over connections that stay open and have one post in flight each. Afterwards every file is read:
each event must be there exactly as often as it was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.environments import ROOT
from benchmarks.report import table
from crowdtwist_sandbox.engine import Engine
from crowdtwist_sandbox.feeds.live_push import live_events
from crowdtwist_sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY = "benchmark-key"
FIRST = 1_000_000_000
_OK = b"HTTP/1.1 200 "
_END = b"\r\n\r\n{}"
_TICKS = os.sysconf("SC_CLK_TCK")


def event() -> bytes:
    """Return a profile event of the sandbox, with the id `FIRST`."""
    events = live_events(Engine(SandboxOptions(members=100)), day=0)
    profile = next(event for feed, event in events if feed == "users")
    return json.dumps(profile | {"id": FIRST}, ensure_ascii=False, separators=(",", ":")).encode()


class Load(NamedTuple):
    """The result of a load generator.

    Attributes:
        seconds: time from the first post to the last response.
        acknowledged: number of responses with status 200, by event number.
        others: number of all other responses.
        latencies: seconds from each post to its response, ascending.
    """

    seconds: float
    acknowledged: dict[int, int]
    others: int
    latencies: list[float]


class _Connection(asyncio.Protocol):
    """A connection that posts one event after another until none is left."""

    def __init__(self, load: _Generator) -> None:
        self._load = load
        self._answer = b""
        self._number = 0
        self._since = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if _END in self._answer or not self._answer.startswith(_OK):
            self._load.answered(self._number, self._answer, time.perf_counter() - self._since)
            self._answer = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        number = next(self._load.numbers, None)
        if number is None or time.perf_counter() > self._load.end:
            self._transport.close()
            return
        self._number = number
        self._since = time.perf_counter()
        # All numbers have as many digits as FIRST, so the length of the body stays the same.
        self._transport.write(
            self._load.head + self._load.text.replace(b"%d" % FIRST, b"%d" % number)
        )


class _Generator:
    """A load generator with many connections."""

    def __init__(self, url: str, events: int, seconds: float) -> None:
        host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        self.address = host, port
        self.text = event()
        self.head = (
            f"POST /live/users HTTP/1.1\r\nHost: {host}:{port}\r\nx-api-key: {KEY}\r\n"
            "Content-Type: application/json; charset=UTF-8\r\nUser-Agent: benchmark\r\n"
            f"Accept: */*\r\nContent-Length: {len(self.text)}\r\n\r\n"
        ).encode()
        self.numbers: Iterator[int] = iter(range(FIRST, FIRST + events))
        self.end = time.perf_counter() + seconds
        self._acknowledged: Counter[int] = Counter()
        self._others = 0
        self._latencies: list[float] = []

    def answered(self, number: int, answer: bytes, seconds: float) -> None:
        """Count a response."""
        self._latencies.append(seconds)
        if answer.startswith(_OK):
            self._acknowledged[number] += 1
        else:
            self._others += 1

    async def run(self, connections: int) -> Load:
        """Post until all events are posted or the time is over."""
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        pairs = [
            await loop.create_connection(lambda: _Connection(self), *self.address)
            for _ in range(connections)
        ]
        await asyncio.gather(*(connection.done for _, connection in pairs))
        seconds = time.perf_counter() - start
        return Load(seconds, dict(self._acknowledged), self._others, sorted(self._latencies))


def _generate(url: str, options: argparse.Namespace) -> Load:
    """Generate the load in another process, away from the receiver's core."""
    command = [
        *(sys.executable, "-m", "benchmarks.receiver", "--generate", url),
        *("--events", str(options.events), "--connections", str(options.connections)),
        *("--seconds", str(options.seconds)),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ours
    seconds, acknowledged, others, latencies = json.loads(done.stdout)
    return Load(seconds, {int(k): v for k, v in acknowledged.items()}, others, latencies)


def _cpu(pid: int) -> float:
    """Return the CPU time of a process so far in seconds, user and system."""
    # The second field, the command in parentheses, may contain blanks.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def on_disk(directory: Path) -> dict[int, int]:
    """Count how often each event is in a complete line."""
    counts: Counter[int] = Counter()
    for path in directory.glob("live_users-*.jsonl"):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                counts[json.loads(line)["event"]["id"]] += 1
    return dict(counts)


def measure(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Run the receiver under load; return the rows of the table.

    Raises:
        RuntimeError: the events on disk are not those that were acknowledged.
    """
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        receiver = subprocess.Popen(  # noqa: S603 - ours
            [
                *(sys.executable, "-m", "crowdtwist_receiver"),
                *("--directory", folder, "--port", "0"),
            ],
            cwd=ROOT,
            env={**os.environ, "CROWDTWIST_RECEIVER_API_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        # The receiver gets one core; this process and its child, the load generator, the others.
        os.sched_setaffinity(receiver.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            assert receiver.stdout is not None  # noqa: S101 - it was asked for
            url = json.loads(receiver.stdout.readline())["url"]
            before = _cpu(receiver.pid)
            load = _generate(url, options)
            used = _cpu(receiver.pid) - before
            receiver.terminate()
            _, stderr = receiver.communicate(timeout=60)
        finally:
            receiver.kill()
            os.sched_setaffinity(0, cores)
        if on_disk(Path(folder)) != load.acknowledged:
            raise RuntimeError("what was acknowledged is not what is on disk")
    events = sum(load.acknowledged.values())
    disk = {name: int(number) for number, name in re.findall(r"(\d+) x (commits|syncs)", stderr)}
    return [
        ("events acknowledged, each of them on disk as often", events),
        ("bytes of an event", len(event())),
        ("connections", options.connections),
        ("other answers", load.others),
        ("events a second", round(events / load.seconds)),
        ("latency, median", f"{_at(load.latencies, 0.5):.1f} ms"),
        ("latency, 99 of 100", f"{_at(load.latencies, 0.99):.1f} ms"),
        ("fsyncs", disk["syncs"]),
        ("events to a commit", f"{events / disk['commits']:.1f}"),
        ("CPU of the receiver for 1,000 events", f"{used / events * 1000:.3f} s"),
        ("its share of its core", f"{used / load.seconds:.0%}"),
    ]


def _at(latencies: Sequence[float], share: float) -> float:
    return latencies[min(int(len(latencies) * share), len(latencies) - 1)] * 1000


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000, help="number of events at most")
    parser.add_argument("--connections", type=int, default=64, help="number of connections")
    parser.add_argument("--seconds", type=float, default=20, help="time at most")
    parser.add_argument(
        "--folder", type=Path, help="parent of the receiver's directory; default: the system's"
    )
    parser.add_argument("--generate", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.generate:
        load = _Generator(options.generate, options.events, options.seconds)
        json.dump(asyncio.run(load.run(options.connections)), sys.stdout)
        return
    sys.stdout.write(table(("", ""), measure(options)))


if __name__ == "__main__":
    main()

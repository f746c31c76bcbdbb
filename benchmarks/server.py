"""A sandbox in its own process, controlled by commands on its standard input.

So its CPU time counts for no contender. It logs every request with its time, where the sandbox
itself keeps the latest 10,000. It ends with its input, so that it never outlives its parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from benchmarks.environments import ROOT
from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.request_log import RequestLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

MINUTE = 60.0
MARGIN_SECONDS = 5.0
"""Time at the start and at the end of a run that does not count for its steady rate."""

_RATE_LIMITED = 429


class CompleteRequestLog(RequestLog):
    """A request log that keeps all requests until it is reset."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, str, str, int, float]] = []

    @override
    def record(
        self, host: str, endpoint: str, request_line: tuple[str, str, str], status: int
    ) -> None:
        super().record(host, endpoint, request_line, status)
        self.all.append((host, request_line[1], request_line[2], status, monotonic()))

    @override
    def reset(self) -> None:
        super().reset()
        self.all = []


class RequestStats(NamedTuple):
    """The requests to a sandbox since the last reset.

    Attributes:
        total: number of requests, rate-limited ones included.
        rate_limited: number of responses with status 429.
        distinct: number of different URLs.
        busiest: largest number of requests in any 60 seconds.
        steady: requests a minute, without the first and the last five seconds.
    """

    total: int
    rate_limited: int
    distinct: int
    busiest: int
    steady: float


def request_stats(request_log: CompleteRequestLog) -> RequestStats:
    """Summarize the requests to a sandbox."""
    requests = request_log.all
    times = sorted(entry[4] for entry in requests)
    first = 0
    busiest = 0
    # A window of 60 seconds that ends at each request in turn.
    for last, time in enumerate(times):
        while times[first] <= time - MINUTE:
            first += 1
        busiest = max(busiest, last - first + 1)
    steady = 0.0
    if times and times[-1] - times[0] > 3 * MARGIN_SECONDS:
        start, end = times[0] + MARGIN_SECONDS, times[-1] - MARGIN_SECONDS
        steady = (bisect_left(times, end) - bisect_left(times, start)) * MINUTE / (end - start)
    return RequestStats(
        request_log.counts()["total"],
        sum(entry[3] == _RATE_LIMITED for entry in requests),
        len({entry[:3] for entry in requests}),
        busiest,
        round(steady, 1),
    )


class Server:
    """A sandbox process that runs inside `with Server(members=100) as server:`.

    Args:
        options: options of `SandboxOptions`.
    """

    def __init__(self, **options: Any) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, "-m", "benchmarks.server", json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.urls: dict[str, str] = self._read()

    def ask(self, *command: str) -> Any:
        """Send a command (roster PATH, urls PATH, stats or reset) and return its result."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def request_stats(self) -> RequestStats:
        """Return the counts of requests since the last reset."""
        return RequestStats(*self.ask("stats"))

    def _read(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox ended by itself")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._process:  # closes its input, which ends it, and waits
            pass


def execute(sandbox: Sandbox, request_log: CompleteRequestLog, command: Sequence[str]) -> Any:
    """Execute a command and return its result."""
    match command:
        case ["roster", path]:
            members = sandbox.roster()
            Path(path).write_text("\n".join(members) + "\n", encoding="utf-8")
            return len(members)
        case ["urls", path]:
            distinct = dict.fromkeys(entry[:3] for entry in request_log.all)
            bases = {"api": sandbox.api_url, "pos": sandbox.pos_url}
            urls = [f"{bases[host]}{where}?{query}" for host, where, query in distinct]
            Path(path).write_text("\n".join(urls) + "\n", encoding="utf-8")
            return len(urls)
        case ["stats"]:
            return request_stats(request_log)
        case ["reset"]:
            return sandbox.reset()
    raise ValueError(f"no such command: {command}")


def main(options: str) -> None:
    """Serve until the input ends."""
    sandbox = Sandbox(SandboxOptions(**json.loads(options)))
    request_log = sandbox.engine.request_log = CompleteRequestLog()
    with sandbox:
        _say({"api_url": sandbox.api_url, "pos_url": sandbox.pos_url, "api_key": sandbox.api_key})
        for line in sys.stdin:
            _say(execute(sandbox, request_log, json.loads(line)))


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

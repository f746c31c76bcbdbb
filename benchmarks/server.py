"""A sandbox in a process of its own, told what to do over its standard input.

Its CPU time is not counted for anyone. It keeps every request, with the moment at which it came,
where the sandbox's own books keep the latest 10,000; and it ends when its input does, so that it
never outlives who started it.
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

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.request_log import RequestLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

ROOT = Path(__file__).parents[1]
MINUTE = 60.0
MARGIN = 5.0
"""Seconds at the start and the end of a run that do not count for its steady rate."""

_REFUSED = 429


class CompleteLedger(RequestLog):
    """Books that forget nothing until they are reset."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, str, str, int, float]] = []

    @override
    def record(self, host: str, endpoint: str, asked: tuple[str, str, str], status: int) -> None:
        super().record(host, endpoint, asked, status)
        self.all.append((host, asked[1], asked[2], status, monotonic()))

    @override
    def reset(self) -> None:
        super().reset()
        self.all = []


class Traffic(NamedTuple):
    """What a sandbox was asked since the last reset.

    Attributes:
        total: requests, refused ones included.
        refused: answers that told to slow down.
        distinct: different URLs.
        busiest: the most requests in any 60 seconds.
        steady: requests a minute between the first and the last few seconds.
    """

    total: int
    refused: int
    distinct: int
    busiest: int
    steady: float


def traffic(ledger: CompleteLedger) -> Traffic:
    """Sum up what a sandbox was asked."""
    asked = ledger.all
    times = sorted(entry[4] for entry in asked)
    first = 0
    busiest = 0
    for last, moment in enumerate(times):
        while times[first] <= moment - MINUTE:
            first += 1
        busiest = max(busiest, last - first + 1)
    steady = 0.0
    if times and times[-1] - times[0] > 3 * MARGIN:
        start, end = times[0] + MARGIN, times[-1] - MARGIN
        steady = (bisect_left(times, end) - bisect_left(times, start)) * MINUTE / (end - start)
    return Traffic(
        ledger.counts()["total"],
        sum(entry[3] == _REFUSED for entry in asked),
        len({entry[:3] for entry in asked}),
        busiest,
        round(steady, 1),
    )


class Server:
    """A sandbox process, from `with Server(members=100) as server:` until the block ends.

    Args:
        options: those of `SandboxOptions`.
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
        """Send a command and wait for its answer: roster PATH, urls PATH, traffic or reset."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def traffic(self) -> Traffic:
        """What was asked since the last reset."""
        return Traffic(*self.ask("traffic"))

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
        with self._process:
            pass


def obey(sandbox: Sandbox, ledger: CompleteLedger, command: Sequence[str]) -> Any:
    """Do what a command says and give its answer."""
    match command:
        case ["roster", path]:
            members = sandbox.roster()
            Path(path).write_text("\n".join(members) + "\n", encoding="utf-8")
            return len(members)
        case ["urls", path]:
            distinct = dict.fromkeys(entry[:3] for entry in ledger.all)
            bases = {"api": sandbox.api_url, "pos": sandbox.pos_url}
            urls = [f"{bases[host]}{where}?{query}" for host, where, query in distinct]
            Path(path).write_text("\n".join(urls) + "\n", encoding="utf-8")
            return len(urls)
        case ["traffic"]:
            return traffic(ledger)
        case ["reset"]:
            return sandbox.reset()
    raise ValueError(f"no such command: {command}")


def main(options: str) -> None:
    """Serve until the input ends."""
    sandbox = Sandbox(SandboxOptions(**json.loads(options)))
    ledger = sandbox.engine.ledger = CompleteLedger()
    with sandbox:
        _say({"api_url": sandbox.api_url, "pos_url": sandbox.pos_url, "api_key": sandbox.api_key})
        for line in sys.stdin:
            _say(obey(sandbox, ledger, json.loads(line)))


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

"""The contenders, how each is started, and which runs are skipped."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.environments import ROOT
from benchmarks.measure import Output, Program
from benchmarks.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.environments import Environments
    from benchmarks.measure import Usage
    from benchmarks.server import RequestStats

CEILING = 10_000
"""Requests a minute that CrowdTwist allows a program."""

UNLIMITED = 10**7
CONCURRENCY = 32
"""Requests at once, where possible; the tap's default, 16, cannot reach the ceiling at 100 ms."""

TAP, TEXTBOOK, TUNED, DLT, EXTRACT, BARE = NAMES = (
    "this tap",
    "textbook SDK",
    "tuned SDK",
    "dlt rest_api",
    "dlt, extract only",
    "bare loop",
)
SEQUENTIAL = frozenset({TEXTBOOK, TUNED})
_LARGEST_LIST = 10_000
"""Members up to which a roster is read here: a child's peak memory starts with its parent's."""


@dataclass(frozen=True)
class Setup:
    """One configuration.

    Attributes:
        members: size of the roster.
        latency: delay of every response, in milliseconds.
        ceiling: whether the sandbox enforces, and the tap is set to, 10,000 requests a minute.
        concurrency: requests at once, where a contender sends several.
    """

    members: int
    latency: int = 0
    ceiling: bool = False
    concurrency: int = CONCURRENCY

    def server(self) -> Server:
        """Start the sandbox of this configuration."""
        return Server(
            members=self.members,
            latency_ms=self.latency,
            requests_per_minute=CEILING if self.ceiling else 0,
            retry_after="seconds",
            drift=False,
        )

    def includes(self, name: str) -> bool:
        """Return whether a contender is run: not without a rate limit, nor for minutes."""
        if name not in SEQUENTIAL:
            return not (self.ceiling and name in {BARE, EXTRACT})
        if self.ceiling:
            return self.latency == 0 and self.members <= 300  # noqa: PLR2004 - half a minute
        return self.members * self.latency <= 10_000  # noqa: PLR2004 - a minute and a half


@dataclass(frozen=True)
class Result:
    """The cost and the output of one run of a contender."""

    contender: str
    setup: Setup
    usage: Usage
    request_stats: RequestStats
    output: Output


class Runner:
    """Prepares and runs contenders against one sandbox.

    Args:
        where: environments of the contenders.
        folder: directory for rosters, configurations and output.
        server: the sandbox.
        setup: configuration of the sandbox.
    """

    def __init__(self, where: Environments, folder: Path, server: Server, setup: Setup) -> None:
        self._where = where
        self._folder = folder
        self._server = server
        self._setup = setup
        roster = folder / "roster.txt"
        server.ask("roster", str(roster))
        self._tap_config = {
            **server.urls,
            "user_ids_path": str(roster),
            "requests_per_minute": CEILING if setup.ceiling else UNLIMITED,
            "max_concurrency": setup.concurrency,
            "deleted_members": "ignore",
        }
        if setup.members <= _LARGEST_LIST:
            ids = [int(line) for line in roster.read_text(encoding="utf-8").split()]
            at_once = {"max_concurrency": setup.concurrency}
            self._write("sdk", {**server.urls, "user_ids": ids, **at_once})

    def run(self, name: str, timeout_seconds: float = 600, **settings: Any) -> Result:
        """Run one contender to its end.

        Args:
            name: name of the contender.
            timeout_seconds: seconds after which it is killed.
            settings: additional settings of the tap.
        """
        program = self.program(name, **settings)
        self._server.ask("reset")
        usage = program.run(timeout_seconds)
        request_stats = self._server.request_stats()
        with (self._folder / "stdout").open("rb") as lines:
            output = Output.of(lines)
        if name in {DLT, EXTRACT}:
            output.size = _size(self._out(name))
        if name == TAP:  # the bare loop requests the same URLs
            self._server.ask("urls", str(self._folder / "urls.txt"))
        return Result(name, self._setup, usage, request_stats, output)

    def program(self, name: str, catalog: dict[str, Any] | None = None, **settings: Any) -> Program:
        """Write a contender's configuration, and return the program to run."""
        quiet = {"LOGLEVEL": "WARNING"} if name in SEQUENTIAL else {}
        return Program(self._command(name, catalog, settings), self._folder, quiet, ROOT)

    def _command(
        self, name: str, catalog: dict[str, Any] | None, settings: dict[str, Any]
    ) -> list[str]:
        module = "benchmarks.contenders."
        python = str(self._where.python)
        if name == TAP:
            config = self._write("tap", {**self._tap_config, **settings})
            chosen = ["--catalog", self._write("catalog", catalog)] if catalog else []
            return [str(self._where.tap), "--config", config, *chosen]
        if name == BARE:
            urls, key = str(self._folder / "urls.txt"), self._server.urls["api_key"]
            return [python, "-m", f"{module}bare_loop", urls, key, str(self._setup.concurrency)]
        config = str(self._folder / "sdk.json")
        if name in SEQUENTIAL:
            script = "textbook" if name == TEXTBOOK else "tuned"
            return [python, "-m", module + script, "--config", config]
        shutil.rmtree(self._out(name), ignore_errors=True)
        until = "load" if name == DLT else "extract"
        return [str(self._where.dlt), "-m", f"{module}dlt_rest_api", config, until]

    def _out(self, name: str) -> Path:
        return self._folder / ("dlt-load/out" if name == DLT else "dlt-extract")

    def _write(self, name: str, content: Any) -> str:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

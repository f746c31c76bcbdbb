"""The contenders, how each is started, and which runs are skipped."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.environments import ROOT
from benchmarks.measure import Output, Program, Usage
from benchmarks.server import RequestStats, Server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.environments import Environments

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

REQUESTS_PER_MEMBER = 8.8
"""Roughly; the sandbox's members have several pages of some resources."""


@dataclass(frozen=True)
class Setup:
    """One configuration.

    Attributes:
        members: size of the roster.
        latency: delay of every response, in milliseconds.
        ceiling: whether the sandbox enforces, and the tap is set to, 10,000 requests a minute.
    """

    members: int
    latency: int = 0
    ceiling: bool = False

    def server(self) -> Server:
        """Start the sandbox of this configuration."""
        return Server(
            members=self.members,
            latency_ms=self.latency,
            requests_per_minute=CEILING if self.ceiling else 0,
            retry_after="seconds",
            drift=False,
        )

    def skip_reason(self, name: str) -> str:
        """Return why a contender is not run in this configuration, or ""."""
        if self.ceiling and name in {BARE, EXTRACT}:
            return "has no rate limit" if name == BARE else "like the row above"
        if name not in SEQUENTIAL:
            return ""
        if self.ceiling and self.latency:
            return "one at a time: stays far below the ceiling"
        seconds = REQUESTS_PER_MEMBER * self.members * self.latency / 1000
        if seconds > 100:  # noqa: PLR2004 - as long as anyone wants to wait
            return f"one at a time: about {seconds / 60:.0f} min"
        if self.ceiling and self.members > 300:  # noqa: PLR2004 - likewise
            return "one at a time: takes too long"
        return ""


@dataclass
class Result:
    """The cost and the output of one run of a contender; empty if it was not run.

    `why` is the reason why it was not run or did not complete.
    """

    contender: str
    setup: Setup
    why: str = ""
    usage: Usage | None = None
    request_stats: RequestStats | None = None
    output: Output = field(default_factory=Output)

    @property
    def complete(self) -> bool:
        """Whether it ran to its end."""
        return self.usage is not None and self.usage.code == 0

    def dump(self) -> dict[str, Any]:
        """Convert the result to JSON types."""
        return asdict(self)

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Result:
        """Rebuild a result from its JSON form."""
        return cls(
            stored["contender"],
            Setup(**stored["setup"]),
            stored["why"],
            Usage(**stored["usage"]) if stored["usage"] else None,
            RequestStats(*stored["request_stats"]) if stored["request_stats"] else None,
            Output(**stored["output"]),
        )


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
            "max_concurrency": CONCURRENCY,
            "deleted_members": "ignore",
        }
        if setup.members <= _LARGEST_LIST:
            ids = [int(line) for line in roster.read_text(encoding="utf-8").split()]
            self._write("sdk", {**server.urls, "user_ids": ids, "max_concurrency": CONCURRENCY})

    def run(self, name: str, timeout_seconds: float = 600, **settings: Any) -> Result:
        """Run one contender to its end.

        Args:
            name: name of the contender.
            timeout_seconds: seconds after which it is killed.
            settings: additional settings of the tap.
        """
        result = Result(name, self._setup)
        program = self.program(name, **settings)
        self._server.ask("reset")
        result.usage = program.run(timeout_seconds)
        result.request_stats = self._server.request_stats()
        with (self._folder / "stdout").open("rb") as lines:
            result.output = Output.of(lines)
        if name in {DLT, EXTRACT}:
            result.output.size = _size(self._out(name))
        if name == TAP and result.complete:  # the bare loop requests the same URLs
            self._server.ask("urls", str(self._folder / "urls.txt"))
        return result

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
            return [python, "-m", f"{module}bare_loop", urls, key, str(CONCURRENCY)]
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

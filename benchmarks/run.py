"""The benchmark: every contender in every configuration, then the tap by itself.

python -m benchmarks            everything, about 20 minutes
python -m benchmarks --quick    small sizes, under a minute
python -m benchmarks --turns 4  1,000 members with 50 requests at once, beside dlt, in turns

Prints the tables of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environments, report
from benchmarks.environments import ROOT
from benchmarks.measure import catalog_of
from benchmarks.setups import BARE, DLT, EXTRACT, NAMES, TAP, Result, Runner, Setup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.environments import Environments
    from benchmarks.measure import Usage

STOPPED_AFTER = 1000
"""Members of a large roster that are read before the tap gets SIGTERM."""

ROSTERS = (2000, 1_000_000)


class Benchmark:
    """One run of the benchmark.

    Args:
        where: environments of the contenders.
        folder: directory for what they read and write.
    """

    def __init__(self, where: Environments, folder: Path) -> None:
        self._where = where
        self._folder = folder
        self._began = time.monotonic()

    def run(self, setup: Setup, names: Iterable[str], **settings: Any) -> Iterator[Result]:
        """Run contenders one after another on the same sandbox."""
        with setup.server() as server:
            runner = Runner(self._where, self._folder, server, setup)
            for name in names:
                result = runner.run(name, **settings)
                self._log(f"{name}, {setup}: {result.usage}")
                yield result

    def matrix(self, setups: Iterable[Setup]) -> Iterator[Result]:
        """Run the contenders in each configuration."""
        names = [name for name in NAMES if self._where.dlt or not name.startswith("dlt")]
        for setup in setups:
            yield from self.run(setup, filter(setup.includes, names))

    def alone(self, setup: Setup, **settings: Any) -> Result:
        """Run the tap alone."""
        (result,) = self.run(setup, [TAP], **settings)
        return result

    def memory(self, members: int) -> Usage:
        """Run the tap on a large roster, stop it early, and return what it used."""
        setup = Setup(members)
        with setup.server() as server:
            runner = Runner(self._where, self._folder, server, setup)
            program = runner.program(TAP, catalog_of([str(self._where.tap)], "users"))
            usage = program.stop_after(STOPPED_AFTER, "users", timeout_seconds=120)
        self._log(f"roster of {members:,}: {usage}")
        return usage

    def _log(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._began:6.0f} s  {text}\n")


def quick(benchmark: Benchmark) -> Iterator[str]:
    """Measure small sizes, to check that everything works."""
    yield report.matrix(list(benchmark.matrix([Setup(50), Setup(50, 20)])))


def in_turns(benchmark: Benchmark, turns: int) -> Iterator[str]:
    """Measure the contenders with 50 requests at once in turns, as load on the machine changes."""
    setup = Setup(1000, 50, concurrency=50)
    yield report.turns(list(benchmark.run(setup, (TAP, DLT, EXTRACT, BARE) * turns)))


def full(benchmark: Benchmark) -> Iterator[str]:
    """Measure everything, and yield the tables."""
    setups = [
        Setup(members, latency, ceiling)
        for members in (100, 300, 1000)
        for latency in (0, 100)
        for ceiling in (False, True)
    ]
    close = list(benchmark.run(Setup(1000), (TAP, BARE) * 3))
    matrix = list(benchmark.matrix(setups))
    at_ceiling = {"requests_per_minute": 10_000}
    alone = {
        "growth": benchmark.alone(Setup(300)),
        "growth, ten times the members": benchmark.alone(Setup(3000)),
        "state": benchmark.alone(Setup(1000)),
        "state, ten times the members": benchmark.alone(Setup(10_000)),
        "rate, 32 at once": benchmark.alone(Setup(1900, 100), **at_ceiling),
        "rate, 16 at once": benchmark.alone(Setup(600, 100), **at_ceiling, max_concurrency=16),
    }
    memory = {members: benchmark.memory(members) for members in ROSTERS}
    yield report.ratios(close, matrix, *list(alone.values())[:2])
    yield report.limits(alone, memory)
    yield report.matrix(matrix)
    yield report.alone(alone)


def facts(where: Environments) -> str:
    """Return the facts about the machine and the software."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, check=False, capture_output=True, encoding="utf-8")  # noqa: S603 - our own
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GiB; {platform.system()}",
        *where.versions,
        f"commit {commit.stdout.strip()}",
        f"load average {os.getloadavg()[0]:.2f}",
    ]
    return "".join(f"* {line}\n" for line in lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--turns", type=int, default=0, help="50 requests at once, in turns")
    options = parser.parse_args()
    where = environments.present() if options.quick else environments.fresh()
    sys.stdout.write(f"{facts(where)}\n")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        benchmark = Benchmark(where, Path(folder))
        if options.turns:
            tables = in_turns(benchmark, options.turns)
        else:
            tables = quick(benchmark) if options.quick else full(benchmark)
        for table in tables:
            sys.stdout.write(f"{table}\n")
    sys.stdout.flush()
    # Not in the environment of the tap alone: it starts a sandbox.
    subprocess.run([sys.executable, "-m", "benchmarks.profile"], cwd=ROOT, check=True)

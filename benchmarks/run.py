"""The benchmark: every contender in every configuration, then the tap by itself.

python -m benchmarks            everything, about 20 minutes, into benchmarks/README.md
python -m benchmarks --quick    small sizes, under a minute, printed only
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environments, report
from benchmarks.environments import ROOT
from benchmarks.measure import Usage
from benchmarks.setups import BARE, NAMES, TAP, Result, Runner, Setup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.environments import Environments

RESULTS = ROOT / "output" / "benchmark.json"
STOPPED_AFTER = 1000
"""Members of a large roster that are read before the tap gets SIGTERM."""

ROSTER = 1_000_000


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

    def matrix(
        self, sizes: Sequence[int], latencies: Sequence[int], *, ceiling: bool
    ) -> Iterator[Result]:
        """Run the contenders in each configuration, one after another on the same sandbox."""
        limits = (False, True) if ceiling else (False,)
        for members in sizes:
            for latency in latencies:
                for limited in limits:
                    yield from self._compare(Setup(members, latency, limited))

    def repeated(self, members: int, times: int, latency: int = 0) -> list[Result]:
        """Run the tap and the bare loop in turns, to compare them closely."""
        setup = Setup(members, latency)
        with setup.server() as server:
            runner = Runner(self._where, self._folder, server, setup)
            return [self._report(runner.run(name)) for _ in range(times) for name in (TAP, BARE)]

    def alone(self, setup: Setup, **settings: Any) -> Result:
        """Run the tap alone."""
        with setup.server() as server:
            return self._report(
                Runner(self._where, self._folder, server, setup).run(TAP, **settings)
            )

    def memory(self, roster: int) -> Usage:
        """Run the tap on a large roster, stop it early, and return what it used."""
        setup = Setup(roster)
        with setup.server() as server:
            runner = Runner(self._where, self._folder, server, setup)
            program = runner.program(TAP, self._only("users"))
            usage = program.stop_after(STOPPED_AFTER, "users", timeout_seconds=120)
        self._say(f"roster of {roster:,}: {usage.peak / 1e6:.0f} MB, exit code {usage.code}")
        return usage

    def _only(self, *streams: str) -> dict[str, Any]:
        command = [str(self._where.tap), "--discover"]
        done = subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own
        catalog: dict[str, Any] = json.loads(done.stdout)
        for entry in catalog["streams"]:
            is_selected = entry["tap_stream_id"] in streams
            for each in entry["metadata"]:
                if not each["breadcrumb"]:
                    each["metadata"]["selected"] = is_selected
        return catalog

    def _compare(self, setup: Setup) -> Iterator[Result]:
        with setup.server() as server:
            runner = Runner(self._where, self._folder, server, setup)
            for name in NAMES:
                why = setup.skip_reason(name)
                if name.startswith("dlt") and self._where.dlt is None:
                    why = "dlt is not installed"
                yield self._report(Result(name, setup, why) if why else runner.run(name))

    def _report(self, result: Result) -> Result:
        usage, setup = result.usage, result.setup
        what = f"{setup.members} members, {setup.latency} ms{', ceiling' * setup.ceiling}"
        outcome = f"not run ({result.why})"
        if usage is not None:
            outcome = f"{usage.wall:.2f} s wall, {usage.cpu:.2f} s CPU"
            if usage.timed_out:
                result.why = f"stopped after {usage.wall:.0f} s"
            elif usage.code:
                result.why = f"failed with exit code {usage.code}"
            outcome += f" {result.why}"
        self._say(f"{what}: {result.contender}: {outcome}")
        return result

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._began:6.0f} s  {text}\n")


def quick(benchmark: Benchmark) -> dict[str, Any]:
    """Measure small sizes, to check that everything works."""
    return {
        "matrix": list(benchmark.matrix((50,), (0, 20), ceiling=False)),
    }


def full(benchmark: Benchmark) -> dict[str, Any]:
    """Measure everything that the report has."""
    small, large = Setup(1000), Setup(10_000)
    return {
        "close": benchmark.repeated(1000, times=3),
        "matrix": list(benchmark.matrix((100, 300, 1000), (0, 100), ceiling=True)),
        "growth": [benchmark.alone(Setup(300)), benchmark.alone(Setup(3000))],
        "state": [benchmark.alone(small), benchmark.alone(large)],
        "ceiling": benchmark.alone(Setup(1900, 100), requests_per_minute=10_000),
        "default": benchmark.alone(Setup(600, 100), requests_per_minute=10_000, max_concurrency=16),
        "memory": [benchmark.memory(STOPPED_AFTER * 2), benchmark.memory(ROSTER)],
    }


def commit_of(source: Path) -> str:
    """Return the commit of the sources, or "" if they are not a checkout."""
    git = ["git", "-C", str(source), "describe", "--always", "--dirty"]
    done = subprocess.run(git, check=False, capture_output=True, encoding="utf-8")  # noqa: S603 - our own
    return done.stdout.strip()


def facts(where: Environments, commit: str, load: float) -> dict[str, Any]:
    """Return the facts about the machine and the software."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} processors, {_memory()}",
        "system": platform.system(),
        "versions": where.versions,
        "commit": commit,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"


def plain(value: Any) -> Any:
    """Convert results to JSON types."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Result):
        return value.dump()
    return asdict(value) if isinstance(value, Usage) else value


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    parser.add_argument("--source", type=Path, default=ROOT, help="sources of the tap to measure")
    options = parser.parse_args()
    load, commit = os.getloadavg()[0], commit_of(options.source)
    where = environments.present() if options.quick else environments.fresh(options.source)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        benchmark = Benchmark(where, Path(folder))
        measured = quick(benchmark) if options.quick else full(benchmark)
    profiled = subprocess.run(  # noqa: S603 - our own
        [str(where.python if not options.quick else sys.executable), "-m", "benchmarks.profile"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=300,
    )
    measured["profile"] = profiled.stdout
    measured["facts"] = facts(where, commit, load)
    text = report.render(measured)
    if options.quick:
        sys.stdout.write(text)
        return
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(plain(measured), indent=1), encoding="utf-8")
    report.README.write_text(text, encoding="utf-8")

"""The report, `benchmarks/README.md`.

python -m benchmarks.report    rewrites it from the results of the last full run
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.environments import ROOT
from benchmarks.measure import Usage
from benchmarks.setups import BARE, CEILING, CONCURRENCY, DLT, EXTRACT, TAP, Result, Setup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

README = ROOT / "benchmarks" / "README.md"
STREAMS = 9
KILOBYTE = 1024
LIMIT_STATE = 64 * KILOBYTE
LIMIT_MEMORY = 200e6


def render(measured: dict[str, Any]) -> str:
    """Return all measurements as Markdown."""
    parts = [_INTRODUCTION, _machine(measured["facts"])]
    if "close" in measured:
        parts += ["## Required\n", _required(measured), _REMARK]
    parts += ["## Side by side\n", _LEGEND, _matrix(measured["matrix"])]
    if "state" in measured:
        parts += ["## The tap by itself\n", _alone(measured)]
    parts += ["## One request\n", _PROFILE, measured["profile"]]
    return "\n".join(parts).rstrip() + "\n"


def _machine(facts: dict[str, Any]) -> str:
    began, ended = facts["load"]
    lines = [
        f"* {facts['machine']}; {facts['system']}",
        *(f"* {line}" for line in facts["versions"]),
        f"* sources: {facts['commit'] or 'not from a checkout'}",
        (
            f"* load average when it began and ended: {began} and {ended} (its own is about 2; "
            "more means that others used the processors: ratios in a table hold, seconds less)"
        ),
    ]
    return "\n".join(lines) + "\n"


def _matrix(results: Sequence[Result]) -> str:
    text = []
    for setup in dict.fromkeys(result.setup for result in results):
        rows = [result for result in results if result.setup == setup]
        limit = f"at most {CEILING:,} requests a minute" if setup.ceiling else "no ceiling"
        text.append(f"### {setup.members:,} members, {setup.latency} ms, {limit}\n")
        text.append(_table(_HEAD, [_row(row) for row in rows]))
    return "\n".join(text)


_HEAD = (
    "",
    "wall s",
    "CPU s",
    "peak MB",
    "requests",
    "rate-limited",
    "MB out",
    "STATE kB",
    "largest STATE",
    "SCHEMA",
    "RECORD",
    "STATE",
)


def _row(result: Result) -> list[str]:
    usage, stats, output = result.usage, result.request_stats, result.output
    if usage is None or stats is None:
        return [result.contender, f"not run: {result.why}"]
    name = result.contender + (f" ({result.why})" if result.why else "")
    cells = [
        name,
        f"{usage.wall:.1f}",
        f"{usage.cpu:.2f}",
        f"{usage.peak / 1e6:.0f}",
        f"{stats.total:,}",
        f"{stats.rate_limited:,}",
    ]
    if result.contender == BARE:
        return cells
    cells.append(f"{output.size / 1e6:.1f}")
    if result.contender in {DLT, EXTRACT}:
        return cells
    counts = (f"{output.count(kind):,}" for kind in ("SCHEMA", "RECORD", "STATE"))
    return [*cells, f"{output.state / 1000:.1f}", f"{output.largest_state:,}", *counts]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join([*row, *[""] * (len(head) - len(row))]) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _pick(results: Iterable[Result], name: str, setup: Setup) -> Result | None:
    matches = [r for r in results if (r.contender, r.setup) == (name, setup) and r.complete]
    return matches[0] if matches else None


def _ratio(left: float, right: float) -> str:
    return f"{left / right:.2f} x"


def _outcome(*, reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _required(measured: dict[str, Any]) -> str:
    rows = [
        *_pace(measured["ceiling"]),
        *_against_loop(measured),
        *_against_dlt(measured["matrix"]),
        *_growth(measured["growth"]),
        *_state(measured["state"], measured["memory"]),
    ]
    return _table(("", "must reach", "measured", ""), rows)


def _pace(result: Result) -> Iterable[list[str]]:
    stats = result.request_stats
    if stats is None:
        return
    fine = stats.steady >= 0.97 * CEILING and stats.busiest <= CEILING
    yield [
        f"requests a minute at 100 ms latency with the setting at {CEILING:,}",
        f"97 % of {CEILING:,}, never above",
        (
            f"{stats.steady:,.0f} ({stats.steady / CEILING:.1%}); "
            f"{stats.busiest:,} in the busiest 60 s; {stats.total:,} requests in all"
        ),
        _outcome(reached=fine),
    ]


def _against_loop(measured: dict[str, Any]) -> Iterable[list[str]]:
    for members in (100, 300, 1000):
        setup = Setup(members, 100)
        tap, bare = (_pick(measured["matrix"], name, setup) for name in (TAP, BARE))
        if tap and bare and tap.usage and bare.usage:
            ratio = tap.usage.wall / bare.usage.wall
            yield [
                f"wall at 100 ms latency, no ceiling, against the bare loop, {members:,} members",
                "at most 1.10 x",
                f"{ratio:.2f} x ({tap.usage.wall:.1f} s, {bare.usage.wall:.1f} s)",
                _outcome(reached=ratio <= 1.10),  # noqa: PLR2004 - as required
            ]
    close = measured["close"]
    # Runs of a few seconds vary, so this one is repeated.
    cpu = {
        name: statistics.median(r.usage.cpu for r in close if r.contender == name and r.usage)
        for name in (TAP, BARE)
    }
    yield _cpu("1,000 members, median of three", cpu[TAP], cpu[BARE])
    for members in (100, 300):
        tap, bare = (_pick(measured["matrix"], name, Setup(members)) for name in (TAP, BARE))
        if tap and bare and tap.usage and bare.usage:
            yield _cpu(f"{members} members", tap.usage.cpu, bare.usage.cpu)


def _cpu(where: str, tap: float, bare: float) -> list[str]:
    return [
        f"CPU against the bare loop, 0 ms latency, {where}",
        "at most 1.5 x",
        f"{_ratio(tap, bare)} ({tap:.2f} s, {bare:.2f} s)",
        _outcome(reached=tap <= 1.5 * bare),
    ]


def _against_dlt(matrix: Sequence[Result]) -> Iterable[list[str]]:
    for name in (DLT, EXTRACT):
        for latency in (0, 100):
            setup = Setup(1000, latency)
            tap, dlt = _pick(matrix, TAP, setup), _pick(matrix, name, setup)
            if tap and dlt and tap.usage and dlt.usage:
                fine = tap.usage.cpu <= dlt.usage.cpu / 2 and tap.usage.wall < dlt.usage.wall
                yield [
                    f"CPU and wall against {name}, 1,000 members, {latency} ms",
                    "half the CPU, less wall",
                    (
                        f"CPU {_ratio(tap.usage.cpu, dlt.usage.cpu)}, "
                        f"wall {_ratio(tap.usage.wall, dlt.usage.wall)}"
                    ),
                    _outcome(reached=fine),
                ]


def _growth(results: Sequence[Result]) -> Iterable[list[str]]:
    small, large = results
    if small.usage and large.usage:
        cpu = large.usage.cpu / small.usage.cpu
        size = large.output.size / small.output.size
        yield [
            (
                f"growth of CPU and of output bytes from {small.setup.members:,} to "
                f"{large.setup.members:,} members"
            ),
            "linear: at most 10.5 x",
            f"CPU {cpu:.2f} x, bytes {size:.2f} x",
            _outcome(reached=max(cpu, size) <= 10.5),  # noqa: PLR2004 - as required
        ]


def _state(states: Sequence[Result], memory: Sequence[Usage]) -> Iterable[list[str]]:
    small, large = (result.output.largest_state for result in states)
    yield [
        f"STATE bytes, largest message, at {states[1].setup.members:,} members",
        "64 KB, and the same at 1,000",
        f"{large:,} bytes; {small:,} at {states[0].setup.members:,}",
        _outcome(reached=max(small, large) <= LIMIT_STATE),
    ]
    yield [
        "peak memory with a roster of 1,000,000 ids (a sweep stopped after 1,000)",
        "200 MB",
        f"{memory[1].peak / 1e6:.0f} MB",
        _outcome(reached=memory[1].peak <= LIMIT_MEMORY),
    ]
    schemas = [result.output.count("SCHEMA") for result in states]
    yield [
        "SCHEMA messages",
        f"the number of selected streams ({STREAMS})",
        " and ".join(map(str, schemas)),
        _outcome(reached=set(schemas) == {STREAMS}),
    ]


def _alone(measured: dict[str, Any]) -> str:
    rows = []
    for what, result in (
        ("growth", measured["growth"][0]),
        ("growth", measured["growth"][1]),
        ("state", measured["state"][0]),
        ("state", measured["state"][1]),
        (f"setting at {CEILING:,}, {CONCURRENCY} at once", measured["ceiling"]),
        (f"setting at {CEILING:,}, 16 at once (the default)", measured["default"]),
    ):
        setup, usage, stats = result.setup, result.usage, result.request_stats
        rows.append(
            [
                f"{what}: {setup.members:,} members, {setup.latency} ms",
                f"{usage.wall:.1f}",
                f"{usage.cpu:.2f}",
                f"{usage.peak / 1e6:.0f}",
                f"{stats.total:,}",
                f"{stats.steady:,.0f}" if stats.steady else "",
                f"{stats.busiest:,}" if usage.wall > 60 else "",  # noqa: PLR2004 - a minute
                f"{result.output.largest_state:,}",
            ]
        )
    cost = ("wall s", "CPU s", "peak MB", "requests")
    head = ("", *cost, "a minute", "busiest 60 s", "largest STATE")
    memory = measured["memory"]
    each = (measured["growth"][1].usage.cpu - measured["growth"][0].usage.cpu) * 1e6
    each /= measured["growth"][1].request_stats.total - measured["growth"][0].request_stats.total
    return (
        _table(head, rows)
        + f"\nFrom the first to the second size, a request costs {each:.0f} µs of CPU, its rows "
        f"included. Stopped after 1,000 members, users only, the tap took "
        f"{memory[0].peak / 1e6:.0f} MB with a roster of 2,000 and {memory[1].peak / 1e6:.0f} MB "
        "with one of 1,000,000.\n"
    )


_INTRODUCTION = f"""# Benchmarks

The cost of reading the streams that are on by default (activities, rewards, users, user_activities,
user_activity_history, purchases, user_rewards, redemptions, points_expiration) from a made-up
CrowdTwist, compared with the obvious ways to write that. `make bench` (`python -m benchmarks`,
about 20 minutes) writes this page; `python -m benchmarks --quick` takes less than a minute and only
prints its tables.

* **this tap**: its console script, installed without development tools; {CONCURRENCY} requests at
  once, since the default of 16 cannot reach the ceiling at 100 ms. It does not ask for the status
  of deleted members (`deleted_members`), since no other contender does.
* **textbook SDK**: parent and child streams of the Meltano SDK, as in tutorials
  (`contenders/textbook.py`).
* **tuned SDK**: the same with `state_partitioning_keys` empty, no partitions, msgspec, a session
  that does not read the environment, logging at WARNING (`contenders/tuned.py`).
* **dlt rest_api**: dlt's source, all resources parallelized, {CONCURRENCY} workers; it extracts
  rows, normalizes them and loads them to JSON lines in a folder, its cheapest destination.
  *extract only* stops before normalizing (`contenders/dlt_rest_api.py`).
* **bare loop**: `session.get(url).json()` in {CONCURRENCY} threads over the URLs that the tap
  requested just before; nothing is kept or written (`contenders/bare_loop.py`).

Each contender is a process of its own. The sandbox is another process on the same machine and is
not counted. CPU is user and system time, peak memory is the largest resident set, both as reported
by the kernel when the process ends. Output goes to a file and is counted afterwards. The sandbox
counts the requests, and sends documented types only (`--no-drift`). The SDK versions request
nothing else of a member whose profile is missing, hence fewer requests.
"""
_LEGEND = """Bytes of dlt are those of its files. A contender that sends one request at a time is
not run where that would take minutes.
"""
_REMARK = """With 100 members, most of the difference from the bare loop is the start: importing the
SDK takes about a third of a second, more on a busy machine, and the first program stream is read
before any member.
"""
_PROFILE = """Microseconds of CPU, one thread, median of nine turns, all rows against the same
sandbox in the same run (`python -m benchmarks.profile`; `--hot` adds the hot functions).

| | µs |
|---|---|"""


def load(stored: Any) -> Any:
    """Rebuild results from their JSON form."""
    if isinstance(stored, list):
        return [load(item) for item in stored]
    if isinstance(stored, dict):
        if "contender" in stored:
            return Result.load(stored)
        if "wall" in stored:
            return Usage(**stored)
        return {name: load(member) for name, member in stored.items()}
    return stored


if __name__ == "__main__":
    RESULTS = ROOT / "output" / "benchmark.json"
    README.write_text(render(load(json.loads(RESULTS.read_text(encoding="utf-8")))), "utf-8")

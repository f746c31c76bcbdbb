"""The tables of the benchmark, in Markdown."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.setups import BARE, CEILING, DLT, EXTRACT, TAP, Result, Setup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.measure import Usage
    from benchmarks.server import RequestStats


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; whole numbers get separators, missing cells stay empty."""
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    for row in rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row]
        lines.append(" | ".join([*cells, *[""] * (len(head) - len(cells))]))
    return "".join(f"| {line} |\n" for line in lines)


def matrix(results: Sequence[Result]) -> str:
    """Return a table for each configuration, with a row for each contender."""
    head = ["", *_COST, "rate-limited", "MB out", "STATE kB", "largest STATE"]
    head += ["SCHEMA", "RECORD", "STATE"]
    text = []
    for setup in dict.fromkeys(result.setup for result in results):
        limit = f"at most {CEILING:,} requests a minute" if setup.ceiling else "no ceiling"
        text.append(f"### {setup.members:,} members, {setup.latency} ms, {limit}\n\n")
        rows = [_cells(result) for result in results if result.setup == setup]
        text.append(table(head, rows) + "\n")
    return "".join(text)


def _cells(result: Result) -> list[Any]:
    usage, stats, output = result.usage, result.request_stats, result.output
    name = f"{result.contender} (exit code {usage.code})" if usage.code else result.contender
    cells = [name, *_cost(usage, stats), stats.rate_limited]
    if result.contender == BARE:
        return cells
    cells.append(f"{output.size / 1e6:.1f}")
    if result.contender in {DLT, EXTRACT}:
        return cells
    messages = [output.count(kind) for kind in ("SCHEMA", "RECORD", "STATE")]
    return [*cells, f"{output.state / 1000:.1f}", output.largest_state, *messages]


_COST = ("wall s", "CPU s", "peak MB", "requests")


def _cost(usage: Usage, stats: RequestStats) -> list[Any]:
    return [f"{usage.wall:.1f}", f"{usage.cpu:.2f}", f"{usage.peak / 1e6:.0f}", stats.total]


def ratios(close: Sequence[Result], results: Sequence[Result], small: Result, large: Result) -> str:
    """Return the table of required ratios.

    Args:
        close: runs of the tap and the bare loop in turns. Runs of a few seconds vary, so that of
            1,000 members is repeated.
        results: the matrix.
        small: a run of the tap.
        large: the same with ten times the members.
    """
    usages = {(result.contender, result.setup): result.usage for result in results}
    rows: list[tuple[str, float, float, float]] = []
    for members in (100, 300, 1000):
        tap, bare = (usages[name, Setup(members, 100)] for name in (TAP, BARE))
        rows.append((f"wall, bare loop, {members:,} members, 100 ms", tap.wall, bare.wall, 1.1))
    for members in (100, 300):
        tap, bare = (usages[name, Setup(members)] for name in (TAP, BARE))
        rows.append((f"CPU, bare loop, {members} members, 0 ms", tap.cpu, bare.cpu, 1.5))
    ours, bares = (
        statistics.median(result.usage.cpu for result in close if result.contender == name)
        for name in (TAP, BARE)
    )
    rows.append(("CPU, bare loop, 1,000 members, 0 ms, median of three", ours, bares, 1.5))
    for name in (DLT, EXTRACT):
        for latency in (0, 100):
            tap, dlt = (usages[each, Setup(1000, latency)] for each in (TAP, name))
            rows.append((f"CPU, {name}, 1,000 members, {latency} ms", tap.cpu, dlt.cpu, 0.5))
            rows.append((f"wall, {name}, 1,000 members, {latency} ms", tap.wall, dlt.wall, 1))
    sizes = f"{large.setup.members:,} members against {small.setup.members:,}"
    rows.append((f"CPU, {sizes}", large.usage.cpu, small.usage.cpu, 10.5))
    rows.append((f"MB out, {sizes}", large.output.size / 1e6, small.output.size / 1e6, 10.5))
    return table(
        ("", "this tap", "against", "ratio", "at most"),
        [
            (what, f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}", f"{limit:.2f}")
            for what, ours, theirs, limit in rows
        ],
    )


def turns(results: Iterable[Result]) -> str:
    """Return a table of contenders that took turns: minimum and median, CPU as a ratio too."""
    runs: dict[str, list[Usage]] = {}
    for result in results:
        runs.setdefault(result.contender, []).append(result.usage)
    ours = min(usage.cpu for usage in runs[TAP])
    rows = []
    for name, usages in runs.items():
        cpu, wall = ([getattr(usage, of) for usage in usages] for of in ("cpu", "wall"))
        cells = [f"{fold(each):.1f}" for each in (cpu, wall) for fold in (min, statistics.median)]
        rows.append((name, *cells, f"{ours / min(cpu):.2f}"))
    return table(("", "CPU s, minimum", "median", "wall s, minimum", "median", "tap's CPU"), rows)


def limits(runs: Mapping[str, Result], memory: Mapping[int, Usage]) -> str:
    """Return the table of required values.

    Args:
        runs: runs of the tap alone.
        memory: what it used with rosters of some sizes.
    """
    rate = runs["rate, 32 at once"].request_stats
    rows: list[tuple[Any, ...]] = [
        ("requests a minute, 100 ms", round(rate.steady), f"at least {CEILING * 97 // 100:,}"),
        ("requests in the busiest 60 s", rate.busiest, f"at most {CEILING:,}"),
    ]
    for what in ("state", "state, ten times the members"):
        members, output = runs[what].setup.members, runs[what].output
        rows.append((f"largest STATE, {members:,} members", output.largest_state, "at most 65,536"))
        rows.append((f"SCHEMA messages, {members:,} members", output.count("SCHEMA"), "9"))
    for members, usage in memory.items():
        peak = round(usage.peak / 1e6)
        rows.append((f"peak MB, roster of {members:,}, stopped", peak, "at most 200"))
    return table(("", "measured", "required"), rows)


def alone(runs: Mapping[str, Result]) -> str:
    """Return the table of the tap's own runs."""
    head = ("", "members", "ms", *_COST, "a minute", "busiest 60 s", "largest STATE")
    rows = []
    for what, result in runs.items():
        setup, stats, usage = result.setup, result.request_stats, result.usage
        busiest = stats.busiest if usage.wall > 60 else ""  # noqa: PLR2004 - a minute
        cells = [what, setup.members, setup.latency, *_cost(usage, stats)]
        rows.append([*cells, round(stats.steady) or "", busiest, result.output.largest_state])
    return table(head, rows)

"""What a run says at its end: a table for people, one JSON line for programs, the verdict."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from tap_crowdtwist.errors import IncompleteError

if TYPE_CHECKING:
    import logging

    from tap_crowdtwist.run import Run

_COLUMNS = ("records", "asked", "missing", "failed")


def report(run: Run, logger: logging.Logger) -> None:
    """Log what became of each stream, and what went over the wire."""
    if not run.tallies:
        return
    width = max(map(len, run.tallies))
    logger.info("%s  %s", "stream".ljust(width), "  ".join(name.rjust(9) for name in _COLUMNS))
    for stream, tally in run.tallies.items():
        cells = "  ".join(f"{getattr(tally, name):9,}" for name in _COLUMNS)
        note = f"  ({tally.skipped})" if tally.skipped else ""
        logger.info("%s  %s%s", stream.ljust(width), cells, note)
    traffic = run.client.traffic
    totals = {
        "requests": traffic.requests.total(),
        "retried": traffic.retried,
        "refused": traffic.refused,
        "seconds_waiting": round(run.client.waited, 3),
    }
    logger.info(
        "%(requests)d requests, %(retried)d of them again, %(refused)d refused as too fast, "
        "%(seconds_waiting).1f s of waiting for the rate limit",
        totals,
    )
    streams = {stream: asdict(tally) for stream, tally in run.tallies.items()}
    logger.info("Summary: %s", msgspec.json.encode({**totals, "streams": streams}).decode())


def progressed(run: Run) -> bool:
    """Tell whether a run got anywhere, so that going on is worth more than beginning anew."""
    return any(tally.asked > tally.failed for tally in run.tallies.values())


def check(run: Run) -> None:
    """Fail if anything is missing from the output.

    Raises:
        IncompleteError: rows or members are missing; the message says how many and what follows.
    """
    failed = {name: t.failed for name, t in run.tallies.items() if t.failed}
    refused = {name: t.refused for name, t in run.tallies.items() if t.refused}
    problems = []
    if failed:
        problems.append(
            f"members that kept failing: {_counts(failed)}; they are noted in the state and "
            "asked again, first thing, by the next run"
        )
    if refused:
        problems.append(f"rows left out because they have no key: {_counts(refused)}")
    if problems:
        raise IncompleteError(f"Not everything is there: {'. '.join(problems)}")


def _counts(by_stream: dict[str, int]) -> str:
    return ", ".join(f"{stream} {count}" for stream, count in by_stream.items())

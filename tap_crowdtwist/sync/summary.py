"""What a run says at its end: a table for people, one JSON line for programs, the verdict."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.errors import IncompleteError, SettingError
from tap_crowdtwist.files.paths import display_name
from tap_crowdtwist.sync.run import roster_lines_of
from tap_crowdtwist.sync.stats import FORGOTTEN, MAX_SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.sync.stats import StreamStats

_COLUMNS = ("records", "asked", "missing", "deleted", "failed", "requests")
_PRIVATE = frozenset({"failed_positions", "failed_in_row"})
"""Counts that only decide how a run goes on."""


def report(run: SyncRun, logger: logging.Logger) -> None:
    """Log what became of each stream, and what went over the wire."""
    if not run.all_stats:
        return
    run.client.warn_of_truncation()
    requests_sent = run.client.stats
    totals = {
        "requests": requests_sent.requests.total(),
        "retried": requests_sent.retried,
        "rate_limited": requests_sent.rate_limited,
        "mended": requests_sent.mended,
        "seconds_waiting": round(run.client.waited, 3),
    }
    rows: dict[str, dict[str, Any]] = {
        stream: {**_public_stats(stats), "requests": requests_sent.requests[stream]}
        for stream, stats in run.all_stats.items()
    }
    # A person gets the table alone; LOGLEVEL=DEBUG asks for the rest. Programs read a pipe.
    level = logging.DEBUG if sys.stderr.isatty() else logging.INFO
    logger.log(level, "Summary: %s", msgspec.json.encode({**totals, "streams": rows}).decode())
    width = max(map(len, run.all_stats))
    logger.info("%s  %s", "stream".ljust(width), "  ".join(name.rjust(9) for name in _COLUMNS))
    for stream, row in rows.items():
        cells = "  ".join(f"{row[name]:9,}" for name in _COLUMNS)
        note = f"  ({row['skip_reason']})" if row["skip_reason"] else ""
        logger.info("%s  %s%s", stream.ljust(width), cells, note)
    _report_missing(run, logger)
    texts = {
        f"{stream}.{name}": count
        for stream, stats in run.all_stats.items()
        for name, count in stats.texts.items()
    }
    if texts:
        logger.info(
            "Texts that should be JSON objects and are not, as where CrowdTwist cut them after "
            "4,000 characters: %s. Their column is null; with `sensitive_data` keep, the text is "
            "in `additional_properties`",
            _counts(texts),
        )
    for reason, streams in _kept(run).items():
        logger.info("Rows that are no more stay in %s: %s", ", ".join(streams), reason)
    logger.info(
        "%(requests)d requests: %(retried)d sent again, %(refused)d answered 429 (too fast); the "
        "rate limit held them back for %(seconds_waiting).1f s",
        totals,
    )


def _report_missing(run: SyncRun, logger: logging.Logger) -> None:
    """Say who is missing, by lines of the roster, and write the file that names all of them."""
    missing, path, listed = run.missing, run.settings.missing_members_path, 0
    if path is not None and missing.asked:
        try:
            listed = missing.write(path, run.roster, changed=run.settings.only_changed)
        except SettingError as error:
            run.fail(error)
            logger.warning("%s", error)
            path = None
    if not len(missing) and not listed:
        return
    places: list[str] = []
    if not run.settings.only_changed and not run.stop.is_requested:  # reading anew may take long
        places = roster_lines_of({run.roster[n] for n in islice(missing, MAX_SHOWN)}, run.settings)
    among = f"{', among them' if len(places) < len(missing) else ':'} {', '.join(places)}"
    who = "1 member is" if len(missing) == 1 else f"{len(missing):,} members are"
    said = f"{who} not known to CrowdTwist{among if places else ''}"
    if path is None:
        hint = "; `missing_members_path` can name a file for all of them"
        logger.info("%s%s", said, hint if len(places) < len(missing) else "")
        return
    earlier = f", with {listed - len(missing):,} of earlier runs" if listed > len(missing) else ""
    logger.info("%s; %s names them all%s", said, display_name(str(path)), earlier)
    if listed < missing.expected:
        logger.warning(
            "%s is not complete: a run that was killed found at least %d more in this sweep; the "
            "next whole sweep names them",
            display_name(str(path)),
            missing.expected - listed,
        )


def _kept(run: SyncRun) -> dict[str, list[str]]:
    """Return why streams did not forget vanished rows, where that was wanted: reason -> streams."""
    kept: dict[str, list[str]] = {}
    for stream, stats in run.all_stats.items():
        if stats.vanished_rows not in {"", FORGOTTEN}:
            kept.setdefault(stats.vanished_rows, []).append(stream)
    return kept


def _public_stats(stats: StreamStats) -> dict[str, Any]:
    """Return what a program may want to know of a stream."""
    return {
        name: value
        for name, value in asdict(stats).items()
        if name not in _PRIVATE and value != {} and (name != "vanished_rows" or value)
    }


def progressed(run: SyncRun) -> bool:
    """Tell whether a run got anywhere, so that going on is worth more than beginning anew."""
    return any(stats.asked > stats.failed for stats in run.all_stats.values())


def check(run: SyncRun, bookmarks: Mapping[str, Any]) -> None:
    """Fail if anything is missing from the output.

    Args:
        run: what was just done.
        bookmarks: the state that it leaves behind, by stream.

    Raises:
        IncompleteError: rows or members are missing; the message says how many and what follows.
    """
    owed = {
        stream: failed["count"]
        for stream in run.all_stats
        if (failed := bookmarks.get(stream, {}).get("sweep", {}).get("failed"))
    }
    refused = {
        name: stats.rejected_rows for name, stats in run.all_stats.items() if stats.rejected_rows
    }
    problems = list(run.failures)
    if owed:
        reasons = [stats.last_error for stats in run.all_stats.values() if stats.last_error]
        because = f" (the last one because: {reasons[-1]})" if reasons else ""
        problems.append(
            f"members that kept failing: {_counts(owed)}{because}; they are noted in the state and "
            f"asked again by the next run{_places(run)}"
        )
    if refused:
        problems.append(f"rows left out because they have no key: {_counts(refused)}")
    if problems:
        raise IncompleteError(f"Not everything is there: {'. '.join(problems)}")


def _places(run: SyncRun) -> str:
    """Say which lines of the roster name members that failed, without saying who they are."""
    positions = {n for stats in run.all_stats.values() for n in stats.failed_positions}
    if not positions or run.settings.only_changed:  # whose roster has no lines
        return ""
    shown = roster_lines_of({run.roster[n] for n in sorted(positions)[:MAX_SHOWN]}, run.settings)
    return f"; among them {', '.join(shown)}" if shown else ""


def _counts(by_stream: dict[str, int]) -> str:
    return ", ".join(f"{stream} {count}" for stream, count in by_stream.items())

"""The end of a run: a table for people, one JSON line for programs, and whether all is there."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.errors import IncompleteError, SettingError
from tap_crowdtwist.files.paths import display_name
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.sync.run import roster_lines_of
from tap_crowdtwist.sync.stats import FORGOTTEN, MAX_SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.sync.stats import StreamStats

_COLUMNS = ("records", "asked", "missing", "deleted", "failed", "requests")
_PRIVATE = frozenset({"failed_positions", "failed_in_row"})
"""Fields that only decide how a run continues."""


def report(run: SyncRun, logger: logging.Logger) -> None:
    """Log what happened to each stream, and how many requests were sent."""
    if not run.all_stats:
        return
    run.client.warn_of_truncation()
    requests_sent = run.client.stats
    # Not `run.roster`: a run of program streams alone has none, and must not look for one.
    roster = vars(run).get("roster", Roster(()))
    totals = {
        "members": len(roster),
        "roster_ids": 0 if run.settings.only_changed else roster.ids_read,
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
    # A person at a terminal gets the table alone (LOGLEVEL=DEBUG shows the JSON line). Programs
    # read stderr through a pipe, and need the JSON.
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
            "Texts that should be JSON objects but are not, for example because CrowdTwist cuts "
            "them after 4,000 characters: %s. Their column is null; with `sensitive_data` keep, "
            "the text is in `additional_properties`",
            _counts(texts),
        )
    for reason, streams in _reasons_rows_stay(run).items():
        logger.info("Rows that no longer exist stay in %s: %s", ", ".join(streams), reason)
    logger.info(
        "%(requests)d requests: %(retried)d sent again, %(rate_limited)d answered 429 (too fast); "
        "the rate limit held them back for %(seconds_waiting).1f s",
        totals,
    )


def _report_missing(run: SyncRun, logger: logging.Logger) -> None:
    """Log which members are missing, by roster line, and write the file that names all of them."""
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
    # Finding the lines means reading the roster again, which takes too long after a stop. The
    # roster of `sweep_members` changed has no lines.
    if not run.settings.only_changed and not run.stop.is_requested:
        places = roster_lines_of({run.roster[n] for n in islice(missing, MAX_SHOWN)}, run.settings)
    among = f"{', among them' if len(places) < len(missing) else ':'} {', '.join(places)}"
    who = "1 member is" if len(missing) == 1 else f"{len(missing):,} members are"
    message = f"{who} not known to CrowdTwist{among if places else ''}"
    if path is None:
        hint = "; `missing_members_path` can name a file for all of them"
        logger.info("%s%s", message, hint if len(places) < len(missing) else "")
        return
    earlier = f", with {listed - len(missing):,} of earlier runs" if listed > len(missing) else ""
    logger.info("%s; %s names them all%s", message, display_name(str(path)), earlier)
    if listed < missing.expected:
        logger.warning(
            "%s is not complete: an earlier run of this sweep, which was killed, found at least %d "
            "more; the next complete sweep names them",
            display_name(str(path)),
            missing.expected - listed,
        )


def _reasons_rows_stay(run: SyncRun) -> dict[str, list[str]]:
    """Return, by reason, the streams whose vanished rows were not forgotten although requested."""
    reasons: dict[str, list[str]] = {}
    for stream, stats in run.all_stats.items():
        if stats.vanished_rows not in {"", FORGOTTEN}:
            reasons.setdefault(stats.vanished_rows, []).append(stream)
    return reasons


def _public_stats(stats: StreamStats) -> dict[str, Any]:
    """Return the fields of the JSON summary."""
    return {
        name: value
        for name, value in asdict(stats).items()
        if name not in _PRIVATE and value != {} and (name != "vanished_rows" or value)
    }


def has_progressed(run: SyncRun) -> bool:
    """Return whether the run read any member, so that resuming it saves requests."""
    return any(stats.asked > stats.failed for stats in run.all_stats.values())


def check(run: SyncRun, bookmarks: Mapping[str, Any]) -> None:
    """Raise an error if anything is missing from the output.

    Args:
        run: the run that has ended.
        bookmarks: the state that it leaves, by stream.

    Raises:
        IncompleteError: rows or members are missing; the message says how many, and what the next
            run does.
    """
    # The state counts members too that an earlier run failed to read and this one did not retry.
    failed_by_stream = {
        stream: failed["count"]
        for stream in run.all_stats
        if (failed := bookmarks.get(stream, {}).get("sweep", {}).get("failed"))
    }
    rejected_rows = {
        name: stats.rejected_rows for name, stats in run.all_stats.items() if stats.rejected_rows
    }
    problems = list(run.failures)
    if failed_by_stream:
        problems.append(_failed_members(run, failed_by_stream))
    if rejected_rows:
        problems.append(f"rows left out because they have no key: {_counts(rejected_rows)}")
    if problems:
        raise IncompleteError(f"Incomplete: {'. '.join(problems)}")


def _failed_members(run: SyncRun, failed_by_stream: Mapping[str, int]) -> str:
    """Return two sentences: how many members failed, where and why, and what happens to them."""
    (first_stream, first_count), *further = failed_by_stream.items()
    members = "1 member" if first_count == 1 else f"{first_count:,} members"
    streams = "".join(f", {count:,} in `{stream}`" for stream, count in further)
    total = sum(failed_by_stream.values())
    details = []
    if lines := _failed_roster_lines(run):
        details.append(f"{'among them ' if len(lines) < total else ''}{', '.join(lines)}")
    if errors := [stats.last_error for stats in run.all_stats.values() if stats.last_error]:
        details.append(f"last error: {errors[-1]}")
    in_brackets = f" ({'; '.join(details)})" if details else ""
    return (
        f"{members} failed in `{first_stream}`{streams}{in_brackets}. The next run retries "
        f"{'it' if total == 1 else 'them'} after the other members"
    )


def _failed_roster_lines(run: SyncRun) -> list[str]:
    """Return which roster lines name failed members, without their ids."""
    positions = {n for stats in run.all_stats.values() for n in stats.failed_positions}
    # With `sweep_members` changed the roster is computed, so it has no lines.
    if not positions or run.settings.only_changed:
        return []
    return roster_lines_of({run.roster[n] for n in sorted(positions)[:MAX_SHOWN]}, run.settings)


def _counts(by_stream: Mapping[str, int]) -> str:
    return ", ".join(f"{stream} {count}" for stream, count in by_stream.items())

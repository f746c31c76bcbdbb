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
from tap_crowdtwist.sync import profile_report
from tap_crowdtwist.sync.run import roster_lines_of
from tap_crowdtwist.sync.stats import FORGOTTEN, MAX_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.sync.stats import StreamStats

_COLUMNS = ("records", "asked", "missing", "deleted", "failed", "requests")
_PRIVATE = ("failed_positions", "failed_in_row", "ended_at", "gap", "sweep")
"""Fields that only decide how a run continues, or that only `sync_runs` tells."""
_OPTIONAL = {
    "checked": "checked",
    "contradicted": "checked",
    "texts": "texts",
    "vanished_rows": "vanished_rows",
}
"""Fields that the JSON summary has only where another one, or the field itself, is not empty."""


def report(run: SyncRun, logger: logging.Logger) -> None:
    """Log what happened to each stream, and how many requests were sent."""
    if not run.all_stats:
        return
    run.client.warn_of_truncation()
    requests = run.client.stats
    # Not `run.roster`: a run of program streams alone has none, and must not look for one.
    roster = vars(run).get("roster", Roster(()))
    sample = run.settings.sample_members
    totals = {
        "members": len(roster),
        **({"sample_members": sample} if sample else {}),
        "roster_ids": 0 if run.settings.only_changed else roster.ids_read,
        "requests": requests.requests.total(),
        "retried": requests.retried.total(),
        "rate_limited": requests.rate_limited.total(),
        "mended": requests.mended,
        "seconds_waiting": round(run.client.waited, 3),
        **profile_report.totals(run),
    }
    rows = {
        stream: {**public_stats(stats), "requests": requests.requests[stream]}
        for stream, stats in run.all_stats.items()
    }
    # A person at a terminal gets the table alone (LOGLEVEL=DEBUG shows the JSON line). Programs
    # read stderr through a pipe, and need the JSON.
    level = logging.DEBUG if sys.stderr.isatty() else logging.INFO
    logger.log(level, "Summary: %s", msgspec.json.encode({**totals, "streams": rows}).decode())
    _log_table(rows, logger)
    if sample:
        logger.warning(
            "Only a sample of %d members was read (`sample_members`): no stream of members is "
            "marked as complete, and its state is unchanged",
            len(roster),
        )
    _report_missing(run, logger)
    _report_texts(run, logger)
    _report_kept_rows(run, logger)
    profile_report.report(run, logger)
    logger.info(
        "%(requests)d requests: %(retried)d sent again, %(rate_limited)d answered 429 (too fast); "
        "the rate limit held them back for %(seconds_waiting).1f s",
        totals,
    )


def public_stats(stats: StreamStats) -> dict[str, Any]:
    """Return the fields that a stream has in the JSON summary, besides its requests."""
    fields = asdict(stats)
    for name in _PRIVATE:
        del fields[name]
    left_out = [name for name, condition in _OPTIONAL.items() if not fields[condition]]
    for name in left_out:
        del fields[name]
    return fields


def _log_table(rows: Mapping[str, Mapping[str, Any]], logger: logging.Logger) -> None:
    """Log the counts of each stream as a row of a table."""
    width = max(map(len, rows))
    header = "  ".join(name.rjust(9) for name in _COLUMNS)
    logger.info("%s  %s", "stream".ljust(width), header)
    for stream, row in rows.items():
        cells = "  ".join(f"{row[name]:9,}" for name in _COLUMNS)
        note = f"  ({row['skip_reason']})" if row["skip_reason"] else ""
        logger.info("%s  %s%s", stream.ljust(width), cells, note)


def _report_missing(run: SyncRun, logger: logging.Logger) -> None:
    """Log which members are missing, by roster line, and write the file that names all of them."""
    listed = _write_missing_file(run, logger)
    count = len(run.missing)
    if not count and not listed:
        return
    places = _missing_roster_lines(run)
    message = _missing_sentence(count, places)
    if listed is None:
        if len(places) < count:
            message += "; `missing_members_path` can name a file for all of them"
        logger.info("%s", message)
        return
    file_name = display_name(str(run.settings.missing_members_path))
    earlier = f", with {listed - count:,} of earlier runs" if listed > count else ""
    logger.info("%s; %s names them all%s", message, file_name, earlier)
    lost = run.missing.expected - listed
    if lost > 0:
        logger.warning(
            "%s is not complete: an earlier run of this sweep, which was killed, found at least %d "
            "more; the next complete sweep names them",
            file_name,
            lost,
        )


def _write_missing_file(run: SyncRun, logger: logging.Logger) -> int | None:
    """Write the file of missing members.

    Returns:
        How many it lists; None if there is no such file, or it cannot be written.
    """
    path = run.settings.missing_members_path
    if path is None or not run.missing.asked:
        return None
    try:
        is_part = run.settings.only_changed or run.settings.sample_members is not None
        return run.missing.write(path, run.roster, is_part=is_part)
    except SettingError as error:
        run.fail(error)
        logger.warning("%s", error)
        return None


def _missing_roster_lines(run: SyncRun) -> list[str]:
    """Return which roster lines name the first missing members, without their ids."""
    # Finding the lines means reading the roster again, which takes too long after a stop.
    if run.stop.is_requested:
        return []
    return _roster_lines(run, islice(run.missing, MAX_SHOWN))


def _roster_lines(run: SyncRun, positions: Iterable[int]) -> list[str]:
    """Return which roster lines name the members at some positions, without their ids."""
    # With `sweep_members` changed the roster is computed, so it has no lines.
    if run.settings.only_changed:
        return []
    members = {run.roster[position] for position in positions}
    return roster_lines_of(members, run.settings) if members else []


def _missing_sentence(count: int, places: Sequence[str]) -> str:
    who = "1 member is" if count == 1 else f"{count:,} members are"
    sentence = f"{who} not known to CrowdTwist"
    if not places:
        return sentence
    introduction = ", among them" if len(places) < count else ":"
    return f"{sentence}{introduction} {', '.join(places)}"


def _report_texts(run: SyncRun, logger: logging.Logger) -> None:
    """Log how many texts should be JSON objects, by property."""
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


def _report_kept_rows(run: SyncRun, logger: logging.Logger) -> None:
    """Log, by reason, the streams whose vanished rows were not forgotten although requested."""
    streams_by_reason: dict[str, list[str]] = {}
    for stream, stats in run.all_stats.items():
        if stats.vanished_rows not in {"", FORGOTTEN}:
            streams_by_reason.setdefault(stats.vanished_rows, []).append(stream)
    for reason, streams in streams_by_reason.items():
        logger.info("Rows that no longer exist stay in %s: %s", ", ".join(streams), reason)


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
    problems = list(run.failures)
    failed_by_stream = _failed_by_stream(run, bookmarks)
    if failed_by_stream:
        problems.append(_failed_members(run, failed_by_stream))
    rejected_rows = {
        name: stats.rejected_rows for name, stats in run.all_stats.items() if stats.rejected_rows
    }
    if rejected_rows:
        problems.append(f"rows left out because they have no key: {_counts(rejected_rows)}")
    if problems:
        raise IncompleteError(f"Incomplete: {'. '.join(problems)}")


def _failed_by_stream(run: SyncRun, bookmarks: Mapping[str, Any]) -> dict[str, int]:
    """Return how many members failed, by stream.

    The state counts members too that an earlier run failed to read and this one did not retry. That
    of a sample stays as it was.
    """
    if run.settings.sample_members:
        return {name: stats.failed for name, stats in run.all_stats.items() if stats.failed}
    counts = {}
    for stream in run.all_stats:
        failed = bookmarks.get(stream, {}).get("sweep", {}).get("failed")
        if failed:
            counts[stream] = failed["count"]
    return counts


def _failed_members(run: SyncRun, failed_by_stream: Mapping[str, int]) -> str:
    """Return two sentences: how many members failed, where and why, and what happens to them."""
    (first_stream, first_count), *further = failed_by_stream.items()
    members = "1 member" if first_count == 1 else f"{first_count:,} members"
    streams = "".join(f", {count:,} in `{stream}`" for stream, count in further)
    total = sum(failed_by_stream.values())
    sentence = f"{members} failed in `{first_stream}`{streams}{_failure_details(run, total)}"
    if run.settings.sample_members:
        return sentence  # the state does not list them
    them = "it" if total == 1 else "them"
    return f"{sentence}. The next run retries {them} after the other members"


def _failure_details(run: SyncRun, total: int) -> str:
    """Return in brackets whose members failed, by roster line, and the last error; or ""."""
    positions: set[int] = set()
    last_error = ""
    for stats in run.all_stats.values():
        positions.update(stats.failed_positions)
        last_error = stats.last_error or last_error
    details = []
    lines = _roster_lines(run, sorted(positions)[:MAX_SHOWN])
    if lines:
        among = "among them " if len(lines) < total else ""
        details.append(f"{among}{', '.join(lines)}")
    if last_error:
        details.append(f"last error: {last_error}")
    return f" ({'; '.join(details)})" if details else ""


def _counts(by_stream: Mapping[str, int]) -> str:
    return ", ".join(f"{stream} {count}" for stream, count in by_stream.items())

"""Resuming of an interrupted run: streams that it completed are not read again.

The cursor of a sweep lets the next run continue at the member where the last one stopped. But
streams that were complete have no cursor, and reading them again would cost hours. So a complete
sweep leaves a mark (`completed_at`) in the state of its stream, which is removed when the whole run
is complete. A run that finds marks, and a timestamp of the earlier run that is not older than
`MAX_PAUSE`, resumes that run and skips the marked streams. Any other run reads every stream.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.timestamps import load_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PAUSE = timedelta(hours=1)
"""Longest pause after which a run resumes the last one: longer than a retry, shorter than a day."""

COMPLETED_AT = "completed_at"
DOUBT = "doubt"
"""Why a stream that the run completed may lack rows; only beside `completed_at`."""

_MARKS = (COMPLETED_AT, DOUBT)


def is_resumable(state: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a run with this state resumes the run that wrote it."""
    marked = any(entry.get(COMPLETED_AT) for entry in _entries(state))
    # `abs`: the clock of the machine that wrote the state may be ahead.
    return marked and any(abs(now - written) <= MAX_PAUSE for written in _written_at(state))


def clear_marks(state: Mapping[str, Any]) -> None:
    """Set the marks of an earlier run to null.

    Removing them is not enough here: Meltano may merge a state into the last one, and a key that is
    merely absent would come back.
    """
    for entry in _entries(state):
        entry.update({mark: None for mark in _MARKS if mark in entry})


def remove_marks(state: Mapping[str, Any]) -> None:
    """Remove the marks: the run is complete, and the next one reads every stream."""
    for entry in _entries(state):
        for mark in _MARKS:
            entry.pop(mark, None)


def _entries(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in state.get("bookmarks", {}).values() if isinstance(entry, dict)]


def _written_at(state: Mapping[str, Any]) -> Iterator[datetime]:
    """Yield when a run wrote the entries of a state, as far as they say so."""
    for entry in _entries(state):
        sweep = entry.get("sweep")
        saved_at = sweep.get("at") if isinstance(sweep, dict) else None
        for text in (entry.get(COMPLETED_AT), saved_at):
            try:
                timestamp = load_timestamp(text)
            except (AttributeError, TypeError, ValueError):
                continue
            if timestamp is not None:
                yield timestamp

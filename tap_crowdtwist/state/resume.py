"""A run that was cut short and is started again soon goes on; it does not start over.

The cursor of a sweep brings a new run back to the member where the last one stopped. But the
streams that were complete by then have no cursor, and reading them all again would cost hours. So
a completed sweep leaves a mark (`completed_at`) in its stream's state, which goes when the whole
run is complete. A run that finds marks, and signs of life that are not older than `MAX_PAUSE`,
resumes that run and leaves the marked streams alone. Any other run begins anew.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.state.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PAUSE = timedelta(hours=1)
"""How soon a run has to be started again to be the same one: a retry is, tomorrow's run is not."""

COMPLETED_AT = "completed_at"


def is_resumable(state: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a run that is given this state goes on with the one that wrote it."""
    marked = any(entry.get(COMPLETED_AT) for entry in _entries(state))
    return marked and any(abs(now - sign) <= MAX_PAUSE for sign in _signs_of_life(state))


def clear_marks(state: Mapping[str, Any]) -> None:
    """Void the marks of an earlier run; where states are merged, one that is gone would stay."""
    for entry in _entries(state):
        if COMPLETED_AT in entry:
            entry[COMPLETED_AT] = None


def remove_marks(state: Mapping[str, Any]) -> None:
    """Take the marks away: the run is over, and the next one reads every stream."""
    for entry in _entries(state):
        entry.pop(COMPLETED_AT, None)


def _entries(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in state.get("bookmarks", {}).values() if isinstance(entry, dict)]


def _signs_of_life(state: Mapping[str, Any]) -> Iterator[datetime]:
    for entry in _entries(state):
        sweep = entry.get("sweep")
        for sign in (entry.get(COMPLETED_AT), sweep.get("at") if isinstance(sweep, dict) else None):
            try:
                moment = parse_timestamp(sign)
            except (AttributeError, TypeError, ValueError):
                continue
            if moment is not None:
                yield moment

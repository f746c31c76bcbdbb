"""Removal of captures that are older than the option `--keep-days`."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from crowdtwist_receiver.feeds import FEEDS
from crowdtwist_receiver.stats import log

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_receiver.stats import ReceiverStats

_INTERVAL_SECONDS = 3600
_HOUR = timedelta(hours=1)
_CAPTURE = re.compile(rf"(?:{'|'.join(FEEDS)})-(\d{{8}}T\d\d)-[0-9a-f]{{8}}\.jsonl")
"""Name of a file that a receiver writes; the journal makes it."""


async def remove_every_hour(directory: Path, keep_days: int, stats: ReceiverStats) -> None:
    """Remove old captures once an hour, until cancelled; see `remove_old_captures`."""
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        # In a thread, so that a slow disk does not hold up requests.
        await asyncio.to_thread(remove_old_captures, directory, keep_days, stats)


def remove_old_captures(
    directory: Path, keep_days: int, stats: ReceiverStats, now: datetime | None = None
) -> None:
    """Remove the captures whose hour, and whose last write, are more than some days ago.

    Both must be old, since captures may be copied here later. Files of other names stay. One line
    is logged of what was removed, and one of each reason why a file could not be.

    Args:
        directory: the directory of the captures.
        keep_days: number of days, from 1 to 36,500; so no file is removed that is still written
            to.
        stats: counts what was removed.
        now: the current time; aware.
    """
    oldest = (now or datetime.now(timezone.utc)) - timedelta(days=keep_days)
    results: Counter[str] = Counter()
    try:
        for path in directory.iterdir():
            name = _CAPTURE.fullmatch(path.name)
            if name:
                results[_remove_if_old(path, name[1], oldest)] += 1
    except OSError as error:
        results[f"{error.strerror}"] += 1
    removed = results.pop("removed", 0)
    results.pop("kept", None)
    stats.disk["removed captures"] += removed
    if removed:
        log(f"removed captures of more than {keep_days} days ago: {removed}")
    for reason, count in results.items():
        log(f"cannot remove old captures ({count} x {reason})")


def _remove_if_old(path: Path, hour: str, oldest: datetime) -> str:
    """Remove a file if it is old; return what was done, or why it could not be."""
    try:
        ended = datetime.strptime(hour, "%Y%m%dT%H").replace(tzinfo=timezone.utc) + _HOUR
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        if max(ended, written) >= oldest:
            return "kept"
        path.unlink()
    except (OverflowError, ValueError):  # no date: no receiver has named it
        return "kept"
    except FileNotFoundError:  # another receiver of this directory was faster
        return "kept"
    except OSError as error:
        return error.strerror or type(error).__name__
    return "removed"

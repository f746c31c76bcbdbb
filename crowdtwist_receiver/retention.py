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
_CAPTURE = re.compile(rf"(?:{'|'.join(FEEDS)})-(\d{{8}}T\d\d)-[0-9a-f]{{8}}\.jsonl")
"""Name of a file that a receiver writes; the same pattern as the journal's names."""


async def remove_every_hour(directory: Path, keep_days: int, stats: ReceiverStats) -> None:
    """Remove old captures now and once an hour, until cancelled.

    Args:
        directory: the directory of the captures.
        keep_days: number of days, from 1 to 36,500.
        stats: counts what was removed.
    """
    while True:
        # In a thread, so that a slow disk does not hold up requests.
        removed = await asyncio.to_thread(
            remove_old_captures, directory, keep_days, datetime.now(timezone.utc)
        )
        stats.disk["removed captures"] += removed
        await asyncio.sleep(_INTERVAL_SECONDS)


def remove_old_captures(directory: Path, keep_days: int, now: datetime) -> int:
    """Remove the captures whose hour, and whose last write, are more than some days ago.

    Both must be old: the clock of a receiver may have been wrong when it named a file. Files of
    other names stay. One line is logged of what was removed, and one of each reason why a file
    could not be.

    Args:
        directory: the directory of the captures.
        keep_days: number of days, at least 1; so no file is removed that is still written to.
        now: the current time; aware.

    Returns:
        The number of removed files.
    """
    oldest = now - timedelta(days=keep_days)
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
    if removed:
        log(f"removed {removed} captures of more than {keep_days} days ago")
    for reason, count in results.items():
        log(f"cannot remove old captures ({count} x {reason})")
    return removed


def _remove_if_old(path: Path, hour: str, oldest: datetime) -> str:
    """Remove a file if it is old; return what was done, or why it could not be."""
    try:
        named = datetime.strptime(hour, "%Y%m%dT%H").replace(tzinfo=timezone.utc)
    except ValueError:  # no receiver has named it
        return "kept"
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        if max(named + timedelta(hours=1), written) >= oldest:
            return "kept"
        path.unlink()
    except FileNotFoundError:  # another receiver of this directory was faster
        return "kept"
    except OSError as error:
        return error.strerror or type(error).__name__
    return "removed"

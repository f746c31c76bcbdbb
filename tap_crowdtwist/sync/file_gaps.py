"""Checks that no file is missing from which a sweep of changed members is computed."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.naming import DATA_PUSH, FEEDS
from tap_crowdtwist.records.timestamps import parse_timestamp
from tap_crowdtwist.state.timestamps import dump_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.files.history import FileHistory
    from tap_crowdtwist.files.naming import FileNaming

MAX_FILE_AGE = timedelta(days=3)
"""Time without a newer file after which the delivery is considered broken."""

_REQUIRED_FEEDS = ("PROFILE", "USER_ACTIVITY")
"""Feeds that must come every day; the others must do so only once they have come at all."""

SWEEP_ALL_ONCE = "run once with `sweep_members` all"
"""Advice at the end of an error about missing files."""


def check_kept(
    naming: FileNaming, files: Iterable[File], read: FileHistory, begun: FileHistory
) -> None:
    """Check that the files with which a resumed sweep began still exist.

    Both histories may be advanced to the same end.

    Raises:
        SettingError: files are missing.
    """
    period = begun.lost_period(files, read)
    if period is not None:
        since = max(period, begun.start)
        when = f"{'of' if period == since else 'from before'} {naming.describe_period(since)}"
        raise SettingError(
            naming.setting,
            f"has no more files {when}, in the middle of the sweep of the members in them; put "
            f"them back, or else {SWEEP_ALL_ONCE}",
        )


def check_gap(
    seen: Mapping[str, Any],
    files: Sequence[File],
    due: Sequence[File],
    read: FileHistory,
    daily: Sequence[str],
) -> None:
    """Check that each feed has a file for every day since all members were swept.

    Raises:
        SettingError: a file is missing.
    """
    if not due:
        return
    feeds = set(daily) or {*_REQUIRED_FEEDS, *seen["feeds"], *(file.feed for file in files)}
    there = defaultdict(set)
    for file in files:
        there[file.period].add(file.feed)
    # Days before `read.start` have no sum of their own any more, so they cannot be checked.
    first = max(_first_required_day(seen, files, read), read.start)
    for day in range(first, due[-1].period + 1):
        lacking = sorted(feeds - there[day], key=FEEDS.index)
        if lacking and not read[day]:
            missing = " and no ".join(lacking) + " file" if len(lacking) < len(feeds) else "file"
            raise SettingError(
                "data_push_path",
                f"has no {missing} dated {DATA_PUSH.describe_period(day)}, so who changed on the "
                f"day before is not known; run again when it has come, or else {SWEEP_ALL_ONCE}",
            )


def _first_required_day(seen: Mapping[str, Any], files: Sequence[File], read: FileHistory) -> int:
    """Return the first day whose files must exist.

    A file covers the day before the date in its name, so the rest of the day on which all members
    were swept is in the file dated a day later. The file of the day itself is required too if a
    file of that day or of an older one has been read: days of the files may end later than days in
    UTC. If none has, Data Push began later.

    Raises:
        SettingError: no file has been read, and the oldest one is of a later day.
    """
    since = parse_timestamp(seen["all_at"])
    day_of_sweep = DATA_PUSH.period_number(since)
    if any(read[day] for day in range(read.start, day_of_sweep + 1)):
        return day_of_sweep
    oldest = files[0].period
    # Without any file of that time, missing days cannot be distinguished from a later start of
    # Data Push.
    if oldest > day_of_sweep + 1 and not any(read.sums):
        raise SettingError(
            "data_push_path",
            f"has no file dated earlier than {DATA_PUSH.describe_period(oldest)}, so who changed "
            f"since the last sweep of all members, on {since:%Y-%m-%d}, is not known; if Data Push "
            f"was switched on after that, {SWEEP_ALL_ONCE}",
        )
    return day_of_sweep + 1


def check_age(
    seen: Mapping[str, Any], files: Sequence[File], read: FileHistory, now: datetime
) -> None:
    """Check that the newest file is not too old.

    Raises:
        SettingError: no newer file has come for `MAX_FILE_AGE`.
    """
    fresh_at = parse_timestamp(seen["fresh_at"])
    if now - fresh_at > MAX_FILE_AGE and not any(file.period >= read.end for file in files):
        raise SettingError(
            "data_push_path",
            f"has had no file of a newer day since {dump_timestamp(fresh_at)}, so who changed is "
            f"not known; check the delivery, and {SWEEP_ALL_ONCE}",
        )

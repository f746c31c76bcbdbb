"""Checks that no file is missing from which a sweep of changed members is computed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files.naming import DATA_PUSH, FEEDS
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp

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

    Raises:
        SettingError: files are missing.
    """
    period = begun.lost_period(files, read)
    if period is not None:
        since = max(period, begun.start)
        when = f"{'of' if period == since else 'from before'} {_date(naming, since)}"
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

    A file covers the day before the date in its name, so the rest of the day of that sweep is in
    the file dated a day later. The file of the day itself is required too if a file of that day or
    of an older one has been read: days of the files may end later than days in UTC. If none has,
    Data Push began later.

    Raises:
        SettingError: a file is missing.
    """
    if not due:
        return
    feeds = set(daily) or {*_REQUIRED_FEEDS, *seen.get("feeds", ()), *(file.feed for file in files)}
    there = {(file.period, file.feed) for file in files}
    since = load_timestamp(seen.get("all_at"))
    first = due[0].period
    if since is not None:
        day_after = DATA_PUSH.period_number(since) + 1
        has_read_older = any(read[day] for day in range(read.start, day_after))
        first = day_after - has_read_older
        oldest = min(file.period for file in files)
        # Without any file of that time, missing days cannot be distinguished from a later start of
        # Data Push.
        if oldest > first and not any(read.sums):
            raise SettingError(
                "data_push_path",
                f"has no file dated earlier than {_date(DATA_PUSH, oldest)}, so who changed since "
                f"the last sweep of all members, on {since:%Y-%m-%d}, is not known; if Data Push "
                f"was switched on after that, {SWEEP_ALL_ONCE}",
            )
    # Days before `read.start` have no sum of their own any more, so they cannot be checked.
    for day in range(max(first, read.start), due[-1].period + 1):
        lacking = [feed for feed in FEEDS if feed in feeds and (day, feed) not in there]
        if lacking and not read[day]:
            missing = " and no ".join(lacking) + " file" if len(lacking) < len(feeds) else "file"
            raise SettingError(
                "data_push_path",
                f"has no {missing} dated {_date(DATA_PUSH, day)}, so who changed on the day before "
                f"is not known; run again when it has come, or else {SWEEP_ALL_ONCE}",
            )


def check_age(
    seen: Mapping[str, Any], files: Sequence[File], read: FileHistory, now: datetime
) -> None:
    """Check that the newest file is not too old.

    Raises:
        SettingError: no newer file has come for `MAX_FILE_AGE`.
    """
    fresh_at = load_timestamp(seen.get("fresh_at"))
    has_newer = any(file.period >= read.end for file in files)
    if not has_newer and fresh_at is not None and now - fresh_at > MAX_FILE_AGE:
        raise SettingError(
            "data_push_path",
            f"has had no file of a newer day since {dump_timestamp(fresh_at)}, so who changed is "
            f"not known; check the delivery, and {SWEEP_ALL_ONCE}",
        )


def _date(naming: FileNaming, period: int) -> str:
    start = naming.period_start(period)
    return f"{start:%Y-%m-%d}" if naming is DATA_PUSH else f"{start:%Y-%m-%d %H:00}"

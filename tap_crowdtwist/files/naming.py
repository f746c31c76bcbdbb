"""Names of files: the feed that a file belongs to, and the day or hour in its name.

The name of a Live Push file has the hour in which its events arrived. The name of a Data Push file
has the day on which the file was finished; its content is from the day before (`content_day`).

Sources: Data Push Overview and the page of each batch feed, for `2_<client>_<FEED>_YYYYMMDD`; Batch
Activity Credit, for `activities_<client>_yyyymmddhhmiss.txt`. Live Push files are
named by our own receiver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class ParsedName(NamedTuple):
    """The parts of a file's name.

    Attributes:
        feed: the feed that the file belongs to.
        timestamp: the beginning of the day or hour in the name; aware, UTC.
        program: the client number of its program; "" if the name has none.
    """

    feed: str
    timestamp: datetime
    program: str


@dataclass(frozen=True)
class FileNaming:
    """The naming scheme of the files of one kind.

    Attributes:
        setting: the setting with their path.
        pattern: a regular expression with the groups `feed`, `timestamp` and `program`.
        timestamp_format: the format of the group `timestamp`, for `strptime`.
        period: the unit in which files are counted: a day or an hour.
        example: a valid name, for messages.
        near: matches names that are nearly right, with the groups `begin`, `year`, `month`, `day`
            and `ending`, which make up the right name.
        period_format: how messages show a period, for `strftime`.
    """

    setting: str
    pattern: re.Pattern[str]
    timestamp_format: str
    period: timedelta
    example: str
    near: re.Pattern[str] = re.compile(r"(?!)")  # matches nothing
    period_format: str = "%Y-%m-%d"

    def parse(self, name: str) -> ParsedName | None:
        """Return the parts of a name, or None if it is not a name of this kind."""
        match = self.pattern.fullmatch(name)
        if match is None:
            return None
        groups = match.groupdict()
        try:
            timestamp = datetime.strptime(groups["timestamp"], self.timestamp_format).replace(
                tzinfo=timezone.utc
            )
        except ValueError:
            return None
        feed = _FEED_NAMES.get(groups["feed"].upper(), groups["feed"])
        return ParsedName(feed, timestamp, groups["program"])

    def correct(self, name: str) -> str | None:
        """Return the right name for a name that is nearly right, else None."""
        match = self.near.fullmatch(name)
        if match is None:
            return None
        right = "{begin}_{year}{month}{day}.{ending}".format(**match.groupdict())
        return right if right != name and self.parse(right) else None

    def period_number(self, timestamp: datetime) -> int:
        """Return the number of the period, counted from 1970, that contains a timestamp."""
        return (timestamp - _EPOCH) // self.period

    def describe_period(self, period: int) -> str:
        """Return the day or hour at which a period begins, for messages."""
        return (_EPOCH + period * self.period).strftime(self.period_format)


FEEDS = ("PROFILE", "USER_ACTIVITY", "USER_REDEMPTION", "POINTS_EXPIRATION")
"""The feeds of Data Push."""

_FEED_NAMES = {
    **dict(zip(FEEDS, FEEDS, strict=True)),
    "USER_PROFILE": "PROFILE",
    "ACTIVITIES": "activities",
}
"""The feed by its name in upper case, where the case does not matter.

The profile feed is PROFILE in the name of the zip and USER_PROFILE in that of the CSV inside.
"""

_PUSHED = (
    r"\d+_(?P<program>[\w-]+?)_"
    r"(?P<feed>(?:USER_)?PROFILE|USER_ACTIVITY|USER_REDEMPTION|POINTS_EXPIRATION)"
)
DATA_PUSH = FileNaming(
    "data_push_path",
    re.compile(
        _PUSHED + r"_(?P<timestamp>\d{8})\.(?:zip|csv)",
        re.ASCII | re.IGNORECASE,
    ),
    "%Y%m%d",
    DAY,
    "2_512_PROFILE_20261119.zip",
    # Dashes in the date, a time behind it, or the mark of a second copy. Any other suffix (`_old`)
    # means that somebody put the file out of use on purpose.
    re.compile(
        rf"(?P<begin>{_PUSHED})[_-](?P<year>\d{{4}})(?P<mark>[-_.]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
        r"(?:[-_. T]?\d\d[-:._]?\d\d(?:[-:._]?\d\d)?Z?)?"
        r"(?:[ _]?\(\d+\)|(?: -)? copy(?: \d+)?)?\.(?P<ending>zip|csv)",
        re.ASCII | re.IGNORECASE,
    ),
)
LIVE_PUSH = FileNaming(
    "live_push_path",
    re.compile(
        r"(?P<feed>live_[a-z_]+)-(?P<timestamp>\d{8}T\d{2})-(?P<program>)[0-9a-f]+\.jsonl", re.ASCII
    ),
    "%Y%m%dT%H",
    HOUR,
    "live_users-20261119T14-0a1b2c3d.jsonl",
    period_format="%Y-%m-%d %H:00",
)
BATCH_ACTIVITY = FileNaming(
    "batch_activity_path",
    re.compile(
        r"(?P<feed>activities)_(?P<program>[\w-]+?)_(?P<timestamp>\d{14})\.txt",
        re.ASCII | re.IGNORECASE,
    ),
    "%Y%m%d%H%M%S",
    DAY,
    "activities_512_20261119020000.txt",
)


def content_day(timestamp: datetime) -> date | None:
    """Return the day that a Data Push file covers: the day before the one in its name.

    Return None for the first day of the calendar, which has no day before it.
    """
    try:
        return (timestamp - DAY).date()
    except OverflowError:
        return None

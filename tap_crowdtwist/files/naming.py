"""What a file's name says: which feed it belongs to, and which day or hour it carries.

A capture of Live Push carries the hour in which its events came. A file of Data Push carries the
day on which it was finished, and its content is the day before (`content_day`).

Sources: Data Push Overview and the page of each batch feed, for `2_<client>_<FEED>_YYYYMMDD`; Batch
Activity Credit, for `activities_<client>_yyyymmddhhmiss.txt`. Captures of Live Push are named by
our own receiver.
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
    """What a name says.

    Attributes:
        feed: which feed the file belongs to.
        timestamp: the beginning of the day or hour in the name; aware, UTC.
        program: whose file it is, where the name tells: the client number.
    """

    feed: str
    timestamp: datetime
    program: str


@dataclass(frozen=True)
class FileNaming:
    """How the files of one kind are named.

    Attributes:
        setting: the setting that says where they are.
        pattern: a regular expression with the groups `feed`, `timestamp` and perhaps `program`.
        form: how the group `timestamp` is spelled, for `strptime`.
        period: what the files are counted by: a day or an hour.
        example: a name for people.
        near: finds what is wrong with a name that is nearly right; like `pattern`, with the groups
            `begin`, `year`, `month`, `day` and `ending`.
    """

    setting: str
    pattern: re.Pattern[str]
    form: str
    period: timedelta
    example: str
    near: re.Pattern[str] | None = None

    def parse(self, name: str) -> ParsedName | None:
        """Read a name, or give None where it is none of this kind."""
        match = self.pattern.fullmatch(name)
        if match is None:
            return None
        groups = match.groupdict()
        try:
            timestamp = datetime.strptime(groups["moment"], self.form).replace(tzinfo=timezone.utc)
        except ValueError:
            return None
        feed = groups["feed"].upper() if self.pattern.flags & re.IGNORECASE else groups["feed"]
        return ParsedName(_FEEDS.get(feed, feed), timestamp, groups["program"])

    def correct(self, name: str) -> str | None:
        """Return what a file should be called whose name is nearly right, or None."""
        match = self.near.fullmatch(name) if self.near else None
        right = match and "{begin}_{year}{month}{day}.{ending}".format(**match.groupdict())
        return right if right and right != name and self.parse(right) else None

    def number(self, timestamp: datetime) -> int:
        """Give the number of the slot that an instant falls into."""
        return (timestamp - _EPOCH) // self.period

    def begins(self, period: int) -> datetime:
        """Give the instant at which a slot begins."""
        return _EPOCH + period * self.period


_FEEDS = {"USER_PROFILE": "PROFILE", "ACTIVITIES": "activities"}
"""The zip of the profile feed says PROFILE, the CSV inside USER_PROFILE."""

FEEDS = ("PROFILE", "USER_ACTIVITY", "USER_REDEMPTION", "POINTS_EXPIRATION")
"""The feeds of Data Push."""

_PUSHED = (
    r"\d+_(?P<program>[\w-]+?)_"
    r"(?P<feed>(?:USER_)?PROFILE|USER_ACTIVITY|USER_REDEMPTION|POINTS_EXPIRATION)"
)
DATA_PUSH = FileNaming(
    "data_push_path",
    re.compile(
        _PUSHED + r"_(?P<moment>\d{8})\.(?:zip|csv)",
        re.ASCII | re.IGNORECASE,
    ),
    "%Y%m%d",
    DAY,
    "2_512_PROFILE_20261119.zip",
    # Dashes in the date, a time behind it, or the mark of a second copy. Other words (`_old`) say
    # that somebody set the file aside.
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
        r"(?P<feed>live_[a-z_]+)-(?P<moment>\d{8}T\d{2})-(?P<program>)[0-9a-f]+\.jsonl", re.ASCII
    ),
    "%Y%m%dT%H",
    HOUR,
    "live_users-20261119T14-0a1b2c3d.jsonl",
)
BATCH_ACTIVITY = FileNaming(
    "batch_activity_path",
    re.compile(
        r"(?P<feed>activities)_(?P<program>[\w-]+?)_(?P<moment>\d{14})\.txt",
        re.ASCII | re.IGNORECASE,
    ),
    "%Y%m%d%H%M%S",
    DAY,
    "activities_512_20261119020000.txt",
)


def content_day(timestamp: datetime) -> date | None:
    """Return the day that a Data Push file covers: the day before the one in its name.

    None for a name with the first day of the calendar, before which there is none.
    """
    try:
        return (timestamp - DAY).date()
    except OverflowError:
        return None

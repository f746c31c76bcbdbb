"""Streams of Live Push: events from the receiver's files, which it may still be appending to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_crowdtwist.files.folder import digest_of
from tap_crowdtwist.files.history import HistorySize
from tap_crowdtwist.files.live_push import NameConverter, events, fingerprint
from tap_crowdtwist.files.naming import HOUR, LIVE_PUSH
from tap_crowdtwist.records import surrogate_keys
from tap_crowdtwist.streams.file_stream import FileStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.records.normalizer import Row

MAX_RECENT_EVENTS = 100_000
"""Fingerprints of events to keep in memory, so that repeats within a run are left out."""

_GROWING_PERIOD = 2 * HOUR
"""Time for which a file may be appended to, from the beginning of its hour."""

_HOUR_LENGTH = len("2026-11-20T10")

_NO_ID = frozenset({"", "0", "-1"})
"""Values that stand for no id."""

_ENTRY_PROPERTIES = (
    "rule_type",
    "last_qualified_date",
    "expiration_date",
    "points_expired",
    "points_expiring",
    "points_redeemed",
    "days_until_expiry",
    "inactivity_last_qualified_date",
    "inactivity_exp_date",
    "inactivity_points_exp",
)
"""Properties of one date on which points expire."""

MAX_OFFSETS = 10
"""Files whose read offset is kept in the state."""


class LivePushStream(FileStream):
    """Events of one Live Push feed, each once."""

    naming = LIVE_PUSH
    history_size = HistorySize(48, 120, periods_per_cell=24)
    is_growing = True
    primary_keys = ("event_id",)
    replication_key = "received_at"
    has_text_objects = True  # cut off after 4,000 characters, or not JSON, like some custom data

    id_property: ClassVar[str] = ""
    """The property with CrowdTwist's own number of the event, or "" if it has none."""

    @override
    def read(self, file: File) -> Iterator[Row]:
        start = self._offsets.get(file.name, 0)
        # A file that is smaller than before is another one: read it from its beginning.
        self._end = start if start <= file.size else 0
        self._received_at = ""
        for event, end in events(file, self.source.open, self._end):
            self._end, self._received_at = end, event.received_at
            content = fingerprint(event.event)
            if not self._is_new(content):
                continue
            row = self._rename(event.event)
            row["received_at"] = event.received_at
            row["event_id"] = self._event_id(row, content)
            yield from self.rows(row)

    @override
    def _check_files(self, files: list[File], last: str | None) -> None:
        """Warn too if captures may have been removed before they were read.

        Removal begins with the oldest. So all new captures are there as long as one is left of the
        newest hour that was read, of any feed: the hours of a rare feed are far apart.
        """
        super()._check_files(files, last)
        bookmarks = self.tap_state.get("bookmarks", {})
        read = [
            str(bookmarks[name]["replication_key_value"])[:_HOUR_LENGTH]
            for name in self._tap.streams
            if name.startswith("live_") and "replication_key_value" in bookmarks.get(name, {})
        ]
        if not read or any(_hour(file) <= max(read) for file in files):
            return
        left = [_hour(file) for file in self.source.files(self.run.now())]
        if left and min(left) > max(read):
            self.logger.warning(
                "%s: captures may have been removed before they were read: the newest that earlier "
                "runs read is of %s (UTC), the oldest that is left of %s; keep captures for longer "
                "than the time between two runs",
                self.name,
                max(read),
                min(left),
            )

    def rows(self, event: Row) -> Iterator[Row]:
        """Yield the raw rows of an event, whose properties are already renamed."""
        yield event

    @override
    def bookmark(self, file: File) -> str:
        return self._received_at

    @override
    def finished(self, file: File) -> int:
        """Keep the read offset of a file that may still grow, and return the digest.

        A file that grows although it should be finished has another size in the next run, so its
        digest differs and it is read from its beginning. No event is lost if a clock is wrong.
        """
        offsets = self._offsets
        offsets.pop(file.name, None)
        read = max(self._end, file.size)
        if not file.is_ahead and self.run.now() - file.timestamp < _GROWING_PERIOD:
            offsets[file.name] = read = self._end
        newest = sorted(offsets.items(), key=lambda entry: entry[0].partition("-")[2])[
            -MAX_OFFSETS:
        ]
        self.stream_state["offsets"] = dict(newest)
        return digest_of(file, read)

    @property
    def _offsets(self) -> dict[str, int]:
        stored = self.stream_state.get("offsets")
        return dict(stored) if isinstance(stored, dict) else {}

    @cached_property
    def _names(self) -> NameConverter:
        return NameConverter(self.schema)

    @cached_property
    def _recent(self) -> dict[str, None]:
        return {}

    def _rename(self, members: Mapping[str, Any]) -> Row:
        """Rename the members of an event; move those that have the names of our own columns."""
        row = self._names(members)
        for name in ("event_id", "received_at"):
            if name in row:
                row[f"{name}_in_event"] = row.pop(name)
        return row

    def _event_id(self, row: Row, content: str) -> str:
        own_id = surrogate_keys.own_id(row.get(self.id_property)) if self.id_property else ""
        return own_id if own_id not in _NO_ID else self._policy.pseudonymize_digest(content)

    def _is_new(self, content: str) -> bool:
        """Return whether an event differs from all recent ones; remember it if so."""
        if content in self._recent:
            return False
        self._recent[content] = None
        if len(self._recent) > MAX_RECENT_EVENTS:
            del self._recent[next(iter(self._recent))]
        return True


def _hour(file: File) -> str:
    return f"{file.timestamp:%Y-%m-%dT%H}"


def _pop_entries(event: Row) -> list[tuple[str, int, Row]]:
    """Remove the entries from an event, and return each with its rule and number.

    Values that are not objects stay in the event.
    """
    entries = []
    for rule in ("redemption_period", "inactivity"):
        name = f"{rule}_points_expiration"
        value = event.pop(name, None)
        others = []
        for place, item in enumerate(value if isinstance(value, list) else [value], start=1):
            if isinstance(item, dict):
                entries.append((rule, place, item))
            elif item is not None:
                others.append(item)
        if others:
            event[name] = others
    return entries


class LiveUsers(LivePushStream):
    """Profiles at each of their changes, with Tiers v2."""

    name = feed = "live_users"
    aliases: ClassVar[Mapping[str, str]] = {
        "user_id": "id",
        "member_id": "id",
        "fan_level_name": "fan_level",
    }


class LiveActivities(LivePushStream):
    """Activities of members, and the points for them."""

    name = feed = "live_activities"
    id_property = "user_activity_id"
    aliases: ClassVar[Mapping[str, str]] = {
        "points": "num_points",
        "activity_extra_data": "extra_data",
    }


class LiveRedemptions(LivePushStream):
    """Rewards that members redeemed points for."""

    name = feed = "live_redemptions"
    id_property = "order_id"
    aliases: ClassVar[Mapping[str, str]] = {"reward_extra_data": "extra_data"}


class LivePointsExpiration(LivePushStream):
    """Members whose points are about to expire, one row per rule and date.

    The vendor's pages do not say how an event holds several dates, so two forms are read: one date
    among the properties of the event, and the two arrays of the API, one for each rule.

    The `event_id` of an entry is that of the event plus the entry's rule and number in its array.
    Unlike a date, the number is never missing and never that of two entries. It is the same if the
    event is sent again: an event with its entries in another order is another event.
    """

    name = feed = "live_points_expiration"

    @override
    def rows(self, event: Row) -> Iterator[Row]:
        entries = _pop_entries(event)
        shared = {name: value for name, value in event.items() if name not in _ENTRY_PROPERTIES}
        # An event without entries is a row too: it says that no points expire any more.
        if not entries or any(event.get(name) is not None for name in _ENTRY_PROPERTIES):
            yield event
        for rule, place, entry in entries:
            yield {
                **shared,
                **self._rename(entry),
                "rule_type": rule,
                "event_id": f"{event['event_id']}-{rule}-{place}",
            }


class LiveSegments(LivePushStream):
    """Members entering and leaving segments."""

    name = feed = "live_segments"
    aliases: ClassVar[Mapping[str, str]] = {"trigger": "triggered_by"}


STREAMS = (LiveUsers, LiveActivities, LiveRedemptions, LivePointsExpiration, LiveSegments)

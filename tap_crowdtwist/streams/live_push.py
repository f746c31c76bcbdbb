"""Streams of Live Push: events that the receiver has captured, while it may still be writing."""

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

RECENT = 100_000
"""Events of a run that are remembered, to leave out their repeats."""

_GROWING = 2 * HOUR
"""How long after its hour began a file may still be appended to."""

_NONE = frozenset({"", "0", "-1"})
"""Numbers that are none."""

_OF_AN_ENTRY = (
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
"""What is said of one date on which points expire."""

OPEN = 10
"""Files of which the state tells how far they were read."""


class LivePushStream(FileStream):
    """Events of one feed of Live Push, each once."""

    naming = LIVE_PUSH
    kept = HistorySize(48, 120, periods_per_cell=24)
    growing = True
    primary_keys = ("event_id",)
    replication_key = "received_at"
    texts_are_expected = True  # cut after 4,000 characters, or never JSON, like some custom data

    own: ClassVar[str] = ""
    """The property with CrowdTwist's own number of what happened, if there is one."""

    @override
    def read(self, file: File) -> Iterator[Row]:
        start = self._offsets.get(file.name, 0)
        self._end = start if start <= file.size else 0  # else it is another file by now
        self._received_at = ""
        for event, end in events(file, self.source.open, self._end):
            self._end, self._received_at = end, event.received_at
            content = fingerprint(event.event)
            if not self._is_new(content):
                continue
            row = self._named(event.event)
            row["received_at"] = event.received_at
            row["event_id"] = self._event_id(row, content)
            yield from self.rows(row)

    def rows(self, event: Row) -> Iterator[Row]:
        """Yield the raw rows of an event, whose properties have their names."""
        yield event

    @override
    def bookmark(self, file: File) -> str:
        return self._received_at

    @override
    def finished(self, file: File) -> int:
        """Remember how far a file that may still grow was read.

        One that grows although its name says that it is finished has another size by the next run,
        and is read from its beginning. So no clock has to be right for an event to be read.
        """
        offsets = self._offsets
        offsets.pop(file.name, None)
        read = max(self._end, file.size)
        if not file.is_ahead and self.run.now() - file.timestamp < _GROWING:
            offsets[file.name] = read = self._end
        newest = sorted(offsets.items(), key=lambda entry: entry[0].partition("-")[2])[-OPEN:]
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

    def _named(self, members: Mapping[str, Any]) -> Row:
        """Rename the members of an event, and set aside those that are called as ours."""
        row = self._names(members)
        for name in ("event_id", "received_at"):
            if name in row:
                row[f"{name}_in_event"] = row.pop(name)
        return row

    def _event_id(self, row: Row, content: str) -> str:
        own = surrogate_keys.own_id(row.get(self.own)) if self.own else ""
        return own if own not in _NONE else self._policy.pseudonymize_digest(content)

    def _is_new(self, content: str) -> bool:
        """Tell whether an event is not equal to one of those before it."""
        if content in self._recent:
            return False
        self._recent[content] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return True


def _taken_entries(event: Row) -> list[tuple[str, int, Row]]:
    """Take the entries out of an event, each with its rule and place; what is none stays."""
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
    """What members did, and the points for it."""

    name = feed = "live_activities"
    own = "user_activity_id"
    aliases: ClassVar[Mapping[str, str]] = {
        "points": "num_points",
        "activity_extra_data": "extra_data",
    }


class LiveRedemptions(LivePushStream):
    """Rewards that members redeemed points for."""

    name = feed = "live_redemptions"
    own = "order_id"
    aliases: ClassVar[Mapping[str, str]] = {"reward_extra_data": "extra_data"}


class LivePointsExpiration(LivePushStream):
    """Members whose points are about to expire, one row per rule and date.

    How an event holds several dates is not documented, so two forms are read: one date among the
    properties of the event, and the two arrays of the API, one for each rule.

    The `event_id` of an entry is that of the event, with the entry's rule and place. The place is
    always there and no other entry's, unlike a date, and it is the same when the event is sent
    again: an event in another order is another event.
    """

    name = feed = "live_points_expiration"

    @override
    def rows(self, event: Row) -> Iterator[Row]:
        entries = _taken_entries(event)
        shared = {name: value for name, value in event.items() if name not in _OF_AN_ENTRY}
        # An event with nothing to expire is a row too: it says that nothing does any more.
        if not entries or any(event.get(name) is not None for name in _OF_AN_ENTRY):
            yield event
        for rule, place, entry in entries:
            yield {
                **shared,
                **self._named(entry),
                "rule_type": rule,
                "event_id": f"{event['event_id']}-{rule}-{place}",
            }


class LiveSegments(LivePushStream):
    """Members entering and leaving segments."""

    name = feed = "live_segments"
    aliases: ClassVar[Mapping[str, str]] = {"trigger": "triggered_by"}

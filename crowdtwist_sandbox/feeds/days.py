"""Whom a day's feeds tell of: members to whom something happened.

Of a member who exists at the end of the day it is one of these:

* the profile's `date_last_updated` lies in the day: the member joined, moved, did, bought or
  redeemed something, or had points lapse at the end of a month. `users`, `user_activity_history`,
  `purchases`, `redemptions`, `coupons`, `receipts`, `user_badges` and `points_awaiting_fulfillment`
  change with nothing else, but for two exceptions;
* a receipt of the day before has been scanned, which changes a row of `receipts` and no date of the
  profile;
* a message said that points lapse by inactivity, which changes nothing.

What the calendar alone changes is in no feed:

* `users`: `days_until_expiration_date` and `is_maintenance_mode` of `tier_info`;
* `points_expiration`: `days_until_expiry`, and at the turn of a month its ten months and what
  expires in each;
* `user_activities` and `user_rewards`: the catalogs change each day, and what a member may do.

A member who was deleted is in no feed, since no documentation says that CrowdTwist pushes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.clock import LAST_DAY
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of
from crowdtwist_sandbox.world.expiration import lapse_after, last_qualified
from crowdtwist_sandbox.world.member_rows import has_receipt
from crowdtwist_sandbox.world.timestamps import DAY, date_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.events import Completion, Redemption, Timeline
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.world import World

_SECONDS = 86_000
_KINDS = 3  # of days, by which rules have news for the points expiration file
_FIRST_SCAN, _SCANS = 3600, 7200  # seconds after midnight


class Reminder(NamedTuple):
    """A message that points lapse by inactivity: when it was sent, and what it says."""

    at: int
    qualified: int
    lapses: int
    points: int


@dataclass(frozen=True)
class Appearance:
    """What one day brought to one member.

    Attributes:
        index: of the member.
        life: at the end of the day, without its lists.
        lines: of the points ledger, in order of time.
        orders: of rewards, in order of time.
        changed_at: the last change to a row of the API; None for a reminder alone.
        reminder: a message about inactivity.
    """

    index: int
    life: Timeline
    lines: list[Completion]
    orders: list[Redemption]
    changed_at: int | None
    reminder: Reminder | None


@dataclass(frozen=True)
class Today:
    """One day of a sandbox and all who appear on it, in roster order."""

    engine: Engine
    day: int
    appearances: list[Appearance]

    @property
    def midnight(self) -> int:
        """The first second of the day."""
        return (self.engine.world.first_day + self.day) * DAY

    @property
    def date(self) -> str:
        """The day's date as in the names of files: YYYYMMDD."""
        return self._dated(self.day)

    @property
    def delivered(self) -> str:
        """The date in the names of Data Push files: they are finished on the day after."""
        return self._dated(self.day + 1)

    def _dated(self, day: int) -> str:
        return f"{date_of(self.engine.world.first_day + day)}".replace("-", "")


def has_reminders(day: int) -> bool:
    """Whether the inactivity rule has news on a day: on two days in three."""
    return day % _KINDS != _KINDS - 1


def has_periods(day: int) -> bool:
    """Whether redemption periods have news on a day: on two days in three, one of them both."""
    return day % _KINDS != 0


def today_of(engine: Engine, day: int) -> Today:
    """Collect what a day brought; each member's timeline is computed once.

    Raises:
        ValueError: for a day that no sandbox has.
    """
    if not 0 <= day <= LAST_DAY:
        raise ValueError(f"day: must be 0 or more, and {LAST_DAY} at most")
    return Today(engine, day, list(_appearances(engine, day)))


def checked_client(client: str) -> str:
    """The client number, if it can be part of a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not (client.isascii() and client.isalnum()):
        raise ValueError("client: must be letters and digits")
    return client


def _appearances(engine: Engine, day: int) -> Iterator[Appearance]:
    world, options = engine.world, engine.options
    midnight = (world.first_day + day) * DAY
    for index in world.population.living(day):
        life = world.timeline(index, day)
        changed_at = life.updated_at if life.updated_at >= midnight else None
        if options.receipt_scanning and (scanned := _last_scan(world.member(index, day), midnight)):
            changed_at = max(changed_at or 0, scanned)
        reminder = None
        if options.expiration_rule and changed_at is None and has_reminders(day):
            reminder = _reminder(world, index, day, life)
        if changed_at is not None or reminder is not None:
            yield Appearance(
                index,
                life._replace(completions=[], purchases=[], redemptions=[], expiries=[]),
                [line for line in life.completions if line.created >= midnight],
                [order for order in life.redemptions if order.at >= midnight],
                changed_at,
                reminder,
            )


def _last_scan(member: Member, midnight: int) -> int | None:
    """When the last receipt of the day before was scanned, in the small hours."""
    scans = [
        midnight + _FIRST_SCAN + mix(item.seed) % _SCANS
        for item in member.life.purchases
        if midnight - DAY <= item.first < midnight
        and has_receipt(item)
        and not member.was_taken(item.seed)
    ]
    return max(scans, default=None)


def _reminder(world: World, index: int, day: int, life: Timeline) -> Reminder | None:
    """The message of the day to a member who did nothing, if the dice say so."""
    seed = seed_of(seed_of(world.key, "reminder", index), "day", day)
    if seed % world.pace.remind_every:
        return None
    qualified = last_qualified(life)
    if qualified is None:
        return None
    at = (world.first_day + day) * DAY + (seed >> 20) % _SECONDS
    return Reminder(at, qualified, lapse_after(qualified), life.redeemable_points)

"""The members that appear in a day's feeds, and what the day brought to each.

A member who exists at the end of the day appears for one of these reasons:

* Something happened: the member joined, moved, did, bought or redeemed something, or had points
  expire at the end of a month. Rows of `users`, `user_activity_history`,
  `purchases`, `redemptions`, `coupons`, `receipts`, `user_badges` and `points_awaiting_fulfillment`
  change for no other reason than this and the next.
* A receipt of the day before was scanned. That changes a row of `receipts`, but no date in the
  profile.
* The member got a message that points will expire by inactivity. That changes no row.

Changes by the calendar alone are in no feed:

* `users`: `date_last_updated` where profiles show it late;
* `users`: `days_until_expiration_date` and `is_maintenance_mode` of `tier_info`;
* `points_expiration`: `days_until_expiry`, and on the first of a month its ten months and what
  expires in each;
* `user_activities` and `user_rewards`: the program changes each day, and so does what a member may
  do.

Rows that arrive late are in no day's rows, but their members have a profile in the files of the day
of the arrival.

A deleted member is in no feed, since no documentation says that CrowdTwist pushes deletions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox.clock import LAST_DAY
from crowdtwist_sandbox.world.deterministic_random import mix, seed_of
from crowdtwist_sandbox.world.expiration import inactivity_expiry, last_qualified
from crowdtwist_sandbox.world.member_rows import has_receipt
from crowdtwist_sandbox.world.timestamps import DAY, date_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.events import Completion, Redemption, Timeline
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.world import World

_SECONDS = 86_000
_RULE_CYCLE = 3  # days: both expiration rules have news, then one of them, then the other
_FIRST_SCAN, _SCANS = 3600, 7200  # seconds after midnight


class Reminder(NamedTuple):
    """A message that points will expire by inactivity: when it was sent, and its content."""

    at: int
    qualified: int
    expires_at: int
    points: int


@dataclass(frozen=True)
class MemberDay:
    """The events of one day for one member.

    Attributes:
        index: index of the member.
        life: timeline at the end of the day, without its lists.
        completions: the day's lines of the points history, in order of time.
        orders: the day's orders of rewards, in order of time.
        changed_at: time of the last change to a row of the API; None if there is a reminder only.
        reminder: message about inactivity, if any.
    """

    index: int
    life: Timeline
    completions: list[Completion]
    orders: list[Redemption]
    changed_at: int | None
    reminder: Reminder | None


@dataclass(frozen=True)
class Today:
    """One day of a sandbox and the members who appear in its feeds, in roster order."""

    engine: Engine
    day: int
    member_days: list[MemberDay]

    @property
    def midnight(self) -> int:
        """The first second of the day."""
        return (self.engine.world.first_day + self.day) * DAY

    @property
    def date(self) -> str:
        """The day's date as in the names of files, YYYYMMDD."""
        return self._dated(self.day)

    @property
    def delivered(self) -> str:
        """The date in the names of Data Push files: that of the next day, when they are written."""
        return self._dated(self.day + 1)

    def _dated(self, day: int) -> str:
        return f"{date_of(self.engine.world.first_day + day)}".replace("-", "")


def has_reminders(day: int) -> bool:
    """Return whether the inactivity rule has news on a day, as on two days in three."""
    return day % _RULE_CYCLE != _RULE_CYCLE - 1


def has_periods(day: int) -> bool:
    """Return whether redemption periods have news on a day, as on two days in three."""
    return day % _RULE_CYCLE != 0


def today_of(engine: Engine, day: int) -> Today:
    """Collect what a day brought; each member's timeline is computed once.

    Raises:
        ValueError: the day is negative or beyond `LAST_DAY`.
    """
    if not 0 <= day <= LAST_DAY:
        raise ValueError(f"day: must be 0 or more, and {LAST_DAY} at most")
    return Today(engine, day, list(_member_days(engine, day)))


def checked_client(client: str) -> str:
    """Return the client number.

    Raises:
        ValueError: it is not made of ASCII letters and digits, so cannot be part of a file's name.
    """
    if not (client.isascii() and client.isalnum()):
        raise ValueError("client: must be letters and digits")
    return client


def _member_days(engine: Engine, day: int) -> Iterator[MemberDay]:
    world, options = engine.world, engine.options
    midnight = (world.first_day + day) * DAY
    for index in world.population.living(day):
        life = world.timeline(index, day)
        changed_at = life.updated_at if life.updated_at >= midnight else None
        if options.receipt_scanning and (scanned := _last_scan(world.member(index, day), midnight)):
            changed_at = max(changed_at or 0, scanned)
        # Reminders go to members who did nothing else, since a reminder changes no row.
        reminder = None
        if options.expiration_rule and changed_at is None and has_reminders(day):
            reminder = _reminder(world, index, day, life)
        if changed_at is not None or reminder is not None:
            yield MemberDay(
                index,
                # Without its lists, since all members of a day are in memory at once.
                life._replace(completions=[], purchases=[], redemptions=[], expiries=[]),
                [line for line in life.completions if line.created >= midnight],
                [order for order in life.redemptions if order.at >= midnight],
                changed_at,
                reminder,
            )


def _last_scan(member: Member, midnight: int) -> int | None:
    """Return when the last receipt of the day before was scanned, from 1 to 3 a.m."""
    scans = [
        midnight + _FIRST_SCAN + mix(item.seed) % _SCANS
        for item in member.life.purchases
        if midnight - DAY <= item.first < midnight
        and has_receipt(item)
        and not member.was_taken_away(item.seed)
    ]
    return max(scans, default=None)


def _reminder(world: World, index: int, day: int, life: Timeline) -> Reminder | None:
    """Return the day's message to a member who did nothing, for a random few."""
    seed = seed_of(seed_of(world.key, "reminder", index), "day", day)
    if seed % world.pace.remind_every:
        return None
    qualified = last_qualified(life)
    if qualified is None:
        return None
    at = (world.first_day + day) * DAY + (seed >> 20) % _SECONDS
    return Reminder(at, qualified, inactivity_expiry(qualified), life.redeemable_points)

"""Rows of the Data Push files.

Columns follow the pages "Batch Push User Profile", "… User Activity", "… User Redemption" and
"… Points Expiration". The public copies of two lists are cut off, so the columns of PROFILE after
`date_last_login` are made up, and so are the columns of months in points expiration files except
`redperiod_expiration_date_pre1`. Timestamps are epoch seconds, as on two of the pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.feeds.days import has_periods
from crowdtwist_sandbox.world import expiration, identity, words
from crowdtwist_sandbox.world.deterministic_random import seed_of
from crowdtwist_sandbox.world.member_rows import history_row
from crowdtwist_sandbox.world.profile import place_of, profile
from crowdtwist_sandbox.world.redemption_rows import redemption_row
from crowdtwist_sandbox.world.timestamps import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.feeds.days import MemberDay, Reminder, Today
    from crowdtwist_sandbox.world.program import Row

_REPEAT_EVERY = 20  # one profile in so many is twice in a file
_MAX_REPEAT_SECONDS = 1800  # after the first
_PERIODS_EVERY = 4  # one in so many who earn or redeem has months in the expiration file
_SKIPPED_MONTHS = 2  # the API begins three months ago, the file with last month

PROFILE = (
    "id",
    "first_name",
    "middle_name",
    "last_name",
    "date_of_birth",
    "email_address",
    "street_address_1",
    "street_address_2",
    "city",
    "state",
    "postal_code",
    "country_code",
    "region",
    "gender",
    "email_is_verified",
    "receive_email_updates",
    "receive_sms_messages",
    "total_points",
    "redeemable_points",
    "fan_rank",
    "mobile_number",
    "date_mobile_verified",
    "date_last_login",
    "username",
    "third_party_id",
    "date_last_updated",
    "password",
    "hashAlgorithmID",
    "Salt",
)
ACTIVITY = (
    "id",
    "activity_id",
    "user_activity_id",
    "activity_name",
    "num_points",
    "notes",
    "third_party_id",
    "email_address",
    "mobile_phone_number",
    "date_created",
)
REDEMPTION = (
    "order_date",
    "order_id",
    "total_points_redeemed",
    "category_name",
    "reward_title",
    "quantity",
    "color",
    "size",
    "reference_id",
    "first_name",
    "last_name",
    "email_address",
    "username",
    "third_party_id",
    "shipping_first_name",
    "shipping_last_name",
    "shipping_street_address_1",
    "shipping_street_address_2",
    "shipping_city",
    "shipping_state",
    "shipping_postal_code",
    "shipping_country",
    "shipping_phone",
)
EXPIRATION = ("user_id", "email_address", "third_party_id", "message_date")
INACTIVITY = (
    "inactivity_last_qualified_date",
    "inactivity_exp_date",
    "inactivity_points_exp",
)
_MONTHS = ("pre1", "cur", "1", "2", "3", "4", "5")
_OF_A_MONTH = ("expiration_date", "points_expired", "points_expiring", "points_redeemed")
PERIODS = tuple(f"redperiod_{name}_{month}" for month in _MONTHS for name in _OF_A_MONTH)


def profile_of(today: Today, member_day: MemberDay) -> Row:
    """Return a member's profile at the end of the day."""
    world = today.engine.world
    return profile(world.key, member_day.index, member_day.life, world.now(today.day))


def profiles(today: Today) -> Iterator[Row]:
    """Yield the profiles of members with a changed row, by time of change, some of them twice."""
    order: list[tuple[int, int, MemberDay]] = []
    world_key = today.engine.world.key
    key = seed_of(world_key, "repeated", today.day)
    end = today.midnight + DAY - 1
    for member_day in today.member_days:
        if member_day.changed_at is None:
            continue
        order.append((member_day.changed_at, member_day.index, member_day))
        seed = seed_of(key, "profile", member_day.index)
        if seed % _REPEAT_EVERY == 0:
            again = min(member_day.changed_at + (seed >> 20) % _MAX_REPEAT_SECONDS, end)
            order.append((again, member_day.index, member_day))
    order.sort(key=lambda entry: entry[:2])
    for _, _, member_day in order:
        place = place_of(member_day.life)
        person = profile_of(today, member_day)
        yield person | {
            "country_code": words.COUNTRY_CODES[place],
            "region": words.REGIONS[place],
            **_contact(person, member_day.index, world_key),
            **dict.fromkeys(("password", "hashAlgorithmID", "Salt")),
        }


def _contact(person: Row, index: int, key: int) -> Row:
    """Return the columns that the file formats or names differently from the API."""
    number = person["mobile_phone_number"]
    seed = seed_of(key, "contact", index)
    return {
        "email_is_verified": int(person["email_is_verified"]),
        "receive_email_updates": int(person["receive_email_updates"]),
        "receive_sms_messages": int(number is not None and seed % 2 == 0),
        "fan_rank": person["rank"],
        "mobile_number": number,
        "date_mobile_verified": None if number is None or seed % 3 else person["date_created"],
    }


def activities(today: Today) -> Iterator[Row]:
    """Yield the day's lines of the points history."""
    for _, index, completion in sorted(
        (completion.created, member_day.index, completion)
        for member_day in today.member_days
        for completion in member_day.completions
    ):
        row, _ = history_row(completion)
        yield row | {
            "id": identity.member_id(index),
            "activity_name": row["name"],
            "third_party_id": identity.third_party_id(index),
            "email_address": identity.email(index),
            "mobile_phone_number": identity.mobile_phone_number(index),
        }


def redemptions(today: Today) -> Iterator[Row]:
    """Yield the day's orders of rewards; this feed has no numeric member id."""
    world = today.engine.world
    orders = [
        (order.at, member_day.index, member_day, order)
        for member_day in today.member_days
        for order in member_day.orders
    ]
    orders.sort(key=lambda entry: entry[:2])
    for _, index, member_day, order in orders:
        row, _ = redemption_row(world, world.member(index, today.day), order)
        person = profile_of(today, member_day)
        names = ("first_name", "last_name", "email_address", "username", "third_party_id")
        yield row | {"reward_title": row["title"]} | {name: person[name] for name in names}


def expiration_columns(today: Today) -> tuple[str, ...]:
    """Return the header; a group of columns is in it only if there is data for it."""
    columns: tuple[str, ...] = EXPIRATION
    if any(member_day.reminder is not None for member_day in today.member_days):
        columns += INACTIVITY
    if any(_has_periods(today, member_day) for member_day in today.member_days):
        columns += PERIODS
    return columns


def expirations(today: Today) -> Iterator[Row]:
    """Yield every message about inactivity, and every change of the points expiring by month."""
    rows: list[tuple[int, int, Row]] = []
    for member_day in today.member_days:
        if member_day.reminder is not None:
            rows.append(
                (member_day.reminder.at, member_day.index, _inactivity(member_day.reminder))
            )
        if _has_periods(today, member_day):
            rows += [(at, member_day.index, row) for at, row in _periods(today, member_day)]
    rows.sort(key=lambda entry: entry[:2])
    blank = dict.fromkeys(EXPIRATION + INACTIVITY + PERIODS)
    for _, index, row in rows:
        yield {
            **blank,
            "user_id": identity.member_id(index),
            "email_address": identity.email(index),
            "third_party_id": identity.third_party_id(index),
            **row,
        }


def _inactivity(reminder: Reminder) -> Row:
    return {
        "message_date": reminder.at,
        "inactivity_last_qualified_date": reminder.qualified,
        "inactivity_exp_date": reminder.expires_at,
        "inactivity_points_exp": reminder.points,
    }


def _has_periods(today: Today, member_day: MemberDay) -> bool:
    """Return whether the points expiration file has a member's months."""
    engine = today.engine
    if (
        not engine.options.expiration_rule
        or not has_periods(today.day)
        or not member_day.completions
    ):
        return False
    return seed_of(engine.world.key, "periods", member_day.index) % _PERIODS_EVERY == 0


def _periods(today: Today, member_day: MemberDay) -> Iterator[tuple[int, Row]]:
    """Yield the months of a member after each change of their points, with its time."""
    world = today.engine.world
    life = world.timeline(member_day.index, today.day)
    # The timeline has the balance at the end of the day; subtract what came after each line.
    to_come = sum(completion.points for completion in member_day.completions)
    for completion in member_day.completions:
        to_come -= completion.points
        then = life._replace(redeemable_points=max(0, life.redeemable_points - to_come))
        entries = expiration.expirations(world.key, member_day.index, then, world.now(today.day))
        months = [entry for entry in entries if entry["rule_type"] == "redemption_period"]
        row: Row = {}
        for label, month in zip(_MONTHS, months[_SKIPPED_MONTHS:], strict=False):
            if any(month[name] for name in _OF_A_MONTH if name != "expiration_date"):
                row |= {f"redperiod_{name}_{label}": month[name] for name in _OF_A_MONTH}
        yield completion.created, row

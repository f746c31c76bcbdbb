"""Rows of the Data Push files.

Columns follow the pages "Batch Push User Profile", "… User Activity", "… User Redemption" and
"… Points Expiration". Two of the lists are cut off where we could read them, so the columns of
PROFILE behind `date_last_login` are made up, and so are those of months in points expiration files,
but for `redperiod_expiration_date_pre1`. Instants are epoch seconds, as two of the pages show them.
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

    from crowdtwist_sandbox.feeds.days import Appearance, Reminder, Today
    from crowdtwist_sandbox.world.program import Row

_REPEATED = 20  # one profile in so many stands twice in a file
_TOLD = 4  # of so many members who earn or redeem, one has months in the expiration file
_BEFORE = 2  # months that the API tells of and the file does not, which begins with last month
_LATER = 1800  # seconds of the day after which it comes again, at most

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


def profile_of(today: Today, seen: Appearance) -> Row:
    """A member's profile at the end of the day."""
    world = today.engine.world
    return profile(world.key, seen.index, seen.life, world.now(today.day))


def profiles(today: Today) -> Iterator[Row]:
    """Everyone of whom a row changed, in order of the last change; about one in twenty twice."""
    order: list[tuple[int, int, Appearance]] = []
    world_key = today.engine.world.key
    key = seed_of(world_key, "repeated", today.day)
    end = today.midnight + DAY - 1
    for seen in today.appearances:
        if seen.changed_at is None:
            continue
        order.append((seen.changed_at, seen.index, seen))
        seed = seed_of(key, "profile", seen.index)
        if seed % _REPEATED == 0:
            again = min(seen.changed_at + (seed >> 20) % _LATER, end)
            order.append((again, seen.index, seen))
    order.sort(key=lambda entry: entry[:2])
    for _, _, seen in order:
        place = place_of(seen.life)
        person = profile_of(today, seen)
        yield person | {
            "country_code": words.COUNTRY_CODES[place],
            "region": words.REGIONS[place],
            **_contact(person, seen.index, world_key),
            **dict.fromkeys(("password", "hashAlgorithmID", "Salt")),
        }


def _contact(person: Row, index: int, key: int) -> Row:
    """Columns that the file spells or names in another way than the API."""
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
    """Every line of the points ledger that the day brought."""
    for _, index, line in sorted(
        (line.created, seen.index, line) for seen in today.appearances for line in seen.lines
    ):
        row, _ = history_row(line)
        yield row | {
            "id": identity.member_id(index),
            "activity_name": row["name"],
            "third_party_id": identity.third_party_id(index),
            "email_address": identity.email(index),
            "mobile_phone_number": identity.mobile_phone_number(index),
        }


def redemptions(today: Today) -> Iterator[Row]:
    """Every order that the day brought; there is no numeric member id in this feed."""
    world = today.engine.world
    orders = [
        (order.at, seen.index, seen, order) for seen in today.appearances for order in seen.orders
    ]
    orders.sort(key=lambda entry: entry[:2])
    for _, index, seen, order in orders:
        row, _ = redemption_row(world, world.member(index, today.day), order)
        person = profile_of(today, seen)
        names = ("first_name", "last_name", "email_address", "username", "third_party_id")
        yield row | {"reward_title": row["title"]} | {name: person[name] for name in names}


def expiration_columns(today: Today) -> tuple[str, ...]:
    """The header, with a group of columns only where there is data for it."""
    columns: tuple[str, ...] = EXPIRATION
    if any(seen.reminder is not None for seen in today.appearances):
        columns += INACTIVITY
    if any(_has_periods(today, seen) for seen in today.appearances):
        columns += PERIODS
    return columns


def expirations(today: Today) -> Iterator[Row]:
    """Every message that points lapse by inactivity, and every change of what lapses by month."""
    rows: list[tuple[int, int, Row]] = []
    for seen in today.appearances:
        if seen.reminder is not None:
            rows.append((seen.reminder.at, seen.index, _inactivity(seen.reminder)))
        if _has_periods(today, seen):
            rows += [(at, seen.index, row) for at, row in _periods(today, seen)]
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
        "inactivity_exp_date": reminder.lapses,
        "inactivity_points_exp": reminder.points,
    }


def _has_periods(today: Today, seen: Appearance) -> bool:
    """Whether the points expiration file tells of a member's months."""
    engine = today.engine
    if not engine.options.expiration_rule or not has_periods(today.day) or not seen.lines:
        return False
    return seed_of(engine.world.key, "periods", seen.index) % _TOLD == 0


def _periods(today: Today, seen: Appearance) -> Iterator[tuple[int, Row]]:
    """The months of a member after each change of their points, with its instant."""
    world = today.engine.world
    life = world.timeline(seen.index, today.day)
    to_come = sum(line.points for line in seen.lines)
    for line in seen.lines:
        to_come -= line.points
        then = life._replace(redeemable_points=max(0, life.redeemable_points - to_come))
        entries = expiration.expirations(world.key, seen.index, then, world.now(today.day))
        months = [entry for entry in entries if entry["rule_type"] == "redemption_period"]
        row: Row = {}
        for label, month in zip(_MONTHS, months[_BEFORE:], strict=False):
            if any(month[name] for name in _OF_A_MONTH if name != "expiration_date"):
                row |= {f"redperiod_{name}_{label}": month[name] for name in _OF_A_MONTH}
        yield line.created, row

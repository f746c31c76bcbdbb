"""Rows of the Data Push files.

Columns follow the pages "Batch Push User Profile", "… User Activity", "… User Redemption" and
"… Points Expiration". Two of the lists are cut off where we could read them, so the last columns of
PROFILE and EXPIRATION are made up. Instants are epoch seconds, as two of the pages show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.world import identity, words
from crowdtwist_sandbox.world.dice import key_of
from crowdtwist_sandbox.world.instants import DAY
from crowdtwist_sandbox.world.member_rows import history_row
from crowdtwist_sandbox.world.profile import place_of, profile
from crowdtwist_sandbox.world.redemption_rows import redemption_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.feeds.days import Appearance, Today
    from crowdtwist_sandbox.world.program import Row

_REPEATED = 20  # one profile in so many stands twice in a file
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
    "username",
    "third_party_id",
    "total_points",
    "redeemable_points",
    "date_last_updated",
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
EXPIRATION = (
    "user_id",
    "email_address",
    "third_party_id",
    "message_date",
    "inactivity_last_qualified_date",
    "inactivity_exp_date",
    "points_expiring",
)


def profile_of(today: Today, seen: Appearance) -> Row:
    """A member's profile at the end of the day."""
    world = today.engine.world
    return profile(world.key, seen.index, seen.life, world.now(today.day))


def profiles(today: Today) -> Iterator[Row]:
    """Everyone of whom a row changed, in order of the last change; about one in twenty twice."""
    order: list[tuple[int, int, Appearance]] = []
    key = key_of(today.engine.world.key, "repeated", today.day)
    end = today.midnight + DAY - 1
    for seen in today.appearances:
        if seen.changed_at is None:
            continue
        order.append((seen.changed_at, seen.index, seen))
        roll = key_of(key, "profile", seen.index)
        if roll % _REPEATED == 0:
            again = min(seen.changed_at + (roll >> 20) % _LATER, end)
            order.append((again, seen.index, seen))
    order.sort(key=lambda entry: entry[:2])
    for _, _, seen in order:
        place = place_of(seen.life)
        yield profile_of(today, seen) | {
            "country_code": words.COUNTRY_CODES[place],
            "region": words.REGIONS[place],
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


def expirations(today: Today) -> Iterator[Row]:
    """Every message that points lapse by inactivity."""
    for reminder, index in sorted(
        (seen.reminder, seen.index) for seen in today.appearances if seen.reminder is not None
    ):
        yield {
            "user_id": identity.member_id(index),
            "email_address": identity.email(index),
            "third_party_id": identity.third_party_id(index),
            "message_date": reminder.at,
            "inactivity_last_qualified_date": reminder.qualified,
            "inactivity_exp_date": reminder.lapses,
            "points_expiring": reminder.points,
        }

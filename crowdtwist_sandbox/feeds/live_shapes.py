"""Events of Live Push, except profiles.

Shapes follow the pages "Live Push User Activity", "… User Redemption", "… User Segmentation" and
"… Points Expiration": names in camelCase, except in segments and in the arrays of points
expiration; flags as 0 or 1; timestamps as text with epoch seconds; program-defined attributes as
JSON text, which is cut after 4,000 characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.feeds.live_format import camel_name, json_text
from crowdtwist_sandbox.world import identity
from crowdtwist_sandbox.world.deterministic_random import seed_of
from crowdtwist_sandbox.world.expiration import expirations
from crowdtwist_sandbox.world.member_rows import history_row
from crowdtwist_sandbox.world.redemption_rows import redemption_row

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import MemberDay, Reminder, Today
    from crowdtwist_sandbox.feeds.memberships import Membership
    from crowdtwist_sandbox.world.events import Completion, Redemption
    from crowdtwist_sandbox.world.program import Row

_MAX_EXTRA_CHARACTERS = 4000
_LONG_EXTRA_EVERY = 12  # one text of extra data in so many is cut
_WITHOUT_ID_EVERY = 5  # one redemption in so many has no third-party id
_POINTS = ("points_expired", "points_expiring", "points_redeemed")
_FIRST_MONTH, _END_OF_MONTHS = 2, 9  # of the API's ten, which begin three months ago


def _extra_text(value: Row | None, seed: int) -> str | None:
    """Return extra data as JSON text, some of it so long that it is cut."""
    if value is not None and seed % _LONG_EXTRA_EVERY == 0:
        value = value | {"basket": [f"article {number}" for number in range(400)]}
    text = json_text(value)
    if text is None or len(text) <= _MAX_EXTRA_CHARACTERS:
        return text
    ellipsis = "..." if seed // _LONG_EXTRA_EVERY % 2 else "…"
    return text[: _MAX_EXTRA_CHARACTERS - len(ellipsis)] + ellipsis


def activity(today: Today, member_day: MemberDay, completion: Completion) -> Row:
    """Return a line of the points history."""
    row, seed = history_row(completion)
    known = (
        {}
        if completion.activity is None
        else today.engine.world.program.activity(completion.activity)
    )
    return {
        "userId": identity.member_id(member_day.index),
        "userActivityId": completion.number,
        "activityId": str(row["activity_id"]),
        "activityName": row["name"],
        "points": completion.points,
        "notes": row["notes"],
        "referenceId": None if seed % 3 else f"REF-{completion.number}",
        "activityExtraData": _extra_text(row["extra_data"], seed >> 8),
        "thirdPartyId": identity.third_party_id(member_day.index),
        "title": known.get("title", row["name"]),
        "description": known.get("description"),
        "translatedTitle": known.get("public_title"),
        "translatedDescription": known.get("public_description"),
        "dateCreated": str(completion.created),
        "dateAwarded": str(completion.awarded),
    }


def redemption(today: Today, member_day: MemberDay, order: Redemption) -> Row:
    """Return an order of a reward."""
    world = today.engine.world
    row, seed = redemption_row(world, world.member(member_day.index, today.day), order)
    event = {
        "userId": identity.member_id(member_day.index),
        "orderId": row["order_id"],
        "orderDate": str(order.at),
        "rewardId": row["reward_id"],
        "rewardGroupId": row["reward_group_id"],
        "category": row["category"],
        "title": row["title"],
        "description": row["description"],
        "color": row["color"],
        "size": row["size"],
        "referenceId": row["reference_id"],
        "rewardExtraData": _extra_text(row["extra_data"], seed >> 8),
        "quantity": order.quantity,
        "totalPointsRedeemed": order.cost,
        "couponCode": next(iter(row["codes"]), None),
        "emailAddress": identity.email(member_day.index),
        "userName": identity.username(member_day.index),
    }
    if seed % _WITHOUT_ID_EVERY:
        event["thirdPartyId"] = identity.third_party_id(member_day.index)
    return event


def expiration(today: Today, member_day: MemberDay, reminder: Reminder) -> Row:
    """Return a message about inactivity: flat, or with all expirations in the API's arrays.

    How the live feed nests several dates is not documented. Here it has the months from the last
    one to five ahead, but only those with any points.
    """
    member_fields = {
        "user_id": identity.member_id(member_day.index),
        "email_address": identity.email(member_day.index),
        "third_party_id": identity.third_party_id(member_day.index),
        "message_date": str(reminder.at),
    }
    idle = {
        "last_qualified_date": str(reminder.qualified),
        "expiration_date": str(reminder.expires_at),
        "points_expiring": reminder.points,
    }
    world = today.engine.world
    if seed_of(world.key, "nested", member_day.index) % 2:
        return {camel_name(name): value for name, value in (member_fields | idle).items()}
    life = world.timeline(member_day.index, today.day)
    entries = expirations(world.key, member_day.index, life, world.now(today.day))
    months = [entry for entry in entries if entry["rule_type"] == "redemption_period"]
    return {
        **member_fields,
        "redemption_period_points_expiration": [
            {
                "expiration_date": str(month["expiration_date"]),
                **{name: month[name] for name in _POINTS},
            }
            for month in months[_FIRST_MONTH:_END_OF_MONTHS]
            if any(month[name] for name in _POINTS)
        ],
        "inactivity_points_expiration": [idle],
    }


def segment(member_day: MemberDay, change: Membership) -> Row:
    """Return an entry into a segment or group, or an exit from one."""
    return {
        "user_id": identity.member_id(member_day.index),
        "email_address": identity.email(member_day.index),
        "third_party_id": identity.third_party_id(member_day.index),
        "type": change.type,
        "name": change.name,
        "subscription_id": change.subscription_id,
        "event": change.event,
        "trigger": "segment criteria",
        "date_occurred": str(change.at),
    }

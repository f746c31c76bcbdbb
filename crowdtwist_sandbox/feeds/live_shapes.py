"""Events of Live Push as CrowdTwist sends them.

Shapes follow the pages "Live Push User Profile" (with Tiers v2), "… User Activity", "… User
Redemption", "… User Segmentation" and the batch page of points expiration: camelCase but for the
segments, binary integers for flags, epochs as text, program-defined attributes as JSON text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crowdtwist_sandbox.feeds.push_rows import profile_of
from crowdtwist_sandbox.wire.fields import FIELDS
from crowdtwist_sandbox.wire.forms import BIRTHDAY, EPOCH, TEXT
from crowdtwist_sandbox.wire.surprises import canaries
from crowdtwist_sandbox.world import identity, words
from crowdtwist_sandbox.world.member_rows import history_row
from crowdtwist_sandbox.world.profile import place_of
from crowdtwist_sandbox.world.redemption_rows import redemption_row

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import Appearance, Reminder, Today
    from crowdtwist_sandbox.feeds.memberships import Membership
    from crowdtwist_sandbox.world.events import Completion, Redemption
    from crowdtwist_sandbox.world.program import Row

_KINDS = FIELDS["users"]
_OPEN = frozenset({"extra_data", "custom_data"})
_ALWAYS_NULL = ("password", "salt", "hash_algorithm_id")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _camelled(value: Any) -> Any:
    """A value of the API with names in camelCase and integers for flags, however deep."""
    if isinstance(value, dict):
        return {_camel(name): _camelled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_camelled(each) for each in value]
    return int(value) if isinstance(value, bool) else value


def _json_text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def user(today: Today, seen: Appearance) -> Row:
    """A member's profile at the end of the day.

    Under drift its slots for tokens hold the canaries that the API's profile has there, but never
    those for a password: CrowdTwist sends these null since May 2020.
    """
    world, options = today.engine.world, today.engine.options
    row = profile_of(today, seen) | {"country": words.COUNTRY_CODES[place_of(seen.life)]}
    if options.drift:
        row |= canaries(world.profile_roll(world.member(seen.index, today.day)))
    row |= dict.fromkeys(_ALWAYS_NULL)
    sent: Row = {}
    for name, value in row.items():
        kind = _KINDS.get(name, TEXT)
        if value is None or name in _OPEN:
            sent[_camel(name)] = value
        elif kind in (EPOCH, BIRTHDAY):
            sent[_camel(name)] = str(value)
        else:
            sent[_camel(name)] = _camelled(kind.plain(value))
    return sent


def activity(today: Today, seen: Appearance, line: Completion) -> Row:
    """A line of the points ledger."""
    row, roll = history_row(line)
    known = {} if line.activity is None else today.engine.world.program.activity(line.activity)
    return {
        "userId": identity.member_id(seen.index),
        "userActivityId": line.number,
        "activityId": str(row["activity_id"]),
        "activityName": row["name"],
        "points": line.points,
        "notes": row["notes"],
        "referenceId": None if roll % 3 else f"REF-{line.number}",
        "activityExtraData": _json_text(row["extra_data"]),
        "thirdPartyId": identity.third_party_id(seen.index),
        "title": known.get("title", row["name"]),
        "description": known.get("description"),
        "translatedTitle": known.get("public_title"),
        "translatedDescription": known.get("public_description"),
        "dateCreated": str(line.created),
    }


def redemption(today: Today, seen: Appearance, order: Redemption) -> Row:
    """An order of a reward."""
    world = today.engine.world
    row, _ = redemption_row(world, world.member(seen.index, today.day), order)
    return {
        "userId": identity.member_id(seen.index),
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
        "rewardExtraData": _json_text(row["extra_data"]),
        "quantity": order.quantity,
        "totalPointsRedeemed": order.cost,
        "emailAddress": identity.email(seen.index),
        "thirdPartyId": identity.third_party_id(seen.index),
    }


def expiration(seen: Appearance, reminder: Reminder) -> Row:
    """A message that points lapse by inactivity."""
    return {
        "userId": identity.member_id(seen.index),
        "emailAddress": identity.email(seen.index),
        "thirdPartyId": identity.third_party_id(seen.index),
        "messageDate": str(reminder.at),
        "inactivityLastQualifiedDate": str(reminder.qualified),
        "inactivityExpDate": str(reminder.lapses),
    }


def segment(seen: Appearance, change: Membership) -> Row:
    """An entry to a segment or a group, or an exit."""
    return {
        "user_id": identity.member_id(seen.index),
        "email_address": identity.email(seen.index),
        "third_party_id": identity.third_party_id(seen.index),
        "type": change.type,
        "name": change.name,
        "subscription_id": change.subscription_id,
        "event": change.event,
        "trigger": "segment criteria",
        "date_occurred": str(change.at),
    }

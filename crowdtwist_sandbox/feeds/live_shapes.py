"""Events of Live Push as CrowdTwist sends them.

Shapes follow the pages "Live Push User Profile" (with Tiers v2), "… User Activity", "… User
Redemption", "… User Segmentation" and "… Points Expiration": camelCase but for the segments and
the arrays of points expiration, binary integers for flags, epochs as text, program-defined
attributes as JSON text, which is cut after 4,000 characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crowdtwist_sandbox.feeds.push_rows import profile_of
from crowdtwist_sandbox.wire.drift import canaries
from crowdtwist_sandbox.wire.encodings import BIRTHDAY, EPOCH, TEXT
from crowdtwist_sandbox.wire.fields import FIELDS
from crowdtwist_sandbox.world import identity, words
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, seed_of
from crowdtwist_sandbox.world.expiration import expirations
from crowdtwist_sandbox.world.member_rows import history_row
from crowdtwist_sandbox.world.profile import place_of
from crowdtwist_sandbox.world.redemption_rows import redemption_row

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import Appearance, Reminder, Today
    from crowdtwist_sandbox.feeds.memberships import Membership
    from crowdtwist_sandbox.world.events import Completion, Redemption
    from crowdtwist_sandbox.world.program import Row

_KINDS = FIELDS["users"]
_ALWAYS_NULL = ("password", "salt", "hash_algorithm_id")
_PROFILE = (
    "id",
    "first_name",
    "middle_name",
    "last_name",
    "date_of_birth",
    "gender",
    "email_address",
    "email_is_verified",
    "is_active",
    "mobile_phone_number",
    "third_party_id",
    "state",
    "city",
    "street_address_1",
    "street_address_2",
    "postal_code",
    "lang_pref",
    "receive_email_updates",
    "activity_stream_opt_in",
    "total_points",
    "redeemable_points",
    "num_points_purchased",
    "sign_up_channel_id",
    "facebook_user_id",
    "inst_user_id",
    "date_created",
    "date_last_login",
    "date_last_updated",
    "password_generated",
)
"""What the page and the API's profile have in common."""

_TIERS = (
    "tier_score",
    "score_needed_to_reach",
    "score_needed_to_maintain",
    "days_until_expiration_date",
    "days_until_reset_date",
    "current_level",
    "next_level",
    "date_assigned",
    "date_reached",
    "expiration_date",
    "reset_date",
    "assigned_by_event",
)
_TIER_DATES = ("date_assigned", "date_reached", "expiration_date", "reset_date")
_LONGEST = 4000  # characters of notes and extra data
_LONG = 12  # one text of extra data in so many is longer
_UNNAMED = 5  # one redemption in so many lacks the third-party id
_POINTS = ("points_expired", "points_expiring", "points_redeemed")
_FIRST_MONTH, _END_OF_MONTHS = 2, 9  # of the API's ten, which begin three months ago


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


def _extra_text(value: Row | None, seed: int) -> str | None:
    """Extra data as JSON text, some of it so long that it is cut."""
    if value is not None and seed % _LONG == 0:
        value = value | {"basket": [f"article {number}" for number in range(400)]}
    text = _json_text(value)
    if text is None or len(text) <= _LONGEST:
        return text
    ellipsis = "..." if seed // _LONG % 2 else "…"
    return text[: _LONGEST - len(ellipsis)] + ellipsis


def user(today: Today, seen: Appearance) -> Row:
    """A member's profile at the end of the day, with the properties of the page and no other.

    Under drift its slots for tokens hold the canaries that the API's profile has there, but never
    those for a password: CrowdTwist sends these null since May 2020.
    """
    world, options = today.engine.world, today.engine.options
    profile = profile_of(today, seen)
    seed = seed_of(world.key, "live", seen.index)
    row = {name: profile.get(name) for name in _PROFILE}
    row |= _beyond_the_api(profile, seen, world.key)
    row |= {
        "country": words.COUNTRY_CODES[place_of(seen.life)],
        "fan_level_name": profile["fan_level"],
        "user_name": profile["username"],
        **dict.fromkeys(_ALWAYS_NULL),
    }
    sent: Row = {}
    for name, value in row.items():
        kind = _KINDS.get(name, TEXT)
        if value is None:
            sent[_camel(name)] = None
        elif kind in (EPOCH, BIRTHDAY):
            sent[_camel(name)] = str(value)
        else:
            sent[_camel(name)] = _camelled(kind.plain(value))
    sent["tierInfo"] = _tier_info(profile["tier_info"], seed)
    sent["customData"] = _custom_data(profile.get("custom_data"), seed)
    if options.drift:
        secrets = canaries(world.profile_seed(world.member(seen.index, today.day)))
        secrets |= dict.fromkeys(_ALWAYS_NULL)
        sent |= {_camel(name): value for name, value in secrets.items()}
    return sent


def _beyond_the_api(profile: Row, seen: Appearance, key: int) -> Row:
    """What the page has, and the API's profile has not or calls otherwise."""
    number = profile["mobile_phone_number"]
    contact = seed_of(key, "contact", seen.index)
    dice = DeterministicRandom(seed_of(key, "live profile", seen.index))

    def maybe(value: Any) -> Any:
        return value if dice.one_in(2) else None

    month = dice.below(1 + profile["total_points"])
    return {
        "region": words.REGIONS[place_of(seen.life)],
        "receive_sms_messages": number is not None and contact % 2 == 0,
        "date_mobile_verified": None
        if number is None or contact % 3
        else str(profile["date_created"]),
        "fan_rank": profile["rank"],
        "monthly_points": month,
        "weekly_points": dice.below(1 + month),
        "sign_up_type_id": dice.between(1, 4),
        "sign_up_campaign": maybe("Été & co"),
        "client_branding_id": maybe(dice.between(1, 3)),
        "ip_address": maybe(f"192.0.2.{dice.below(256)}"),
        "twitter_user_id": maybe(str(700_000 + seen.index)),
        "fsq_user_id": None,
        "google_user_id": maybe(f"1{seen.index:020d}"),
        "yahoo_user_id": None,
        "num_facebook_friends": dice.below(900) if profile["facebook_user_id"] else None,
        "num_twitter_followers": maybe(dice.below(90)),
    }


def _tier_info(tiers: Row, seed: int) -> Row:
    """The standing of a member; the page spells one name in two ways."""
    spelled = {_camel(name): _camelled(_level(tiers[name])) for name in _TIERS}
    for name in _TIER_DATES:
        if tiers[name] is not None:
            spelled[_camel(name)] = str(tiers[name])
    score = tiers["timeframe_score"]
    spelled["score"] = score
    spelled["timeframe_score" if seed % 2 else "timeframeScore"] = score
    return spelled


def _level(value: Any) -> Any:
    """A level without its picture, which the page does not have."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name != "image_url"}


def _custom_data(value: Row | None, seed: int) -> Any:
    """Custom data as an object, as JSON text, or as the page prints it: text that is no JSON."""
    if value is None:
        return None
    form = seed // 2 % 3
    if form == 0:
        return value
    text = _json_text(value)
    return text if form == 1 or text is None else text.replace('"', "")


def activity(today: Today, seen: Appearance, line: Completion) -> Row:
    """A line of the points ledger."""
    row, seed = history_row(line)
    known = {} if line.activity is None else today.engine.world.program.activity(line.activity)
    return {
        "userId": identity.member_id(seen.index),
        "userActivityId": line.number,
        "activityId": str(row["activity_id"]),
        "activityName": row["name"],
        "points": line.points,
        "notes": row["notes"],
        "referenceId": None if seed % 3 else f"REF-{line.number}",
        "activityExtraData": _extra_text(row["extra_data"], seed >> 8),
        "thirdPartyId": identity.third_party_id(seen.index),
        "title": known.get("title", row["name"]),
        "description": known.get("description"),
        "translatedTitle": known.get("public_title"),
        "translatedDescription": known.get("public_description"),
        "dateCreated": str(line.created),
        "dateAwarded": str(line.awarded),
    }


def redemption(today: Today, seen: Appearance, order: Redemption) -> Row:
    """An order of a reward."""
    world = today.engine.world
    row, seed = redemption_row(world, world.member(seen.index, today.day), order)
    event = {
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
        "rewardExtraData": _extra_text(row["extra_data"], seed >> 8),
        "quantity": order.quantity,
        "totalPointsRedeemed": order.cost,
        "couponCode": next(iter(row["codes"]), None),
        "emailAddress": identity.email(seen.index),
        "userName": identity.username(seen.index),
    }
    if seed % _UNNAMED:
        event["thirdPartyId"] = identity.third_party_id(seen.index)
    return event


def expiration(today: Today, seen: Appearance, reminder: Reminder) -> Row:
    """A message that points lapse by inactivity, flat or with all that lapses in the API's arrays.

    How the live feed nests several dates is not documented. Its months are those from the last one
    to five ahead, and only such that have anything.
    """
    whose = {
        "user_id": identity.member_id(seen.index),
        "email_address": identity.email(seen.index),
        "third_party_id": identity.third_party_id(seen.index),
        "message_date": str(reminder.at),
    }
    idle = {
        "last_qualified_date": str(reminder.qualified),
        "expiration_date": str(reminder.lapses),
        "points_expiring": reminder.points,
    }
    world = today.engine.world
    if seed_of(world.key, "nested", seen.index) % 2:
        return {_camel(name): value for name, value in (whose | idle).items()}
    life = world.timeline(seen.index, today.day)
    entries = expirations(world.key, seen.index, life, world.now(today.day))
    months = [entry for entry in entries if entry["rule_type"] == "redemption_period"]
    return {
        **whose,
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

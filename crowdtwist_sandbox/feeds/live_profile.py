"""The event of Live Push with a member's profile.

Its shape follows the page "Live Push User Profile" (with Tiers v2): names in camelCase, flags as 0
or 1, timestamps as text with epoch seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.feeds.live_format import camel_case, camel_name, json_text
from crowdtwist_sandbox.feeds.push_rows import profile_of
from crowdtwist_sandbox.wire.drift import canaries
from crowdtwist_sandbox.wire.encodings import BIRTHDAY, EPOCH, TEXT
from crowdtwist_sandbox.wire.fields import FIELDS
from crowdtwist_sandbox.world import words
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, seed_of
from crowdtwist_sandbox.world.profile import place_of

if TYPE_CHECKING:
    from crowdtwist_sandbox.feeds.days import MemberDay, Today
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
"""Properties that the page has and the API's profile too."""

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


def profile_event(today: Today, member_day: MemberDay) -> Row:
    """Return a member's profile at the end of the day, with the page's properties and no others.

    With drift, token properties hold the same canaries as the API's profile. Those of the password
    never do: CrowdTwist has sent them as null since May 2020.
    """
    world, options = today.engine.world, today.engine.options
    profile = profile_of(today, member_day)
    seed = seed_of(world.key, "live", member_day.index)
    row = {name: profile.get(name) for name in _PROFILE}
    row |= _beyond_the_api(profile, member_day, world.key)
    row |= {
        "country": words.COUNTRY_CODES[place_of(member_day.life)],
        "fan_level_name": profile["fan_level"],
        "user_name": profile["username"],
        **dict.fromkeys(_ALWAYS_NULL),
    }
    sent: Row = {}
    for name, value in row.items():
        kind = _KINDS.get(name, TEXT)
        if value is None:
            sent[camel_name(name)] = None
        elif kind in (EPOCH, BIRTHDAY):
            sent[camel_name(name)] = str(value)
        else:
            sent[camel_name(name)] = camel_case(kind.plain(value))
    sent["tierInfo"] = _tier_info(profile["tier_info"], seed)
    sent["customData"] = _custom_data(profile.get("custom_data"), seed)
    if options.drift:
        secrets = canaries(world.profile_seed(world.member(member_day.index, today.day)))
        secrets |= dict.fromkeys(_ALWAYS_NULL)
        sent |= {camel_name(name): value for name, value in secrets.items()}
    return sent


def _beyond_the_api(profile: Row, member_day: MemberDay, key: int) -> Row:
    """Return the properties that the API's profile lacks or names otherwise."""
    number = profile["mobile_phone_number"]
    contact = seed_of(key, "contact", member_day.index)
    random = DeterministicRandom(seed_of(key, "live profile", member_day.index))

    def maybe(value: Any) -> Any:
        return value if random.one_in(2) else None

    month = random.below(1 + profile["total_points"])
    return {
        "region": words.REGIONS[place_of(member_day.life)],
        "receive_sms_messages": number is not None and contact % 2 == 0,
        "date_mobile_verified": None
        if number is None or contact % 3
        else str(profile["date_created"]),
        "fan_rank": profile["rank"],
        "monthly_points": month,
        "weekly_points": random.below(1 + month),
        "sign_up_type_id": random.between(1, 4),
        "sign_up_campaign": maybe("Été & co"),
        "client_branding_id": maybe(random.between(1, 3)),
        "ip_address": maybe(f"192.0.2.{random.below(256)}"),
        "twitter_user_id": maybe(str(700_000 + member_day.index)),
        "fsq_user_id": None,
        "google_user_id": maybe(f"1{member_day.index:020d}"),
        "yahoo_user_id": None,
        "num_facebook_friends": random.below(900) if profile["facebook_user_id"] else None,
        "num_twitter_followers": maybe(random.below(90)),
    }


def _tier_info(tiers: Row, seed: int) -> Row:
    """Return the tier of a member; the page writes `timeframe_score` in two ways."""
    event = {camel_name(name): camel_case(_level(tiers[name])) for name in _TIERS}
    for name in _TIER_DATES:
        if tiers[name] is not None:
            event[camel_name(name)] = str(tiers[name])
    score = tiers["timeframe_score"]
    event["score"] = score
    event["timeframe_score" if seed % 2 else "timeframeScore"] = score
    return event


def _level(value: Any) -> Any:
    """Return a level without its image, which the page does not have."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name != "image_url"}


def _custom_data(value: Row | None, seed: int) -> Any:
    """Return custom data as an object, as JSON text, or as the page prints it: invalid JSON."""
    if value is None:
        return None
    form = seed // 2 % 3
    if form == 0:
        return value
    text = json_text(value)
    return text if form == 1 or text is None else text.replace('"', "")

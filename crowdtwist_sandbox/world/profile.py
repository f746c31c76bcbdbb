"""A member's canonical profile. Its shape follows the page "User Profile"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.world import identity, words
from crowdtwist_sandbox.world.deterministic_random import DeterministicRandom, seed_of
from crowdtwist_sandbox.world.timestamps import DAY

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.events import Timeline
    from crowdtwist_sandbox.world.program import Row

_MAINTENANCE_AFTER_SECONDS = 30 * DAY


def place_of(life: Timeline) -> int:
    """Return the index of the member's city."""
    return life.moved % len(words.CITIES)


def profile(key: int, index: int, life: Timeline, now: int) -> Row:
    """Return the profile at the end of a day; credentials are present and null.

    The key `custom_data` is missing for members who have none, as on the live service.
    """
    # Each call draws the next number: the order of the calls below is part of the world.
    random = DeterministicRandom(seed_of(key, "profile", index))

    def maybe(value: Any) -> Any:
        return value if random.one_in(2) else None

    place = place_of(life)
    city, state, postal_code = words.CITIES[place]
    opted_in = random.one_in(2)
    opted_at = life.joined_at if random.one_in(3) else None
    facebook = identity.facebook_user_id(index)
    row: Row = {
        "id": identity.member_id(index),
        "first_name": random.pick(words.FIRST_NAMES),
        "middle_name": maybe("J."),
        "last_name": random.pick(words.LAST_NAMES),
        "date_of_birth": maybe((random.below(24_000) - 10_000) * DAY),
        "email_address": identity.email(index),
        "email_is_verified": random.one_in(2),
        "is_active": not random.one_in(20),
        "username": identity.username(index),
        "mobile_phone_number": identity.mobile_phone_number(index),
        "third_party_id": identity.third_party_id(index),
        "gender_id": (gender := maybe(random.pick((1, 2)))),
        "gender": None if gender is None else ("Male", "Female")[gender - 1],
        "extra_data": maybe({"wave": random.below(9), "note": "ça va"}),
        "continent": "Europe" if words.COUNTRIES[place] in {"France", "Germany"} else "Americas",
        "country": words.COUNTRIES[place],
        "us_region": "Northeast" if state == "NY" else None,
        "ca_province": None,
        "state": state,
        "city": city,
        "street_address_1": maybe(f"{random.between(1, 999)} Rue de l'Église"),
        "street_address_2": None if random.below(4) else "#4 B",
        "postal_code": maybe(postal_code),
        "receive_email_updates": opted_in,
        "date_receive_email_opt_in": opted_at if opted_in else None,
        "date_receive_email_opt_out": None if opted_in else opted_at,
        "total_points": life.total_points,
        "redeemable_points": life.redeemable_points,
        "num_points_purchased": life.purchased_points,
        "facebook_user_id": facebook,
        "facebook_access_token": None,
        "date_fb_token_expires": life.joined_at + 60 * DAY if facebook else None,
        "twitter_oauth_token": None,
        "twitter_oauth_token_secret": None,
        "pinterest_user_id": maybe(f"pin{index}"),
        "pinterest_access_token": None,
        "inst_username": maybe(f"insta.{index}"),
        "inst_user_id": None,
        "inst_access_token": None,
        "activity_stream_opt_in": random.one_in(3),
        "store_id": maybe(f"{random.below(90):04d}"),
        "date_last_login": maybe(life.updated_at),
        "date_last_updated": life.profile_updated_at,
        "date_created": life.joined_at,
        "rank": maybe(1 + index),
        "weekly_rank": None,
        "monthly_rank": None,
        "password": None,
        "salt": None,
        "hash_algorithm_id": "4",
        "password_generated": "0",
        "lang_pref": maybe(random.pick(("en_US", "fr_FR", "de_DE"))),
        "sign_up_channel_id": maybe(random.between(1, 9)),
        "referral_url": f"https://join.example.test/r/{seed_of(key, 'invite', index):x}",
        "fan_level": words.TIERS[life.tier][0],
        "tier_info": _tier_info(random, life, now),
        "segments": [{"name": "VIP", "subscription_id": 33}] if random.one_in(5) else [],
        "household_id": maybe(50_000 + index // 3),
    }
    if random.one_in(3):
        row["custom_data"] = {"home_store": str(random.below(40)), "größe": "M"}
    return row


def _level(tier: int) -> Row:
    title, low, high = words.TIERS[tier]
    image = f"https://cdn.example.test/tier/{title}.png" if tier else None
    return {"title": title, "min_value": low or None, "max_value": high, "image_url": image}


def _tier_info(random: DeterministicRandom, life: Timeline, now: int) -> Row:
    """Return the member's tier; for a member outside of tiers, nearly all of it is null."""
    top = len(words.TIERS) - 1
    tier = life.tier
    following = None if tier == top else words.TIERS[tier + 1][1]
    expires = life.tier_since + 365 * DAY
    outside = random.one_in(15)
    row = {
        "timeframe_score": life.total_points,
        "tier_score": life.total_points,
        "score_needed_to_reach": None if following is None else following - life.total_points,
        "score_needed_to_maintain": 0 if following is None else None,
        "days_until_expiration_date": max(0, (expires - now) // DAY),
        "days_until_reset_date": None,
        "current_level": _level(tier),
        "next_level": None if tier == top else _level(tier + 1),
        "date_assigned": life.tier_since,
        "date_reached": life.tier_since if tier else None,
        "expiration_date": expires,
        "reset_date": None,
        "is_maintenance_mode": life.tier_since + _MAINTENANCE_AFTER_SECONDS < now,
        "assigned_by_event": "jump" if tier else "start",
    }
    if outside:
        row = dict.fromkeys(row)
    levels_above = [] if outside else [_level(step) for step in range(tier + 1, top + 1)]
    levels_below = [] if outside else [_level(step) for step in range(tier)]
    return row | {"levels_above": levels_above, "levels_below": levels_below}

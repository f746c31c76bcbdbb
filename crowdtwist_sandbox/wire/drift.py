"""Drift of a row's property names: renamed, left out, or new.

The page "API Best Practices" announces that properties may appear at any time; the rest is what
samples show. `expected_rows` calls the same functions, so that it knows which ids are missing and
what was added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.world.deterministic_random import mix

if TYPE_CHECKING:
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.program import Row

NEW_PROPERTY = "new_property_2026"
MISSPELT = "points_expiringpoin"
_VALUES: tuple[Any, ...] = (7, "neu ☂", [1, "two", None], {"deep": {"er": True}}, 1.5, False, "")
_CREDENTIAL_NAMES = (
    "password",
    "salt",
    "facebook_access_token",
    "twitter_oauth_token",
    "twitter_oauth_token_secret",
    "pinterest_access_token",
    "inst_access_token",
)
NAMES = {
    "activities": ("activity_tags", ("activity_tag", "activity_tags", "activity_tags")),
    "coupons": ("coupon_code", ("coupon_value", "coupon_code", "coupon_code")),
    "redemptions": (
        "expiration_date",
        ("expiration_date", "date_expiration", "coupon_expiration_date"),
    ),
}
"""Stream -> property and the names under which it is sent: pages differ, or none specifies it."""
_WITHOUT_ID = {"user_activity_history": ("user_activity_id", 3), "redemptions": ("order_id", 4)}


def left_out_id(stream: str, member: Member | None) -> str | None:
    """Return the name of the id that this member's rows lack, as those of one member in seven."""
    if member is None or stream not in _WITHOUT_ID:
        return None
    name, rest = _WITHOUT_ID[stream]
    return name if member.index % 7 == rest else None


def added(stream: str, row: Row, seed: int) -> Row:
    """Return the undocumented properties of a row, as they are sent."""
    extra: Row = {}
    if seed % 11 == 0:
        extra[NEW_PROPERTY] = _VALUES[(seed >> 8) % len(_VALUES)]
    if stream == "points_expiration" and _is_misspelt(row, seed):
        extra[MISSPELT] = row["points_expiring"]
    return extra


def removed(stream: str, row: Row, seed: int) -> str | None:
    """Return the name of the documented property that a misspelled one replaces, if any."""
    return "points_expiring" if stream == "points_expiration" and _is_misspelt(row, seed) else None


def canaries(seed: int) -> Row:
    """Return secrets for a profile; each starts with CANARY-, so that a leak is easy to find."""
    filled: Row = {}
    if seed % 3 == 0:
        for number, name in enumerate(_CREDENTIAL_NAMES):
            filled[name] = f"CANARY-{name}-{mix(seed + number):x}"
    if seed % 5 == 0:
        filled["some_token"] = f"CANARY-some-token-{seed:x}"
        filled["partner_secret"] = f"CANARY-partner-secret-{seed:x}"
    return filled


def apply(stream: str, row: Row, sent: Row, seed: int, member: Member | None) -> Row:
    """Change the property names of a row that is about to be sent, and return it."""
    # `row` stays canonical: it may be cached and shared by other members.
    for name in (left_out_id(stream, member), removed(stream, row, seed)):
        if name is not None:
            del sent[name]
    if stream == "users":
        sent.update(canaries(seed))
    elif stream in NAMES:
        name, names = NAMES[stream]
        if name in sent:
            sent[names[(seed >> 16) % len(names)]] = sent.pop(name)
    sent.update(added(stream, row, seed))
    return sent


def _is_misspelt(row: Row, seed: int) -> bool:
    return "points_redeemed" in row and (seed >> 20) % 12 == 0

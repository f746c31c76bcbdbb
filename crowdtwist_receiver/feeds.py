"""Feeds of Live Push: their paths, and which of them an event belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

USERS = "live_users"
ACTIVITIES = "live_activities"
REDEMPTIONS = "live_redemptions"
POINTS_EXPIRATION = "live_points_expiration"
SEGMENTS = "live_segments"

PATHS = {
    "/live/users": USERS,
    "/live/activities": ACTIVITIES,
    "/live/redemptions": REDEMPTIONS,
    "/live/points-expiration": POINTS_EXPIRATION,
    "/live/segments": SEGMENTS,
}
"""Path of each feed."""

_SEGMENT_TYPES = ("segment", "group")
_EXPIRATION_NAME_PARTS = ("pointsexp", "inactivity", "lastqualified")
"""Parts of property names, without underscores, that only points expiration events have."""


def detect_feed(event: Mapping[str, Any]) -> str:
    """Return the feed of an event, by its property names in camel case or snake case.

    An activity has a `userActivityId` ("Live Push User Activity"), a redemption an `orderId`
    ("Live Push User Redemption"); a member entering or leaving a segment has an `event` with a
    `subscription_id` or with the type segment or group ("Live Push User Segmentation"); only
    profiles have a `tierInfo` ("Live Push User Profile"). Points expiration events have the names
    of "Live Push Points Expiration" or of the API's response, or a message date with a name about
    expiration ("Batch Push Points Expiration"). Any other event counts as a profile.
    """
    if "userActivityId" in event or "user_activity_id" in event:
        return ACTIVITIES
    if "orderId" in event or "order_id" in event:
        return REDEMPTIONS
    if "event" in event and (
        "subscriptionId" in event
        or "subscription_id" in event
        or event.get("type") in _SEGMENT_TYPES
    ):
        return SEGMENTS
    return POINTS_EXPIRATION if _is_points_expiration(event) else USERS


def _is_points_expiration(event: Mapping[str, Any]) -> bool:
    if "tierInfo" in event or "tier_info" in event:
        return False
    names = {name.replace("_", "").lower() for name in event}
    # Part of the name, since the public pages do not print a complete event of this feed.
    if any(part in name for name in names for part in _EXPIRATION_NAME_PARTS):
        return True
    return "messagedate" in names and any("expir" in name for name in names)

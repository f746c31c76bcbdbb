"""Which feed an event belongs to."""

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
"""Where each feed may be posted to."""

_SEGMENT_TYPES = ("segment", "group")
_MARKS_OF_EXPIRY = ("pointsexp", "inactivity", "lastqualified")
"""Parts of names, without underscores, that only events of points expiration have."""


def feed_of(event: Mapping[str, Any]) -> str:
    """Tell the feed of an event by its members, in camel case or snake case.

    An activity has a `userActivityId` ("Live Push User Activity"), a redemption an `orderId`
    ("Live Push User Redemption"); a member entering or leaving a segment has an `event` with a
    `subscription_id` or with the type segment or group ("Live Push User Segmentation"); only
    profiles have a `tierInfo` ("Live Push User Profile"). Points that will expire are told by the
    names in "Live Push Points Expiration" and in the API's answer, or come with the date of the
    message about them ("Batch Push Points Expiration"). What is left is a profile.
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
    return POINTS_EXPIRATION if _tells_of_expiry(event) else USERS


def _tells_of_expiry(event: Mapping[str, Any]) -> bool:
    if "tierInfo" in event or "tier_info" in event:
        return False
    names = {name.replace("_", "").lower() for name in event}
    if any(mark in name for name in names for mark in _MARKS_OF_EXPIRY):
        return True
    return "messagedate" in names and any("expir" in name for name in names)

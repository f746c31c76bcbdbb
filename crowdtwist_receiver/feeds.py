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


def feed_of(event: Mapping[str, Any]) -> str:
    """Tell the feed of an event by its members, in camel case or snake case.

    An activity has a `userActivityId` ("Live Push User Activity"), a redemption an `orderId`
    ("Live Push User Redemption"); a member entering or leaving a segment has an `event` with a
    `subscription_id` or with the type segment or group ("Live Push User Segmentation"); points that
    will expire come with the date of the message about it ("Batch Push Points Expiration", whose
    columns are the only ones known). What is left is a profile ("Live Push User Profile").
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
    if ("messageDate" in event or "message_date" in event) and any(map(_of_expiry, event)):
        return POINTS_EXPIRATION
    return USERS


def _of_expiry(name: str) -> bool:
    plain = name.replace("_", "").lower()
    return "expir" in plain or "inactivityexp" in plain

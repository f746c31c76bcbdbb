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

FEEDS = tuple(PATHS.values())

# Names of properties are compared in lower case, without underscores.
_MARKS = {"useractivityid": ACTIVITIES, "orderid": REDEMPTIONS, "tierinfo": USERS}
"""Names that only the events of one feed have."""

_EXPIRATION_NAME_PARTS = ("pointsexp", "inactivity", "lastqualified")
"""Parts of names that only points expiration events have."""

_SEGMENT_TYPES = ("segment", "group")


def detect_feed(event: Mapping[str, Any]) -> str:
    """Return the feed of an event, by its property names in camel case or snake case.

    An activity has a `userActivityId` ("Live Push User Activity"), a redemption an `orderId`
    ("Live Push User Redemption"); only profiles have a `tierInfo` ("Live Push User Profile"); a
    member entering or leaving a segment has an `event` with a `subscription_id` or with the type
    segment or group ("Live Push User Segmentation"). Points expiration events have the names of
    "Live Push Points Expiration" or of the API's response, or a message date with a name about
    expiration ("Batch Push Points Expiration"). Any other event counts as a profile.
    """
    names = {name.replace("_", "").lower() for name in event}
    for mark, feed in _MARKS.items():
        if mark in names:
            return feed
    if "event" in names and ("subscriptionid" in names or event.get("type") in _SEGMENT_TYPES):
        return SEGMENTS
    # Parts of names, since the public pages do not print a complete event of this feed.
    text = " ".join(names)
    if any(part in text for part in _EXPIRATION_NAME_PARTS):
        return POINTS_EXPIRATION
    return POINTS_EXPIRATION if "messagedate" in names and "expir" in text else USERS

"""The resources of the read API, one row each: the only place with a path or a version in it.

Sources: the page of each resource in the Oracle CrowdTwist Developer Help Center, named beside
each row. What no page states (envelopes of unpaged lists, the v2.1 history's response) follows
the sibling pages, and the client accepts every form seen.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

PAGE_SIZE = 10
"""Rows of a page where no `page_size` is sent (User Purchase History)."""


class Host(enum.Enum):
    """CrowdTwist serves two hosts; purchases live on the point-of-sale one."""

    MAIN = "main"
    POS = "pos"


class DateFilter(enum.Enum):
    """How an endpoint wants `date_start` and `date_end`."""

    UNIX = "Unix seconds, both or neither"
    DAYS = "YYYY-MM-DD, both ends inclusive"
    WINDOWS = "YYYY-MM-DD, at most a year apart, date_end after date_start"


@dataclass(frozen=True)
class Endpoint:
    """One resource.

    Attributes:
        name: how messages and metrics call it.
        path: with `{id}` where the member's id goes, percent-encoded.
        host: which of the two hosts serves it.
        envelope: keys under which the rows may stand, the usual one first. A bare array is
            accepted everywhere. Empty: the payload is itself the one row.
        paged: whether it has pages, addressed by `page`.
        page_size: the documented maximum, sent as `page_size`; None where it takes none.
        dates: the date filter it understands, if any.
        key: properties that tell two rows of one listing apart.
        params: what is always sent.
        beside: properties that may stand once beside the rows and belong to each.
    """

    name: str
    path: str
    host: Host = Host.MAIN
    envelope: tuple[str, ...] = ()
    paged: bool = False
    page_size: int | None = None
    dates: DateFilter | None = None
    key: tuple[str, ...] = ("id",)
    params: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def of_member(self) -> bool:
        """Whether the resource belongs to one member."""
        return "{id}" in self.path


ACTIVITIES = Endpoint(  # Activities-Extended (v2.1)
    "activities", "/v2.1/activities/extended", envelope=("activities",), paged=True, page_size=25
)
REWARDS = Endpoint(  # Rewards (v2.1); inactive ones are included unless active_only is sent
    "rewards", "/v2.1/rewards", envelope=("rewards",), paged=True, page_size=25
)
BADGES = Endpoint(  # Badges
    "badges", "/v2.1/badges", envelope=("badges",), paged=True, page_size=25
)
USER = Endpoint("users", "/v2/users/{id}")  # User Profile
DELETION = Endpoint("deletions", "/v2/users/delete/{id}")  # User Deletion Status
USER_ACTIVITIES = Endpoint(  # User Activities: what the member may do
    "user_activities", "/v2/users/{id}/activities", envelope=("activities",)
)
ACTIVITY_HISTORY = Endpoint(  # User Activity History; v2.1 seen in public clients only, its largest
    "user_activity_history",  # page is unknown: 10 is what every member resource takes
    "/v2.1/users/{id}/activity_history",
    envelope=("activities", "activity_history"),
    paged=True,
    page_size=10,
    dates=DateFilter.UNIX,
    key=("user_activity_id",),
)
PURCHASES = Endpoint(  # User Purchase History
    "purchases",
    "/users/{id}/purchases",
    Host.POS,
    envelope=("purchases",),
    paged=True,
    dates=DateFilter.DAYS,
    key=("purchase_id_type", "purchase_id"),
)
USER_REWARDS = Endpoint(  # User Rewards (v2.1)
    "user_rewards",
    "/v2.1/users/{id}/rewards",
    envelope=("rewards",),
    paged=True,
    page_size=10,
)
REDEMPTIONS = Endpoint(  # User Redemption History v2.2; the household page says `redemptions`
    "redemptions",
    "/v2.2/users/{id}/redemption_history",
    envelope=("rewards", "redemptions"),
    paged=True,
    page_size=10,
    dates=DateFilter.WINDOWS,
    key=("order_id",),
)
POINTS_EXPIRATION = Endpoint(  # Points Expiration
    "points_expiration", "/v2/users/{id}/points_expiration"
)
RECEIPTS = Endpoint(  # User Receipt History
    "receipts",
    "/v2/users/{id}/receipts",
    envelope=("submitted_receipts",),
    paged=True,
    page_size=25,
)
COUPONS = Endpoint(  # Usable Coupons; expired unused ones are included by default
    "coupons",
    "/v2/users/{id}/usable_coupons",
    envelope=("usable_coupons", "coupons"),
    key=("redeem_order_coupon_id",),
)
USER_BADGES = Endpoint(  # User Badges; `user_counts` is the member's
    "user_badges",
    "/v2.1/users/{id}/badges",
    envelope=("badges",),
    paged=True,
    page_size=25,
    beside=("user_counts",),
)
POINTS_AWAITING_FULFILLMENT = Endpoint(  # Points Awaiting Fulfillment
    "points_awaiting_fulfillment", "/fulfillment/users/{id}", Host.POS
)

ENVIRONMENTS: dict[str, str] = {
    "production": "",
    "sandbox": "sb-",
    "sandbox2": "sb2-",
    "us2": "us2-",
    "de": "de-",
}
"""Environment -> prefix of both host names. Source: Endpoint URL Environments."""


def base_url(host: Host, environment: str, client_id: str) -> str:
    """Build a host's URL: `https://{prefix}api{client_id}.crowdtwist.com`, or `…pos…`."""
    label = "api" if host is Host.MAIN else "pos"
    return f"https://{ENVIRONMENTS[environment]}{label}{client_id}.crowdtwist.com"

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
class Form:
    """One way to ask for a listing.

    Attributes:
        name: how messages call it.
        page: the query parameter for the page number; None where all rows come at once.
        page_size: rows of a page, sent as `page_size`; None where it is not sent.
    """

    name: str
    page: str | None = None
    page_size: int | None = None


UNPAGED = Form("without pages")


def _pages(page_size: int | None = None, page: str = "page") -> tuple[Form, ...]:
    return (Form(f"paged by `{page}`", page, page_size),)


@dataclass(frozen=True)
class Endpoint:
    """One resource.

    Attributes:
        name: how messages and metrics call it.
        path: with `{id}` where the member's id goes, percent-encoded.
        host: which of the two hosts serves it.
        envelope: keys under which the rows may stand, the usual one first. A bare array is
            accepted everywhere. Empty: the payload is itself the one row.
        forms: how its rows may be asked for, the richest form first. There is more than one where
            the public pages leave open which one is right. Page sizes are the documented maximum.
        dates: the date filter it understands, if any.
        dated: properties of a row that the date filter may be about.
        key: properties that tell two rows of one listing apart.
        params: what is always sent.
        beside: properties that may stand once beside the rows and belong to each.
    """

    name: str
    path: str
    host: Host = Host.MAIN
    envelope: tuple[str, ...] = ()
    forms: tuple[Form, ...] = (UNPAGED,)
    dates: DateFilter | None = None
    dated: tuple[str, ...] = ()
    key: tuple[str, ...] = ("id",)
    params: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def paged(self) -> bool:
        """Whether the first of its forms has pages."""
        return self.forms[0].page is not None

    @property
    def page_size(self) -> int | None:
        """Rows of a page in the first of its forms, where they are sent."""
        return self.forms[0].page_size

    @property
    def of_member(self) -> bool:
        """Whether the resource belongs to one member."""
        return "{id}" in self.path


ACTIVITIES = Endpoint(  # Activities-Extended (v2.1)
    "activities", "/v2.1/activities/extended", envelope=("activities",), forms=_pages(25)
)
REWARDS = Endpoint(  # Rewards (v2.1); inactive ones are included unless active_only is sent
    "rewards", "/v2.1/rewards", envelope=("rewards",), forms=_pages(25)
)
BADGES = Endpoint(  # Badges
    "badges", "/v2.1/badges", envelope=("badges",), forms=_pages(25)
)
USER = Endpoint("users", "/v2/users/{id}")  # User Profile
DELETION = Endpoint("deletions", "/v2/users/delete/{id}")  # User Deletion Status
USER_ACTIVITIES = Endpoint(  # User Activities: what the member may do
    "user_activities", "/v2/users/{id}/activities", envelope=("activities",)
)
# User Activity History. Of v2.1 only public clients are known, which send no page. The legacy page
# takes `page_size` only together with `page_number`; sibling resources take `page` and `page_size`.
# The largest page is unknown: 10 is what every resource of a member takes.
ACTIVITY_HISTORY = Endpoint(
    "user_activity_history",
    "/v2.1/users/{id}/activity_history",
    envelope=("activities", "activity_history"),
    forms=(*_pages(10), *_pages(10, "page_number"), UNPAGED),
    dates=DateFilter.UNIX,
    dated=("date_created", "date_awarded", "activity_date"),
    key=("user_activity_id",),
)
PURCHASES = Endpoint(  # User Purchase History
    "purchases",
    "/users/{id}/purchases",
    Host.POS,
    envelope=("purchases",),
    forms=_pages(),
    dates=DateFilter.DAYS,
    key=("purchase_id_type", "purchase_id"),
)
USER_REWARDS = Endpoint(  # User Rewards (v2.1)
    "user_rewards",
    "/v2.1/users/{id}/rewards",
    envelope=("rewards",),
    forms=_pages(10),
)
REDEMPTIONS = Endpoint(  # User Redemption History v2.2; the household page says `redemptions`
    "redemptions",
    "/v2.2/users/{id}/redemption_history",
    envelope=("rewards", "redemptions"),
    forms=_pages(10),
    dates=DateFilter.WINDOWS,
    dated=("order_date",),
    key=("order_id",),
)
POINTS_EXPIRATION = Endpoint(  # Points Expiration
    "points_expiration", "/v2/users/{id}/points_expiration"
)
RECEIPTS = Endpoint(  # User Receipt History
    "receipts",
    "/v2/users/{id}/receipts",
    envelope=("submitted_receipts",),
    forms=_pages(25),
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
    forms=_pages(25),
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

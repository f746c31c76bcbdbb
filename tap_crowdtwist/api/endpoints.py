"""Resources of the read API, one row each: the only module with a path or a version in it.

Sources: the page of each resource in the Oracle CrowdTwist Developer Help Center, named beside
each row. What no page states (envelopes of unpaged lists, the response of the v2.1 history)
follows the pages of similar resources, and the client accepts every form seen.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

PAGE_SIZE = 10
"""Rows per page if no `page_size` is sent (User Purchase History)."""


class Host(enum.Enum):
    """One of CrowdTwist's two hosts."""

    MAIN = "main"
    """Profiles, activities, rewards and the rest."""

    POS = "pos"
    """Purchases, and points awaiting fulfillment."""


class DateFilter(enum.Enum):
    """Form in which an endpoint expects `date_start` and `date_end`."""

    UNIX = "Unix seconds, both or neither"
    DAYS = "YYYY-MM-DD, both ends inclusive"
    WINDOWS = "YYYY-MM-DD, at most a year apart, date_end after date_start"


@dataclass(frozen=True)
class Form:
    """One way to request a listing.

    Attributes:
        name: its name in messages.
        page: the query parameter for the page number; None if all rows come in one response.
        page_size: rows per page, sent as `page_size`; None if it is not sent.
    """

    name: str
    page: str | None = None
    page_size: int | None = None


UNPAGED = Form("without pages")


def _pages(page_size: int | None = None, page: str = "page") -> tuple[Form, ...]:
    return (Form(f"paged by `{page}`", page, page_size),)


@dataclass(frozen=True)
class Endpoint:
    """One resource of the API.

    Attributes:
        name: its name in messages and metrics.
        path: path of its URL; `{id}` stands for the member's id, percent-encoded.
        host: the host that serves it.
        envelope: keys that may hold the rows, the usual one first. A bare array is accepted
            everywhere. Empty: the payload itself is the one row.
        forms: ways to request its rows, the one with the most parameters first. There are several
            if the public pages leave open which one is right. Page sizes are the documented
            maximum.
        dates: the date filter that it supports, if any.
        dated: properties of a row that the date filter may apply to.
        key: properties that identify a row within one listing.
        params: query parameters that are always sent.
        sibling_fields: properties that may stand once, next to the rows, and apply to each row.
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
    sibling_fields: tuple[str, ...] = ()

    @property
    def is_paged(self) -> bool:
        """Whether its first form has pages."""
        return self.forms[0].page is not None

    @property
    def page_size(self) -> int | None:
        """Rows per page in its first form; None if no `page_size` is sent."""
        return self.forms[0].page_size

    @property
    def is_per_member(self) -> bool:
        """Whether its path names a member."""
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
# User Activity History. Version 2.1 is undocumented and known from public clients only, which send
# no page. The legacy version accepts `page_size` only together with `page_number`; similar
# resources accept `page` and `page_size`. The maximum page size is unknown: every resource of a
# member accepts 10.
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
    sibling_fields=("user_counts",),
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
"""Prefix of both host names, by environment. Source: Endpoint URL Environments."""


def base_url(host: Host, environment: str, client_id: str) -> str:
    """Build a host's base URL: `https://{prefix}api{client_id}.crowdtwist.com`, or `…pos…`.

    Raises:
        KeyError: `environment` is not one of `ENVIRONMENTS`.
    """
    label = "api" if host is Host.MAIN else "pos"
    return f"https://{ENVIRONMENTS[environment]}{label}{client_id}.crowdtwist.com"

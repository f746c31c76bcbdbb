"""Client library for the CrowdTwist read API, independent of Singer.

`connect` builds a `Client`; its `get` returns one payload, and its `rows` a whole listing. The
names below are the public ones; the page "The client library" of the documentation explains them.
"""

from tap_crowdtwist.api.auth import HeaderKey, HmacSignature, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.connection import connect
from tap_crowdtwist.api.endpoints import (
    ACTIVITIES,
    ACTIVITY_HISTORY,
    BADGES,
    COUPONS,
    DELETION,
    POINTS_AWAITING_FULFILLMENT,
    POINTS_EXPIRATION,
    PURCHASES,
    RECEIPTS,
    REDEMPTIONS,
    REWARDS,
    USER,
    USER_ACTIVITIES,
    USER_BADGES,
    USER_REWARDS,
    Endpoint,
    Host,
)
from tap_crowdtwist.api.errors import (
    ApiError,
    ExhaustedError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
    RejectedError,
    UnavailableError,
)
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.request_stats import RequestStats
from tap_crowdtwist.api.transport import Transport

__all__ = [
    "ACTIVITIES",
    "ACTIVITY_HISTORY",
    "BADGES",
    "COUPONS",
    "DELETION",
    "POINTS_AWAITING_FULFILLMENT",
    "POINTS_EXPIRATION",
    "PURCHASES",
    "RECEIPTS",
    "REDEMPTIONS",
    "REWARDS",
    "USER",
    "USER_ACTIVITIES",
    "USER_BADGES",
    "USER_REWARDS",
    "ApiError",
    "Client",
    "Endpoint",
    "ExhaustedError",
    "FatalApiError",
    "HeaderKey",
    "HmacSignature",
    "Host",
    "MemberMissingError",
    "NotConfiguredError",
    "QueryKey",
    "RateLimiter",
    "RejectedError",
    "RequestStats",
    "Transport",
    "UnavailableError",
    "connect",
]

"""Singer streams: name, keys, schema and replication of each resource."""

from tap_crowdtwist.streams.catalogs import Activities, Badges, Rewards
from tap_crowdtwist.streams.members import (
    Coupons,
    PointsExpiration,
    Purchases,
    Receipts,
    Redemptions,
    UserActivities,
    UserActivityHistory,
    UserBadges,
    UserRewards,
    Users,
)

STREAMS = (
    Activities,
    Rewards,
    Badges,
    Users,
    UserActivities,
    UserActivityHistory,
    Purchases,
    UserRewards,
    Redemptions,
    PointsExpiration,
    Receipts,
    Coupons,
    UserBadges,
)
"""Every stream of the tap, catalogs first."""

"""Singer streams: name, keys, schema and replication of each resource."""

from tap_crowdtwist.streams.batch_activity import BatchActivityCredits
from tap_crowdtwist.streams.data_push import (
    PushPointsExpiration,
    PushRedemptions,
    PushUserActivities,
    PushUsers,
)
from tap_crowdtwist.streams.live_push import (
    LiveActivities,
    LivePointsExpiration,
    LiveRedemptions,
    LiveSegments,
    LiveUsers,
)
from tap_crowdtwist.streams.members import (
    Coupons,
    PointsAwaitingFulfillment,
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
from tap_crowdtwist.streams.program import Activities, Badges, Rewards

API_STREAMS = (
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
    PointsAwaitingFulfillment,
)
"""Streams that are asked of the API, catalogs first."""

FILE_STREAMS = (
    PushUsers,
    PushUserActivities,
    PushRedemptions,
    PushPointsExpiration,
    LiveUsers,
    LiveActivities,
    LiveRedemptions,
    LivePointsExpiration,
    LiveSegments,
    BatchActivityCredits,
)
"""Streams that are read from files, where the settings say where these are."""

STREAMS = (*API_STREAMS, *FILE_STREAMS)
"""Every stream of the tap."""

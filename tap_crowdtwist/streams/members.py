"""The streams of members: one resource of every member in the roster each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, RejectedError
from tap_crowdtwist.records import surrogate_keys, timestamps, values
from tap_crowdtwist.state.timestamps import load_timestamp
from tap_crowdtwist.streams import member_payloads
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.undated_lists import EARLIEST_DATE, UndatedLists
from tap_crowdtwist.streams.users import Users

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_crowdtwist.records.normalizer import Row

_COMPLETION_FIELDS = {
    "user_id": values.integer,
    "activity_id": values.integer,
    "date_created": timestamps.normalize_timestamp,
    "date_awarded": timestamps.normalize_timestamp,
    "activity_date": timestamps.normalize_timestamp,
    "num_points": values.integer,
}
"""Fields whose values identify a row that has no id of the API, with what normalizes each."""

_REDEMPTION_FIELDS = {
    "user_id": values.integer,
    "order_date": timestamps.normalize_timestamp,
    "reward_id": values.integer,
    "title": values.text,
    "reward_title": values.text,
    "color": values.text,
    "size": values.text,
    "quantity": values.integer,
    "total_points_redeemed": values.integer,
}


class UserActivities(MemberStream):
    """Activities that are open to each member, done or not."""

    name = "user_activities"
    endpoint = endpoints.USER_ACTIVITIES
    primary_keys = ("user_id", "id")


class UserActivityHistory(MemberStream):
    """Activities that each member completed, and the points for them."""

    name = "user_activity_history"
    page_note = (
        "Negative points are redemptions, deductions by staff in Member Care, or returned "
        "purchases."
    )
    endpoint = endpoints.ACTIVITY_HISTORY
    primary_keys = ("id",)
    replication_key = "date_created"
    valid_replication_keys = ("date_created",)
    is_dated_by_program = True

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        rows = super().fetch(position, since, until)
        surrogate_keys.assign_ids(rows, "user_activity_id", _COMPLETION_FIELDS)
        return rows


class Purchases(MemberStream):
    """Purchases of each member: orders and receipts."""

    name = "purchases"
    endpoint = endpoints.PURCHASES
    primary_keys = ("user_id", "purchase_id_type", "purchase_id")
    replication_key = "last_date_purchased"
    valid_replication_keys = ("last_date_purchased",)


class UserRewards(MemberStream):
    """The active rewards that each member can see."""

    name = "user_rewards"
    endpoint = endpoints.USER_REWARDS
    primary_keys = ("user_id", "id")


class Redemptions(MemberStream):
    """Rewards that each member redeemed points for."""

    name = "redemptions"
    endpoint = endpoints.REDEMPTIONS
    primary_keys = ("id",)
    aliases: ClassVar[Mapping[str, str]] = {
        "date_expiration": "expiration_date",
        "coupon_expiration_date": "expiration_date",
    }
    replication_key = "order_date"
    valid_replication_keys = ("order_date",)
    is_dated_by_program = True

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._undated = UndatedLists(self.endpoint)

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        read = super().fetch
        if since is not None:
            rows = read(position, since, until)
        else:
            # Without dates CrowdTwist may leave out redemptions older than a year.
            rows = self._undated.read(
                lambda: read(position, None, until),
                lambda: read(position, self._joined_at(position), until),
                until,
            )
        surrogate_keys.assign_ids(rows, "order_id", _REDEMPTION_FIELDS)
        return rows

    def _joined_at(self, position: int) -> datetime:
        """Return when a member joined, by its profile, or `EARLIEST_DATE` if that is unknown."""
        try:
            created = timestamps.normalize_timestamp(
                self.run.user_ids.profile(position)["date_created"]
            )
        except (KeyError, values.ConversionError):
            return EARLIEST_DATE
        except (MemberMissingError, NotConfiguredError, RejectedError):
            return EARLIEST_DATE  # the key may read redemptions but not profiles
        return load_timestamp(created) or EARLIEST_DATE


class PointsExpiration(MemberStream):
    """Points of each member that expired or will, one row per rule and entry.

    No date is part of the key: that of an inactivity entry moves with each activity of the member.
    """

    name = "points_expiration"
    endpoint = endpoints.POINTS_EXPIRATION
    primary_keys = ("user_id", "rule_type", "entry")

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        user_id = self.run.user_ids.user_id(position)
        entries = self.run.client.get(
            self.endpoint, user_id, parse=member_payloads.parse_expirations
        )
        surrogate_keys.assign_entries(entries)
        return [{**entry, "user_id": user_id} for entry in entries]


class Receipts(MemberStream):
    """Receipts that each member submitted."""

    name = "receipts"
    endpoint = endpoints.RECEIPTS
    primary_keys = ("user_id", "id")
    selected_by_default = False


class Coupons(MemberStream):
    """Coupons that each member redeemed points for and has not used."""

    name = "coupons"
    endpoint = endpoints.COUPONS
    primary_keys = ("user_id", "redeem_order_coupon_id")
    aliases: ClassVar[Mapping[str, str]] = {"coupon_value": "coupon_code"}
    selected_by_default = False


class UserBadges(MemberStream):
    """Badges of each member, one row per badge.

    The response has `user_counts` once, beside the list, so it is the same in all rows of a member.
    Its `earned_total` counts repeats, but no vendor page says that a badge is listed once per time
    it was earned, or names a property that would distinguish such rows. So the key is (`user_id`,
    `id`). If a list has two rows of a badge, the last is kept, and the run warns unless `total`
    shows that no row is missing.
    """

    name = "user_badges"
    endpoint = endpoints.USER_BADGES
    primary_keys = ("user_id", "id")
    selected_by_default = False


class PointsAwaitingFulfillment(MemberStream):
    """Points that each member will get when purchases are fulfilled, one row per member."""

    name = "points_awaiting_fulfillment"
    endpoint = endpoints.POINTS_AWAITING_FULFILLMENT
    primary_keys = ("user_id",)
    selected_by_default = False

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        user_id = self.run.user_ids.user_id(position)
        totals = self.run.client.get(self.endpoint, user_id, parse=member_payloads.parse_awaiting)
        return [{**totals, "user_id": user_id}]


STREAMS = (
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

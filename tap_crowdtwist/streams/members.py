"""Streams of members, each one resource of every member in the roster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_crowdtwist.api import endpoints
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, RejectedError
from tap_crowdtwist.records import surrogate_keys, timestamps, values
from tap_crowdtwist.state.timestamps import format_timestamp, parse_timestamp
from tap_crowdtwist.streams.member_request import DELETED_AT
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.undated_lists import EARLIEST_DATE, UndatedLists

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_crowdtwist import state
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.streams.member_request import MemberRequest


class Users(MemberStream):
    """Profiles of members."""

    name = "users"
    endpoint = endpoints.USER
    primary_keys = ("id",)
    valid_replication_keys = ("date_last_updated",)
    notes = (
        "Every profile is asked for; incremental by `date_last_updated` only filters the output."
    )

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        try:
            return [self.run.user_ids.profile(position)]
        except MemberMissingError:
            if not self.run.settings.tombstones or self.run.roster.id_type != "id":
                raise
            return [self._tombstone(int(self.run.roster[position]), until)]

    def _tombstone(self, user_id: int, until: datetime) -> Row:
        """Ask what became of a member that is not found (User Deletion Status).

        Raises:
            MemberMissingError: nothing is known of a deletion, so there may never have been one.
        """
        try:
            told = self.run.client.get(endpoints.DELETION, user_id, parse=_deletion)
        except (NotConfiguredError, RejectedError) as error:
            raise MemberMissingError(error.sentence, endpoint=self.endpoint.name) from None
        steps = [
            (_moment(step), str(step.get("status")).lower()) for step in told["status_history"]
        ]
        dates = [moment for moment, _ in steps if moment]
        done = [moment for moment, status in steps if moment and "completed" in status]
        return {
            "id": user_id,
            DELETED_AT: max(done or dates, default=format_timestamp(until)),
            "deletion_status": told.get("status"),
            "deletion_status_history": told["status_history"],
            "deletion_initiated_by": told.get("initiated_by"),
        }

    @override
    def _read(self, request: MemberRequest, sweep: state.SweepState) -> list[Row]:
        # The profile tells the number, and must not be asked for twice; `wanted` filters.
        return self.fetch(request.position, request.since, sweep.started_at)

    @override
    def wanted(self, row: Row, since: datetime | None) -> bool:
        if since is None or self.replication_method != REPLICATION_INCREMENTAL:
            return True
        try:
            updated = timestamps.normalize_timestamp(row["date_last_updated"])
        except (KeyError, values.ConversionError):
            return True
        moment = parse_timestamp(updated)
        return moment is None or moment >= since


class UserActivities(MemberStream):
    """What each member may do: the activities open to them, done or not."""

    name = "user_activities"
    endpoint = endpoints.USER_ACTIVITIES
    primary_keys = ("user_id", "id")


class UserActivityHistory(MemberStream):
    """What each member did: completed activities and the points for them."""

    name = "user_activity_history"
    notes = (
        "Negative points are redemptions, deductions by staff in Member Care, or returned "
        "purchases."
    )
    endpoint = endpoints.ACTIVITY_HISTORY
    primary_keys = ("id",)
    replication_key = "date_created"
    valid_replication_keys = ("date_created",)

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        rows = super().fetch(position, since, until)
        surrogate_keys.assign_ids(rows, "user_activity_id", _COMPLETION)
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

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        read = super().fetch
        if since is not None:
            rows = read(position, since, until)
        else:
            rows = self._undated.read(
                lambda: read(position, None, until),
                lambda: read(position, self._joined(position), until),
                until,
            )
        surrogate_keys.assign_ids(rows, "order_id", _REDEMPTION)
        return rows

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._undated = UndatedLists(self.endpoint)

    def _joined(self, position: int) -> datetime:
        """Return when a member joined, by its profile; the earliest day if that does not tell."""
        try:
            created = timestamps.normalize_timestamp(
                self.run.user_ids.profile(position)["date_created"]
            )
        except (KeyError, values.ConversionError):
            return EARLIEST_DATE
        except (MemberMissingError, NotConfiguredError, RejectedError):
            return EARLIEST_DATE  # a key may read redemptions and no profiles
        return parse_timestamp(created) or EARLIEST_DATE


class PointsExpiration(MemberStream):
    """Points of each member that expired or will, one row per rule and entry.

    The date of an inactivity entry moves with each activity of the member, so no date is part of
    the key.
    """

    name = "points_expiration"
    endpoint = endpoints.POINTS_EXPIRATION
    primary_keys = ("user_id", "rule_type", "entry")

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        user_id = self.run.user_ids.user_id(position)
        entries = self.run.client.get(self.endpoint, user_id, parse=_expirations)
        surrogate_keys.assign_entries(entries)
        return [{**entry, "user_id": user_id} for entry in entries]


class Receipts(MemberStream):
    """Receipts that each member submitted."""

    name = "receipts"
    endpoint = endpoints.RECEIPTS
    primary_keys = ("user_id", "id")
    selected_by_default = False


class Coupons(MemberStream):
    """Coupons that each member got for points and has not used."""

    name = "coupons"
    endpoint = endpoints.COUPONS
    primary_keys = ("user_id", "redeem_order_coupon_id")
    aliases: ClassVar[Mapping[str, str]] = {"coupon_value": "coupon_code"}
    selected_by_default = False


class UserBadges(MemberStream):
    """Badges of each member, one row per badge.

    `user_counts` stands beside the list and is the member's, so it is the same in all rows. Its
    `earned_total` counts repeats, but no page says that a badge is listed once per time it was
    earned, nor names a property that would tell such rows apart. So the key stays (`user_id`,
    `id`). Should a page have two rows of a badge, the last is kept, and the run warns unless
    `total` says that none is missing.
    """

    name = "user_badges"
    endpoint = endpoints.USER_BADGES
    primary_keys = ("user_id", "id")
    selected_by_default = False


class PointsAwaitingFulfillment(MemberStream):
    """Points that each member gets once purchases are fulfilled, one row per member."""

    name = "points_awaiting_fulfillment"
    endpoint = endpoints.POINTS_AWAITING_FULFILLMENT
    primary_keys = ("user_id",)
    selected_by_default = False

    @override
    def fetch(self, position: int, since: datetime | None, until: datetime) -> list[Row]:
        user_id = self.run.user_ids.user_id(position)
        totals = self.run.client.get(self.endpoint, user_id, parse=_awaiting)
        return [{**totals, "user_id": user_id}]


_AWAITING = ("total_points_awaiting_fulfillment", "bonus_points_awaiting_fulfillment")
_COMPLETION = {
    "user_id": values.integer,
    "activity_id": values.integer,
    "date_created": timestamps.normalize_timestamp,
    "date_awarded": timestamps.normalize_timestamp,
    "activity_date": timestamps.normalize_timestamp,
    "num_points": values.integer,
}
_REDEMPTION = {
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
_RULES = {
    "redemption_period_points_expiration": "redemption_period",
    "inactivity_points_expiration": surrogate_keys.INACTIVITY,
}


def _moment(step: Row) -> str | None:
    try:
        return timestamps.normalize_timestamp(step.get("date") or "")
    except values.ConversionError:
        return None


def _deletion(payload: Any) -> Row | None:
    """Accept what User Deletion Status answers; its history may be missing."""
    if not isinstance(payload, dict) or "status" not in payload:
        return None
    history = payload.get("status_history")
    steps = history if isinstance(history, list) else []
    entries = [entry for entry in steps if isinstance(entry, dict)]
    return {**payload, "status_history": entries}


def _awaiting(payload: Any) -> Row | None:
    """Accept an object with at least one of the two totals (Points Awaiting Fulfillment)."""
    is_known = isinstance(payload, dict) and any(name in payload for name in _AWAITING)
    return payload if is_known else None


def _expirations(payload: Any) -> list[Row] | None:
    """Flatten the two arrays, each of which may be missing, null or empty (Points Expiration)."""
    if payload is None:
        return []
    if not isinstance(payload, dict) or (payload and not payload.keys() & _RULES.keys()):
        return None
    if not all(isinstance(payload.get(key) or [], list) for key in _RULES):
        return None
    entries = [(entry, rule) for key, rule in _RULES.items() for entry in payload.get(key) or ()]
    if not all(isinstance(entry, dict) for entry, _ in entries):
        return None
    return [{**entry, "rule_type": rule} for entry, rule in entries]

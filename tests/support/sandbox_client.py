"""A small client of the sandbox, and a reading of its rows that shares no code with it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

TODAY = date(2026, 3, 10)
KEY = "sandbox-key"
FIRST_ID = 1_000_003
HEAVY = FIRST_ID + 7 * 13
GONE = FIRST_ID + 7 * 37

INSTANTS = {
    "date_start",
    "date_end",
    "date_end_redeemable",
    "display_date_start",
    "display_date_end",
    "date_receive_email_opt_in",
    "date_receive_email_opt_out",
    "date_fb_token_expires",
    "date_last_login",
    "date_last_updated",
    "date_created",
    "date_awarded",
    "activity_date",
    "date_assigned",
    "date_reached",
    "expiration_date",
    "last_date_purchased",
    "order_date",
    "last_qualified_date",
    "date_submitted",
}
FLAGS = {
    "no_end_date",
    "show_as_locked",
    "show_as_locked_by_tier",
    "points_on_click",
    "email_is_verified",
    "receive_email_updates",
    "activity_stream_opt_in",
}
NUMBERS = {
    "id",
    "group_id",
    "activity_id",
    "user_activity_id",
    "reward_id",
    "reward_group_id",
    "reward_category_id",
    "category_id",
    "type_id",
    "activity_channel_id",
    "freq_cap",
    "freq_period_id",
    "freq_num_required_attempts",
    "min_tier_id",
    "min_age",
    "subscription_id",
    "tag_id",
    "gender_id",
    "sign_up_channel_id",
    "household_id",
    "redeeming_user_id",
    "user_id",
    "num_points",
    "current_quantity",
    "total_quantity",
    "sweepstake_winners",
    "featured_order_num",
    "max_select_quantity",
    "max_per_user",
    "total_coupons",
    "remaining_coupons",
    "total_points",
    "redeemable_points",
    "num_points_purchased",
    "rank",
    "timeframe_score",
    "tier_score",
    "total_points_awarded",
    "total_points_earned",
    "points_awaiting_fulfillment",
    "quantity",
    "total_points_redeemed",
    "ending_balance",
    "points_expired",
    "points_expiring",
    "points_redeemed",
    "days_until_expiry",
    "total_points_awaiting_fulfillment",
    "bonus_points_awaiting_fulfillment",
}
TEXTS = {"order_id", "redeem_order_id", "redeem_order_coupon_id"}
OPEN = {"extra_data", "custom_data"}
NESTED = {
    "partner_info",
    "segment",
    "activity_tags",
    "tier_info",
    "household_breakdown",
}
SPENDABLE = {"codes", "digital_download", "coupon_code", "coupon_value"}
OTHER_NAMES = {
    "activity_tag": "activity_tags",
    "date_expiration": "expiration_date",
    "coupon_expiration_date": "expiration_date",
}
UNKNOWN = {"new_property_2026", "points_expiringpoin"}

# stream: path, envelope key (None: bare array), largest page
LISTINGS: dict[str, tuple[str, str | None, int]] = {
    "activities": ("/v2.1/activities/extended", "activities", 25),
    "rewards": ("/v2.1/rewards", "rewards", 25),
    "badges": ("/v2.1/badges", "badges", 25),
    "user_activities": ("/v2/users/{}/activities", None, 0),
    "user_activity_history": ("/v2.1/users/{}/activity_history", "activities", 25),
    "purchases": ("/users/{}/purchases", "purchases", 10),
    "user_rewards": ("/v2.1/users/{}/rewards", "rewards", 10),
    "redemptions": ("/v2.2/users/{}/redemption_history", "rewards", 10),
    "receipts": ("/v2/users/{}/receipts", "submitted_receipts", 25),
    "coupons": ("/v2/users/{}/usable_coupons", None, 0),
    "user_badges": ("/v2.1/users/{}/badges", "badges", 25),
}
MEMBER_STREAMS = [
    "users",
    "points_expiration",
    "points_awaiting_fulfillment",
    *(stream for stream in LISTINGS if "{}" in LISTINGS[stream][0]),
]
STREAMS = [*LISTINGS, "users", "points_expiration", "points_awaiting_fulfillment"]


def sandbox(**options: Any) -> Sandbox:
    given: dict[str, Any] = {"members": 60, "seed": 3, "today": TODAY, **options}
    return Sandbox(SandboxOptions(**given))


def eventful_sandbox(**options: Any) -> Sandbox:
    """A small sandbox in which everything that moves points happens on day 1 or 2.

    Without drift, which renames `points_expiring` in some rows.
    """
    return sandbox(members=60, seed=29, **{"drift": False, **options})


class Client:
    """Asks a running sandbox."""

    def __init__(self, running: Sandbox, session: requests.Session) -> None:
        self.sandbox = running
        self.session = session

    def get(self, path: str, *, pos: bool = False, key: str = KEY, **params: Any) -> Any:
        host = self.sandbox.pos_url if pos else self.sandbox.api_url
        headers = {"X-CT-Authorization": f"CTApiKey {key}"}
        return self.session.get(host + path, params=params, headers=headers, timeout=10)

    def control(self, path: str, **params: Any) -> Any:
        return self.session.get(self.sandbox.control_url + path, params=params, timeout=10)

    def post(self, path: str, body: Any = None) -> Any:
        return self.session.post(self.sandbox.control_url + path, json=body, timeout=10)

    def rows(self, stream: str, user_id: int = 0) -> Iterator[dict[str, Any]]:
        """Rows of a stream as sent, every page of them."""
        if stream == "users":
            yield self.get(f"/v2/users/{user_id}").json()
            return
        if stream == "points_expiration":
            body = self.get(f"/v2/users/{user_id}/points_expiration").json()
            for rule in ("redemption_period", "inactivity"):
                for number, entry in enumerate(body.get(rule + "_points_expiration", []), 1):
                    month = instant(entry["expiration_date"])[:7]
                    name = str(number) if rule == "inactivity" else month
                    yield {"rule_type": rule, "entry": name, **entry}
            return
        if stream == "points_awaiting_fulfillment":
            yield self.get(f"/fulfillment/users/{user_id}", pos=True).json()
            return
        path, key, size = LISTINGS[stream]
        path = path.format(user_id)
        if key is None:
            yield from self.get(path).json()
            return
        pages, page = 1, 1
        while page <= pages:
            pos = stream == "purchases"
            body = self.get(path, pos=pos, page=page, page_size=size).json()
            paging = body["paging"]
            pages = (paging[0] if isinstance(paging, list) else paging)["pages"]
            beside = {name: body[name] for name in ("user_counts",) if name in body}
            yield from ({**row, **beside} for row in body[key])
            page += 1

    def walk(self, stream: str) -> Iterator[dict[str, Any]]:
        """Canonical rows of a stream for the program or for the whole roster."""
        if stream not in MEMBER_STREAMS:
            for row in self.rows(stream):
                yield canonical(stream, row)
            return
        for text in self.sandbox.roster():
            if self.get(f"/v2/users/{text}").status_code == 404:
                continue
            for row in self.rows(stream, int(text)):
                extra = {} if stream == "users" else {"user_id": int(text)}
                yield extra | canonical(stream, row)


def instant(value: Any) -> str:
    """RFC 3339 in UTC from any form of an instant."""
    text = str(value)
    if text.lstrip("-").isdigit():
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=int(text))
    else:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    assert moment.microsecond == 0
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def value_of(name: str, value: Any) -> Any:  # noqa: PLR0911 - one line for each kind
    """A value in canonical form, by the name of its field."""
    if value is None:
        return None
    if name in INSTANTS:
        return instant(value)
    if name == "date_of_birth":
        return instant(value)[:10]
    if name in FLAGS or name.startswith("is_"):
        assert value in {0, 1, "0", "1"}
        return value in {1, "1"}
    if name in NUMBERS:
        return int(value)
    if name in TEXTS:
        return str(value)
    if name in OPEN and isinstance(value, str):
        return json.loads(value)
    if name in NESTED:
        if isinstance(value, list):
            return [value_of(name, each) for each in value]
        return {inner: value_of(inner, each) for inner, each in value.items()}
    return value


def canonical(stream: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as truth tells it."""
    read: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for sent, value in row.items():
        name = OTHER_NAMES.get(sent, sent)
        if name in UNKNOWN:
            extra[name] = value
        elif name not in SPENDABLE and not is_credential(name):
            read[name] = value_of(name, value)
    if stream == "user_activity_history" and "user_activity_id" in read:
        read["id"] = str(read["user_activity_id"])
    if stream == "redemptions" and "order_id" in read:
        read["id"] = read["order_id"]
    if extra:
        read["additional_properties"] = extra
    return without_nulls(read)


def is_credential(name: str) -> bool:
    return name in {"salt", "hash_algorithm_id", "password_generated", "password"} or name.endswith(
        ("_token", "_secret")
    )


def without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}

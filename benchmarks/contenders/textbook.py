"""The textbook version: REST streams of the SDK, members as parents, their resources as children.

It is written as a tutorial teaches it: a stream of profiles with one partition per id, a child
stream per resource, the SDK's paginator, and bookmarks and state at their defaults. Schemas are the
tap's. Values are passed on unchanged, except bookmarks that are epoch seconds.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.pagination import PageNumberPaginator
from typing_extensions import override

from tap_crowdtwist.privacy.policy import public_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests
    from singer_sdk.helpers.types import Context

NOT_FOUND = 404


class Pages(PageNumberPaginator):
    """Follows pages while the response names a next one."""

    @override
    def has_more(self, response: requests.Response) -> bool:
        paging = response.json().get("paging") or {}
        return bool(paging.get("next_page"))


class ProgramStream(RESTStream[int]):
    """A resource of the main host, in pages."""

    page_size: ClassVar[int | None] = 25
    paged: ClassVar[bool] = True

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, schema=public_schema(self.name))

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="api_key", value=self.config["api_key"], location="params")

    @override
    def get_new_paginator(self) -> Pages | None:
        return Pages(1) if self.paged else None

    @override
    def get_url_params(
        self, context: Context | None, next_page_token: int | None
    ) -> dict[str, Any] | str:
        if not self.paged:
            return {}
        size = {} if self.page_size is None else {"page_size": self.page_size}
        return {"page": next_page_token, **size}


class Activities(ProgramStream):
    """The program's activities."""

    name = "activities"
    path = "/v2.1/activities/extended"
    primary_keys = ("id",)
    records_jsonpath = "$.activities[*]"


class Rewards(ProgramStream):
    """The program's rewards."""

    name = "rewards"
    path = "/v2.1/rewards"
    primary_keys = ("id",)
    records_jsonpath = "$.rewards[*]"


class Users(ProgramStream):
    """Profiles, one partition per id."""

    # A missing member is 404, which the SDK takes for a fatal error; it has no rows instead.
    name = "users"
    path = "/v2/users/{user_id}"
    primary_keys = ("id",)
    records_jsonpath = "$"
    paged = False

    @property
    @override
    def partitions(self) -> list[dict[str, Any]] | None:
        return [{"user_id": user_id} for user_id in self.config["user_ids"]]

    @override
    def validate_response(self, response: requests.Response) -> None:
        if response.status_code != NOT_FOUND:
            super().validate_response(response)

    @override
    def parse_response(self, response: requests.Response) -> Any:
        if response.status_code != NOT_FOUND:
            yield from super().parse_response(response)

    @override
    def get_child_context(self, record: Any, context: Context | None) -> dict[str, Any]:
        return {"user_id": record["id"]}


class UserStream(ProgramStream):
    """A resource of each profile."""

    parent_stream_type = Users
    page_size: ClassVar[int | None] = 10

    @override
    def post_process(self, row: Any, context: Context | None = None) -> Any:
        bookmark = row.get(self.replication_key)
        if isinstance(bookmark, int):
            timestamp = datetime.fromtimestamp(bookmark, tz=timezone.utc)
            row[self.replication_key] = timestamp.isoformat()
        return row


class UserActivities(UserStream):
    """The activities that each member may do."""

    name = "user_activities"
    path = "/v2/users/{user_id}/activities"
    primary_keys = ("user_id", "id")
    paged = False


class UserActivityHistory(UserStream):
    """The activities that each member did."""

    name = "user_activity_history"
    path = "/v2.1/users/{user_id}/activity_history"
    primary_keys = ("user_activity_id",)
    replication_key = "date_created"
    records_jsonpath = "$.activities[*]"


class Purchases(UserStream):
    """Purchases of each member, from the point-of-sale host."""

    name = "purchases"
    path = "/users/{user_id}/purchases"
    primary_keys = ("user_id", "purchase_id_type", "purchase_id")
    replication_key = "last_date_purchased"
    records_jsonpath = "$.purchases[*]"
    page_size = None

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["pos_url"])

    @property
    @override
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(
            key="X-CT-Authorization",
            value=f"CTApiKey {self.config['api_key']}",
            location="header",
        )


class UserRewards(UserStream):
    """The rewards that each member can see."""

    name = "user_rewards"
    path = "/v2.1/users/{user_id}/rewards"
    primary_keys = ("user_id", "id")
    records_jsonpath = "$.rewards[*]"


class Redemptions(UserStream):
    """The rewards that each member redeemed points for."""

    name = "redemptions"
    path = "/v2.2/users/{user_id}/redemption_history"
    primary_keys = ("order_id",)
    replication_key = "order_date"
    records_jsonpath = "$.rewards[*]"


class PointsExpiration(UserStream):
    """The expiration of each member's points."""

    name = "points_expiration"
    path = "/v2/users/{user_id}/points_expiration"
    primary_keys = ("user_id", "rule_type", "expiration_date")
    records_jsonpath = "$.*[*]"
    paged = False


CHILDREN: tuple[type[UserStream], ...] = (
    UserActivities,
    UserActivityHistory,
    Purchases,
    UserRewards,
    Redemptions,
    PointsExpiration,
)


class TextbookTap(Tap):
    """A tap of REST streams."""

    name = "tap-textbook"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
        th.Property("pos_url", th.StringType, required=True),
        th.Property("user_ids", th.ArrayType(th.IntegerType), required=True),
    ).to_dict()

    @override
    def discover_streams(self) -> Sequence[ProgramStream]:
        streams: tuple[type[ProgramStream], ...] = (Activities, Rewards, Users, *CHILDREN)
        return [stream(self) for stream in streams]


if __name__ == "__main__":
    TextbookTap.cli()

"""The entity-relationship diagrams of the streams, and the lists of their relations.

Keys come from the stream classes. What joins the streams, and where each is drawn, is declared in
`API` and `FILES`. `make docs` writes docs/_static/erd_*.svg.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from scripts.erd_picture import Picture
from tap_crowdtwist.streams import STREAMS, batch_activity, data_push, live_push, members
from tap_crowdtwist.streams.users import Users

_CLASSES = {stream.name: stream for stream in STREAMS}


class Relation(NamedTuple):
    """A column that holds a key of another stream; both ends are `stream.column`."""

    column: str
    target: str
    unless: str = ""
    """When the column has a value but finds no row."""


@dataclass(frozen=True)
class Diagram:
    """Streams, and what joins them.

    Attributes:
        title: text alternative of the picture.
        columns: the streams in each column of the picture, from top to bottom. Only streams of the
            same column, or of two neighbors, can be joined.
        relations: the lines.
    """

    title: str
    columns: tuple[tuple[str, ...], ...]
    relations: tuple[Relation, ...]

    def listing(self) -> str:
        """Render the relations as a list, those of one kind in a line."""
        columns: dict[tuple[str, str], list[str]] = defaultdict(list)
        for column, target, unless in self.relations:
            columns[target, unless].append(f"`{column}`")
        return "".join(
            f"* {', '.join(names)} → `{target}`{f', unless {unless}' if unless else ''}\n"
            for (target, unless), names in columns.items()
        )

    def svg(self) -> str:
        """Render the picture."""
        return Picture(self).svg()

    def tags(self, stream: str) -> dict[str, str]:
        """Return the columns of a stream that the picture shows, each with its tags.

        PK is the key, FK a column that finds a row of another stream, RK the replication key.
        """
        tags = {name: ["PK"] for name in _CLASSES[stream].primary_keys}
        for relation in self.relations:
            source, _, column = relation.column.partition(".")
            if source == stream:
                tags.setdefault(column, []).append("FK")
            target, _, column = relation.target.partition(".")
            if target == stream:
                tags.setdefault(column, [])
        replication_key: Any = _CLASSES[stream].replication_key
        if isinstance(replication_key, str):  # a property of the SDK where no stream sets it
            tags.setdefault(replication_key, []).append("RK")
        return {name: " ".join(each) for name, each in tags.items()}

    def finds_one(self, relation: Relation) -> bool:
        """Return whether a target has at most one row: the column is the key of its stream."""
        stream, _, column = relation.column.partition(".")
        return tuple(_CLASSES[stream].primary_keys) == (column,)


def _to(target: str, *columns: str, unless: str = "") -> tuple[Relation, ...]:
    return tuple(Relation(column, target, unless) for column in columns)


_MEMBER_STREAMS = [stream.name for stream in members.STREAMS if stream is not Users]
_NO_ACTIVITY = "`activities` does not list it, as may be the case for purchases and redemptions"
_NO_REWARD = "the program no longer has the reward"
_NO_COMPLETION = "the API did not send it, or the completion is older than `start_date`"
_NO_ORDER = "the API did not send it, or the order is older than `start_date`"

API = Diagram(
    "Keys of the streams of the API, and what joins them; the list below says the same.",
    columns=(
        (
            "activities",
            "users",
            "rewards",
            "badges",
            "purchases",
            "receipts",
            "points_expiration",
            "points_awaiting_fulfillment",
        ),
        (
            "user_activities",
            "user_activity_history",
            "redemptions",
            "coupons",
            "user_rewards",
            "user_badges",
        ),
    ),
    relations=(
        *_to("users.id", *(f"{stream}.user_id" for stream in _MEMBER_STREAMS)),
        *_to("users.id", "redemptions.redeeming_user_id", unless="the roster lacks that member"),
        *_to("activities.id", "user_activities.id"),
        *_to("activities.id", "user_activity_history.activity_id", unless=_NO_ACTIVITY),
        *_to("rewards.id", "user_rewards.id"),
        *_to("rewards.id", "redemptions.reward_id", "coupons.reward_id", unless=_NO_REWARD),
        *_to("badges.id", "user_badges.id"),
        *_to("redemptions.order_id", "coupons.redeem_order_id", unless=_NO_ORDER),
    ),
)

FILES = Diagram(
    "Keys of the streams of files, and what joins them to the streams of the API; the list below "
    "says the same.",
    columns=(
        (
            "users",
            "activities",
            "user_activity_history",
            "redemptions",
            "rewards",
            *(stream.name for stream in data_push.STREAMS),
        ),
        tuple(stream.name for stream in (*live_push.STREAMS, *batch_activity.STREAMS)),
    ),
    relations=(
        *_to(
            "users.id",
            "push_users.id",
            "push_user_activities.id",
            "push_points_expiration.user_id",
            "live_users.id",
            "live_activities.user_id",
            "live_redemptions.user_id",
            "live_points_expiration.user_id",
            "live_segments.user_id",
            "batch_activity_credits.user_id",
        ),
        *_to(
            "activities.id",
            "push_user_activities.activity_id",
            "live_activities.activity_id",
            unless=_NO_ACTIVITY,
        ),
        *_to(
            "activities.id",
            "batch_activity_credits.activity_id",
            unless="the program has no such activity",
        ),
        *_to(
            "user_activity_history.user_activity_id",
            "push_user_activities.user_activity_id",
            "live_activities.user_activity_id",
            unless=_NO_COMPLETION,
        ),
        *_to(
            "redemptions.order_id",
            "push_redemptions.order_id",
            "live_redemptions.order_id",
            unless=_NO_ORDER,
        ),
        *_to("rewards.id", "live_redemptions.reward_id", unless=_NO_REWARD),
    ),
)

"""Deviations that change a finished response; the others are where the response is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from crowdtwist_sandbox.hosts.call import Call

    Row = dict[str, Any]


class Change(NamedTuple):
    """A deviation's change to the responses of one endpoint."""

    template: str
    apply: Callable[[Any], Any]


def _each(key: str, change: Callable[[Row], Row]) -> Callable[[Any], Any]:
    """Return a function that changes each row of a listing."""
    return lambda body: {**body, key: [change(row) for row in body[key]]}


def _without(name: str) -> Callable[[Row], Row]:
    return lambda row: {key: value for key, value in row.items() if key != name}


def _under(old: str, new: str) -> Callable[[Any], Any]:
    return lambda body: {new if key == old else key: value for key, value in body.items()}


def _paging(change: Callable[[Row], Any]) -> Callable[[Any], Any]:
    return lambda body: {**body, "paging": change(body["paging"])}


_HISTORY = "/v2.1/users/{id}/activity_history"
_REDEMPTIONS = "/v2.2/users/{id}/redemption_history"

CHANGES: dict[str, Change] = {
    "rewards_without_total": Change("/v2.1/rewards", _paging(_without("total"))),
    "activities_with_paging_in_a_list": Change(
        "/v2.1/activities/extended", _paging(lambda paging: [paging])
    ),
    "badges_under_another_name": Change("/v2.1/badges", _under("badges", "badge_list")),
    "redemptions_under_another_name": Change(_REDEMPTIONS, _under("rewards", "redemptions")),
    "user_activities_in_an_object": Change(
        "/v2/users/{id}/activities", lambda body: {"activities": body}
    ),
    "users_with_another_property": Change(
        "/v2/users/{id}", lambda body: {**body, "favorite_store": "Köln"}
    ),
    "rewards_without_title": Change("/v2.1/rewards", _each("rewards", _without("title"))),
    "activities_with_words_for_points": Change(
        "/v2.1/activities/extended", _each("activities", lambda row: {**row, "num_points": "many"})
    ),
    "history_without_ids": Change(_HISTORY, _each("activities", _without("user_activity_id"))),
    "history_with_repeated_ids": Change(
        _HISTORY, _each("activities", lambda row: {**row, "user_activity_id": row["activity_id"]})
    ),
    "redemptions_without_ids": Change(_REDEMPTIONS, _each("rewards", _without("order_id"))),
    "deletions_without_history": Change("/v2/users/delete/{id}", _without("status_history")),
}


def apply_deviations(call: Call, template: str, body: Any) -> Any:
    """Return a response body with the changes of all active deviations."""
    for name, change in CHANGES.items():
        if change.template == template and call.deviates(name):
            body = change.apply(body)
    return body

"""Parsers of response bodies that are not plain lists of rows.

Each returns None for a body that is not in the documented form: the client then treats the response
as a failed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.records import surrogate_keys, timestamps, values
from tap_crowdtwist.records.timestamps import format_timestamp
from tap_crowdtwist.streams.member_request import DELETED_AT

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist.records.normalizer import Row

_TOTALS = ("total_points_awaiting_fulfillment", "bonus_points_awaiting_fulfillment")
_EXPIRATION_RULES = {
    "redemption_period_points_expiration": "redemption_period",
    "inactivity_points_expiration": surrogate_keys.INACTIVITY,
}


def parse_deletion(payload: Any) -> Row | None:
    """Return the body of User Deletion Status, with a list as its history even if it has none."""
    if not isinstance(payload, dict) or "status" not in payload:
        return None
    history = payload.get("status_history")
    steps = []
    if isinstance(history, list):
        steps = [step for step in history if isinstance(step, dict)]
    return {**payload, "status_history": steps}


def tombstone(user_id: int, deletion: Row, until: datetime) -> Row:
    """Build the row of a deleted member.

    Args:
        user_id: CrowdTwist's number of the member.
        deletion: what `parse_deletion` returned.
        until: when the sweep began; the date of deletion if the history has none.
    """
    history = deletion["status_history"]
    dates: list[str] = []
    completed: list[str] = []
    for step in history:
        date = _date_of(step)
        if date is None:
            continue
        dates.append(date)
        if "completed" in str(step.get("status")).lower():
            completed.append(date)
    return {
        "id": user_id,
        DELETED_AT: max(completed or dates, default=format_timestamp(until)),
        "deletion_status": deletion.get("status"),
        "deletion_status_history": history,
        "deletion_initiated_by": deletion.get("initiated_by"),
    }


def _date_of(step: Row) -> str | None:
    try:
        return timestamps.normalize_timestamp(step.get("date") or "")
    except values.ConversionError:
        return None


def parse_awaiting(payload: Any) -> Row | None:
    """Return the body of Points Awaiting Fulfillment, which has at least one of its two totals."""
    if not isinstance(payload, dict) or payload.keys().isdisjoint(_TOTALS):
        return None
    return payload


def parse_expirations(payload: Any) -> list[Row] | None:
    """Flatten the two arrays of Points Expiration into rows with a `rule_type`.

    Each array may be missing, null or empty; a null body or an empty object is no entries.
    """
    if payload is None:
        return []
    if not isinstance(payload, dict):
        return None
    if payload and payload.keys().isdisjoint(_EXPIRATION_RULES):
        return None
    rows = []
    for key, rule in _EXPIRATION_RULES.items():
        entries = payload.get(key) or []
        if not isinstance(entries, list):
            return None
        for entry in entries:
            if not isinstance(entry, dict):
                return None
            rows.append({**entry, "rule_type": rule})
    return rows

"""Timestamps of a state: RFC 3339 text, in UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import overload

from tap_crowdtwist.records.timestamps import format_timestamp


@overload
def dump_timestamp(timestamp: datetime) -> str: ...
@overload
def dump_timestamp(timestamp: datetime | None) -> str | None: ...
def dump_timestamp(timestamp: datetime | None) -> str | None:
    """Return a timestamp as RFC 3339 text in UTC; None for None."""
    if timestamp is None:
        return None
    return format_timestamp(timestamp.astimezone(timezone.utc))


def load_timestamp(value: str | None) -> datetime | None:
    """Return the timestamp that a text of a state stands for, aware; None for None.

    A text without an offset is taken for UTC.

    Raises:
        AttributeError: the value is no text.
        ValueError: the text is no timestamp.
    """
    if value is None:
        return None
    timestamp = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=timezone.utc)

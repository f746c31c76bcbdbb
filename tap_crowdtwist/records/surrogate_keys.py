"""Ids for rows that the API may send without one.

The responses of the v2.1 activity history and the redemption history are not fully documented, so
their ids (`user_activity_id`, `order_id`) may be missing. Such a row gets an id made of a hash of
the fields that do not change, and its number among the rows that are equal in all of them.

Entries of the points expiration have no id at all, and the date of an inactivity entry moves with
each activity. They are distinguished by month or number.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_crowdtwist.records.normalizer import Row


INACTIVITY = "inactivity"
_UNDATED = "undated"
_MONTH_LENGTH = len("2026-05")  # of _UNDATED too
_MEMBERS: dict[type, Callable[[Any], Iterable[tuple[Any, Any]]]] = {
    dict: dict.items,
    list: enumerate,
}


def assign_ids(rows: Iterable[Row], own: str, stable: Mapping[str, Callable[[Any], Any]]) -> None:
    """Set `id` on each row: the API's own id as text, or else a hash.

    The result depends neither on the order of the rows nor on the form in which a value is sent.

    Args:
        rows: all rows of one member in one read; changed in place.
        own: the property with the API's own id.
        stable: the properties to hash, each with the function that normalizes its values.
    """
    groups: dict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        value = own_id(row.get(own))
        if value:
            row["id"] = value
        else:
            groups[_hash(row, stable)].append(row)
    for digest, equal_rows in groups.items():
        # Sorted by their other fields, equal rows get the same numbers in every run, whatever the
        # order in which the API sends them.
        if len(equal_rows) > 1:
            equal_rows.sort(key=lambda row: (_other_values(row, stable), _text(row)))
        for number, row in enumerate(equal_rows):
            row["id"] = f"{digest.hex()}-{number}"


def assign_entries(rows: Iterable[Row]) -> None:
    """Set `entry` on each row: the month in which a redemption period ends, or else a number.

    Periods that end in the same month are numbered in the order of their dates. Periods without a
    usable date are numbered too, so that no two entries have the same key.

    Args:
        rows: all entries of one member's response, each with its `rule_type`; changed in place.
    """
    counts: Counter[tuple[str, str]] = Counter()
    ends = [(_period_end(row), row) for row in rows]
    for end, row in sorted(ends, key=itemgetter(0)):
        rule, month = row["rule_type"], end[:_MONTH_LENGTH]
        counts[rule, month] += 1
        number = counts[rule, month]
        if rule == INACTIVITY:
            row["entry"] = str(number)
        else:
            row["entry"] = month if number == 1 else f"{month}/{number}"


def _period_end(row: Row) -> str:
    """Return the end of a redemption period, if it has a usable date; "" for another rule."""
    if row["rule_type"] == INACTIVITY:
        return ""
    with suppress(ConversionError):
        return timestamps.normalize_timestamp(row.get("expiration_date") or "") or _UNDATED
    return _UNDATED


def own_id(value: Any) -> str:
    """Return the API's own id as text, or "" if the value is not an id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if type(value) in {int, str} else ""


def _other_values(row: Row, stable: Mapping[str, Any]) -> list[bytes]:
    """Return the values that are not stable, normalized, each with its path; nulls are left out."""
    fields = {name: value for name, value in row.items() if name not in {*stable, "id"}}
    return sorted(_text(pair) for pair in _leaves(fields) if pair[1] is not None)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield path and value of each scalar, in one form, whichever of its forms was sent."""
    members = _MEMBERS.get(type(value))
    if members is None:
        yield path, _normalize_unknown(value)
        return
    for name, member in members(value):
        yield from _leaves(member, (*path, name))


def _normalize_unknown(value: Any) -> Any:
    # The type is unknown, so each form that two types share is resolved the same way every time: 1
    # and "1" become true, other numbers and texts a timestamp if they can be one.
    flag = _normalize(value, values.boolean)
    return flag if isinstance(flag, bool) else _normalize(value, timestamps.normalize_timestamp)


def _hash(row: Row, stable: Mapping[str, Callable[[Any], Any]]) -> bytes:
    normalized = [_normalize(row.get(name), convert) for name, convert in stable.items()]
    return hashlib.blake2b(_text(normalized), digest_size=16).digest()


def _normalize(value: Any, convert: Callable[[Any], Any]) -> Any:
    if value is None:
        return None
    with suppress(ConversionError):
        value = convert(value)
    return (value.strip() or None) if isinstance(value, str) else value


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")

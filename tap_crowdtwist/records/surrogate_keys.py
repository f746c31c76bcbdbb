"""Ids for rows that the API may send without one.

The response of the v2.1 activity history and the record of the redemption history are not
published whole, so their ids (`user_activity_id`, `order_id`) may be missing. Such a row gets a
hash of the fields that do not change, and its number among rows equal in all of these.

Entries of the points expiration have no id at all, and the date of an inactivity entry moves with
each activity. They are told apart by month or number.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.records import timestamps, values
from tap_crowdtwist.records.values import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_crowdtwist.records.normalizer import Row


INACTIVITY = "inactivity"
_UNDATED = "undated"
_MONTH = len("2026-05")


def assign_ids(rows: Iterable[Row], own: str, stable: Mapping[str, Callable[[Any], Any]]) -> None:
    """Set `id` on each row: the API's own id as text, else a hash.

    The outcome does not depend on the order of the rows, nor on which of its forms a value has.

    Args:
        rows: all rows of one member that a reading brought; changed in place.
        own: the property that holds the API's own id.
        stable: the properties to hash, each with what brings its values into one form.
    """
    groups: dict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        value = own_id(row.get(own))
        if value:
            row["id"] = value
        else:
            groups[_hash(row, stable)].append(row)
    for digest, equals in groups.items():
        if len(equals) > 1:
            equals.sort(key=lambda row: (_text(_rest(row, stable)), _text(row)))
        for number, row in enumerate(equals):
            row["id"] = f"{digest.hex()}-{number}"


def assign_entries(rows: Iterable[Row]) -> None:
    """Set `entry` on each row: the month that a redemption period ends in, else a number.

    Periods that end in the same month are numbered by their dates, and so are those without a
    usable date, so that none takes the place of another.

    Args:
        rows: all entries of one member's answer, each with its `rule_type`; changed in place.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for end, row in sorted(((_period_end(row), row) for row in rows), key=lambda pair: pair[0]):
        rule, month = row["rule_type"], end[:_MONTH]
        counts[rule, month] += 1
        number = counts[rule, month]
        if rule == INACTIVITY:
            row["entry"] = str(number)
        else:
            name = month or _UNDATED
            row["entry"] = name if number == 1 else f"{name}/{number}"


def _period_end(row: Row) -> str:
    """Return when a redemption period ends; "" where no date is usable, or for another rule."""
    if row["rule_type"] == INACTIVITY:
        return ""
    with suppress(ConversionError):
        return timestamps.normalize_timestamp(row.get("expiration_date") or "") or ""
    return ""


def own_id(value: Any) -> str:
    """Spell an id of the API's own, "" where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return ""
    return str(value).strip()


def _rest(row: Row, stable: Mapping[str, Any]) -> Any:
    """Give what orders rows that are equal in their stable fields: the other ones, in one form."""
    return _normalize_unknown(
        {name: value for name, value in row.items() if name not in {*stable, "id"}}
    )


def _normalize_unknown(value: Any) -> Any:
    """Bring a value of unknown type into one form, whichever of its forms it came in."""
    if isinstance(value, dict):
        loose = {name: _normalize_unknown(member) for name, member in value.items()}
        return {name: member for name, member in loose.items() if member is not None} or None
    if isinstance(value, list):
        return [_normalize_unknown(item) for item in value] or None
    flag = _form(value, values.boolean)
    return flag if isinstance(flag, bool) else _form(value, timestamps.normalize_timestamp)


def _hash(row: Row, stable: Mapping[str, Callable[[Any], Any]]) -> bytes:
    forms = [_form(row.get(name), convert) for name, convert in stable.items()]
    return hashlib.blake2b(_text(forms), digest_size=16).digest()


def _form(value: Any, convert: Callable[[Any], Any]) -> Any:
    if value is None:
        return None
    with suppress(ConversionError):
        value = convert(value)
    return (value.strip() or None) if isinstance(value, str) else value


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")

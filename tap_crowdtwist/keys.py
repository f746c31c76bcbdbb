"""Ids for rows that the API may send without one.

The response of the v2.1 activity history and the record of the redemption history are not
published whole, so their ids (`user_activity_id`, `order_id`) may be missing. Such a row gets a
hash of the fields that do not change, and its number among rows equal in all of these.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from tap_crowdtwist.values import MisfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_crowdtwist.records import Row


def assign(rows: Iterable[Row], own: str, stable: Mapping[str, Callable[[Any], Any]]) -> None:
    """Set `id` on each row: the API's own id as text, else a hash.

    The outcome does not depend on the order of the rows, nor on which of its forms a value has.

    Args:
        rows: all rows of one member that a reading brought; changed in place.
        own: the property that holds the API's own id.
        stable: the properties to hash, each with what brings its values into one form.
    """
    groups: dict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        value = row.get(own)
        if value is not None and str(value).strip():
            row["id"] = str(value).strip()
        else:
            groups[_hash(row, stable)].append(row)
    for digest, equals in groups.items():
        equals.sort(key=lambda row: msgspec.json.encode(row, order="deterministic"))
        for number, row in enumerate(equals):
            row["id"] = f"{digest.hex()}-{number}"


def _hash(row: Row, stable: Mapping[str, Callable[[Any], Any]]) -> bytes:
    values = [_form(row.get(name), convert) for name, convert in stable.items()]
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).digest()


def _form(value: Any, convert: Callable[[Any], Any]) -> Any:
    if value is None:
        return None
    try:
        return convert(value)
    except MisfitError:
        return value

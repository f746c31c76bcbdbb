"""The table of all faults, built from the functions that cause them."""

from __future__ import annotations

from inspect import getdoc
from typing import TYPE_CHECKING, Literal, NamedTuple

from crowdtwist_sandbox.faults import delivery_faults, paging_faults, response_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

Kind = Literal["transient", "persistent", "fatal", "lie"]


class Entry(NamedTuple):
    """A fault as a client sees it.

    `kind` is how it looks to a client: `transient` goes away on a retry, `persistent` seems to
    affect this resource for good, `fatal` seems to affect every request, and `lie` is a listing
    with wrong paging information.
    """

    description: str
    kind: Kind


RESPONSE_FAULTS = {
    fault.__name__: fault for faults in response_faults.FAULTS.values() for fault in faults
}
DELIVERY_FAULTS = {fault.__name__: fault for fault in delivery_faults.TRANSIENT}
PAGING_FAULTS = {fault.__name__: fault for fault in paging_faults.PAGING_FAULTS}

PARAMETERS: Mapping[str, float] = {
    "rate_limited": 1,
    "rate_limited_date": 1,
    "unavailable_later": 1,
    "late": 5,
    "drip": 5,
    "bomb": 65,
}
"""Faults with a parameter, and its default: seconds, or megabytes for `bomb`."""


def _entry(fault: Callable[..., Any], kind: Kind) -> Entry:
    return Entry(" ".join((getdoc(fault) or "").split()), kind)


ALL_FAULTS: Mapping[str, Entry] = {
    **{
        fault.__name__: _entry(fault, kind)
        for kind, faults in response_faults.FAULTS.items()
        for fault in faults
    },
    **{name: _entry(fault, "transient") for name, fault in DELIVERY_FAULTS.items()},
    **{name: _entry(fault, "lie") for name, fault in PAGING_FAULTS.items()},
}
"""All faults."""

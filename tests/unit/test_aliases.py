"""A property that comes under another of its names is the same property, and as sensitive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_crowdtwist import schemas
from tap_crowdtwist.privacy.policy import KEEP, Policy, public_schema
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.streams import STREAMS

if TYPE_CHECKING:
    from tap_crowdtwist.streams.base import CrowdTwistStream

ALIASES = [
    (stream, alias, name)
    for stream in STREAMS
    for alias, name in stream.aliases.items()
    if name not in stream.primary_keys
]
SPENDABLE = Policy("keep", b"", frozenset(), spendable=True)
VALUES: dict[str, Any] = {"string": "2026-03-10T00:00:00Z", "array": [], "object": {"n": "1"}}


def record(stream: type[CrowdTwistStream], row: dict[str, Any], policy: Policy = KEEP) -> Any:
    keys: tuple[str, ...] = tuple(stream.primary_keys)  # type: ignore[arg-type]  # a property of the SDK
    make = Normalizer(
        stream.name, public_schema(stream.name, policy), keys, policy=policy, aliases=stream.aliases
    )
    return make({**dict.fromkeys(keys, "7"), **row})


def value_for(stream: type[CrowdTwistStream], name: str) -> Any:
    return VALUES.get(schemas.tagged(stream.name)["properties"][name]["type"][0], 5)


@pytest.mark.parametrize(("stream", "alias", "name"), ALIASES)
def test_another_name_means_the_same(stream: type[CrowdTwistStream], alias: str, name: str) -> None:
    value = value_for(stream, name)
    expected = record(stream, {name: value}, SPENDABLE)
    assert expected[name] is not None
    assert record(stream, {alias: value}, SPENDABLE) == expected
    assert record(stream, {alias: value, name: None}, SPENDABLE) == expected


@pytest.mark.parametrize(("stream", "alias", "name"), ALIASES)
def test_what_is_withheld_is_withheld_under_every_name(
    stream: type[CrowdTwistStream], alias: str, name: str
) -> None:
    if schemas.tagged(stream.name)["properties"][name]["x-sensitivity"] == "spendable":
        for row in ({alias: "SPEND-ME"}, {alias: "SPEND-ME", name: "SPEND-ME"}):
            assert "SPEND-ME" not in json.dumps(record(stream, row))


def test_the_names_that_pages_leave_open_are_taken() -> None:
    known = {(stream.name, alias): name for stream, alias, name in ALIASES}
    assert known["coupons", "coupon_value"] == "coupon_code"
    assert known["redemptions", "date_expiration"] == "expiration_date"
    assert known["redemptions", "coupon_expiration_date"] == "expiration_date"

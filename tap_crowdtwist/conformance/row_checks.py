"""Checks of rows: keys, property names, types."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    StreamCheck,
    adapts,
    confirmed,
    differs,
    unknown,
)
from tap_crowdtwist.conformance.properties import property_stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_crowdtwist.conformance.evidence import StreamEvidence
    from tap_crowdtwist.conformance.findings import CheckResult
    from tap_crowdtwist.conformance.properties import PropertyStats
    from tap_crowdtwist.streams.base import CrowdTwistStream

_KEYS = {"points_expiration": ("expiration_date",), "points_awaiting_fulfillment": ()}
"""Properties that identify a row, where they are not the key of the endpoint."""

_HASHED = "the tap uses a hash as `id`"
_NUMBERED = "the tap numbers the entries"
_WITHOUT_KEY = {
    "user_activity_history": _HASHED,
    "redemptions": _HASHED,
    "points_expiration": _NUMBERED,
}
"""The tap's treatment of rows without their key. In all other streams it needs one."""

_PROGRAM_WIDE = frozenset({"user_activity_history", "redemptions"})
"""Streams of members whose keys must be unique in the whole program, not only for a member."""

_MIN_ROWS = 20
"""Rows that are needed to conclude that a property is missing."""


def row_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about keys, property names and types of a stream."""
    keys = _keys(stream)
    if keys:
        listed = ", ".join(f"`{key}`" for key in keys)
        scope = "a member" if _is_unique_per_member(stream) else "the program"
        yield StreamCheck("key", f"Each row has {listed}, unique within {scope}.", _key)
    yield _of_properties("unknown", "The documentation lists every property.", _unknown)
    yield _of_properties("absent", "Every documented property is sent.", _absent)
    yield _of_properties("types", "Values can be converted to the types of the schema.", _types)


def _of_properties(
    topic: str,
    documented: str,
    check: Callable[[type[CrowdTwistStream], PropertyStats], CheckResult],
) -> StreamCheck:
    return StreamCheck(topic, documented, partial(_check_properties, check))


def _check_properties(
    check: Callable[[type[CrowdTwistStream], PropertyStats], CheckResult], seen: StreamEvidence
) -> CheckResult | None:
    stats = property_stats(seen)
    return check(seen.stream, stats) if stats.rows else None


def _keys(stream: type[CrowdTwistStream]) -> tuple[str, ...]:
    return _KEYS.get(stream.name, stream.endpoint.key)


def _is_unique_per_member(stream: type[CrowdTwistStream]) -> bool:
    return stream.endpoint.is_per_member and stream.name not in _PROGRAM_WIDE


def _key(seen: StreamEvidence) -> CheckResult | None:
    rows = seen.rows
    if not rows:
        return None
    keys = _keys(seen.stream)
    identities = [identify(row, keys) for _, row in rows]
    missing = identities.count(None)
    advice = _WITHOUT_KEY.get(seen.name)
    if missing:
        observed = f"{missing} of {len(rows)} rows lack it"
        return adapts(observed, advice) if advice else differs(observed)
    owners: list[Any] = [None] * len(rows)
    if _is_unique_per_member(seen.stream):
        # An entry of the points expiration also belongs to a rule.
        owners = [(page.position, row.get("rule_type")) for page, row in rows]
    repeated = len(rows) - len(set(zip(owners, identities, strict=True)))
    if repeated:
        observed = f"{repeated} of {len(rows)} rows repeat the key of another"
        if advice == _NUMBERED:
            return adapts(observed, advice)
        return differs(observed, f"{REPORT_IT}; a warehouse keeps one of them")
    return confirmed(f"in {len(rows)} rows")


def _unknown(_stream: type[CrowdTwistStream], stats: PropertyStats) -> CheckResult:
    unknown_properties = [f"`{name}`" for name in stats.unknown]
    if stats.unnamed:
        unknown_properties.append(f"{stats.unnamed} whose names are withheld")
    if not unknown_properties:
        return confirmed(f"no other in {stats.rows} rows")
    advice = "kept in `additional_properties`"
    if any(map(schemas.is_credential_name, stats.unknown)):
        advice += ", except credentials"
    return adapts(", ".join(unknown_properties), advice)


def _absent(stream: type[CrowdTwistStream], stats: PropertyStats) -> CheckResult:
    keys = _keys(stream)
    absent = ", ".join(f"`{name}`" for name in stats.absent if name not in keys)
    if not absent:
        return confirmed(f"all sent in {stats.rows} rows")
    if stats.rows < _MIN_ROWS:
        return unknown(f"{stats.rows} rows lack {absent}", "more rows")
    return adapts(f"in no row: {absent}", "these columns stay empty")


def _types(_stream: type[CrowdTwistStream], stats: PropertyStats) -> CheckResult:
    if not stats.unconvertible:
        return confirmed(f"in {stats.rows} rows")
    counts = ", ".join(f"`{path}` {count} times" for path, count in stats.unconvertible.items())
    advice = "null in the column, raw in `additional_properties`"
    return adapts(f"not converted: {counts}", advice)

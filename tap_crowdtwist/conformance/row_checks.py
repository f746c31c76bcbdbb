"""Checks of rows: keys, property names, types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    first_pages,
    no_evidence,
    unknown,
)
from tap_crowdtwist.conformance.properties import property_stats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import CheckResult, StreamCheck
    from tap_crowdtwist.conformance.properties import PropertyStats
    from tap_crowdtwist.streams.base import CrowdTwistStream


_ID_COLUMNS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
"""Streams whose rows get a generated `id` if they lack this column."""


_ADDED_BY_TAP = frozenset({"user_id", "rule_type", "entry"})
"""Key columns that the tap adds to a row."""


_WITH_RULES = frozenset({"points_expiration"})
"""Streams whose rows belong to a rule and are distinguished by their dates."""


_NUMBERED = "the tap numbers the entries"


_MIN_ROWS = 20
"""Rows that are needed to conclude that a property is missing."""


def row_checks(stream: type[CrowdTwistStream]) -> Iterator[StreamCheck]:
    """Yield the assumptions about keys, property names and types of a stream."""
    keys = ", ".join(f"`{key}`" for key in _keys(stream))
    scope = "a member" if stream.endpoint.is_per_member else "the program"
    if stream.name in _ID_COLUMNS:
        scope = "the program"
    if keys:
        yield "key", f"Each row has {keys}, unique within {scope}.", _key
    yield "unknown", "The documentation lists every property.", _unknown
    yield "absent", "Every documented property is sent.", _absent
    yield "types", "Values can be converted to the types of the schema.", _types


def _keys(stream: type[CrowdTwistStream]) -> tuple[str, ...]:
    id_column = _ID_COLUMNS.get(stream.name)
    if id_column:
        return (id_column,)
    keys: Any = stream.primary_keys  # typed as a property by the SDK
    sent_keys = tuple(key for key in keys if key not in _ADDED_BY_TAP)
    return (*sent_keys, "expiration_date") if stream.name in _WITH_RULES else sent_keys


def _key(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    rows = [(page.member, row) for page in first_pages(stream, evidence) for row in page.rows]
    if not rows:
        return no_evidence(stream, evidence)
    keys = _keys(stream)
    has_generated_id, has_rules = stream.name in _ID_COLUMNS, stream.name in _WITH_RULES
    if has_rules:
        keys = ("rule_type", *keys)
    identities = [(member, identify(row, keys)) for member, row in rows]
    missing = sum(identity is None for _, identity in identities)
    if missing:
        observed = f"{missing} of {len(rows)} rows lack it"
        if has_generated_id:
            return adapts(observed, "the tap uses a hash as `id`")
        return adapts(observed, _NUMBERED) if has_rules else differs(observed)
    # Ids that CrowdTwist assigns are unique in the program, other keys for a member only.
    distinct = {identity for _, identity in identities} if has_generated_id else set(identities)
    repeated = len(identities) - len(distinct)
    if repeated:
        observed = f"{repeated} of {len(rows)} rows repeat the key of another"
        if has_rules:
            return adapts(observed, _NUMBERED)
        return differs(observed, f"{REPORT_IT}; a warehouse keeps one of them")
    return confirmed(f"in {len(rows)} rows")


def _stats(stream: type[CrowdTwistStream], evidence: Evidence) -> PropertyStats:
    return property_stats(stream.name, first_pages(stream, evidence), stream.aliases)


def _unknown(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    stats = _stats(stream, evidence)
    if not stats.rows:
        return no_evidence(stream, evidence)
    named = [f"`{name}`" for name in stats.unknown]
    if stats.unnamed:
        named.append(f"{stats.unnamed} whose names are withheld")
    if named:
        has_credential = any(map(schemas.is_credential_name, stats.unknown))
        kept = "kept in `additional_properties`"
        return adapts(", ".join(named), kept + has_credential * ", except credentials")
    return confirmed(f"no other in {stats.rows} rows")


def _absent(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    stats = _stats(stream, evidence)
    absent = [f"`{name}`" for name in stats.absent if name not in _keys(stream)]
    if not stats.rows:
        return no_evidence(stream, evidence)
    if absent and stats.rows < _MIN_ROWS:
        return unknown(f"{stats.rows} rows lack {', '.join(absent)}", "more rows")
    if absent:
        return adapts(f"in no row: {', '.join(absent)}", "these columns stay empty")
    return confirmed(f"all sent in {stats.rows} rows")


def _types(stream: type[CrowdTwistStream], evidence: Evidence) -> CheckResult:
    stats = _stats(stream, evidence)
    if not stats.rows:
        return no_evidence(stream, evidence)
    if stats.unconvertible:
        observed = ", ".join(
            f"`{path}` {count} times" for path, count in stats.unconvertible.items()
        )
        return adapts(
            f"not converted: {observed}", "null in the column, raw in `additional_properties`"
        )
    return confirmed(f"in {stats.rows} rows")

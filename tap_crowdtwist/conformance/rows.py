"""What stands in the rows of a resource: keys, names, types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import schemas
from tap_crowdtwist.api.deduplication import identify
from tap_crowdtwist.conformance.columns import columns_of
from tap_crowdtwist.conformance.findings import (
    REPORT_IT,
    adapts,
    confirmed,
    differs,
    firsts,
    nothing,
    untold,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.conformance.columns import Columns
    from tap_crowdtwist.conformance.evidence import Evidence
    from tap_crowdtwist.conformance.findings import Judgement, Topic
    from tap_crowdtwist.streams.base import CrowdTwistStream


_OWN_IDS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
"""Where the tap makes an id of its own for rows without one."""


_OF_THE_TAP = frozenset({"user_id", "rule_type", "entry"})
"""Parts of keys that the tap itself puts into a row."""


_RULED = frozenset({"points_expiration"})
"""Streams whose rows belong to a rule, and are told apart by their dates."""


_NUMBERED = "entries are numbered"


_FEW = 20
"""Rows below which a property that is missing says nothing."""


def of_rows(stream: type[CrowdTwistStream]) -> Iterator[Topic]:
    """Yield what is assumed of keys, names and types."""
    keys = ", ".join(f"`{key}`" for key in _keys(stream))
    whose = "a member" if stream.endpoint.is_per_member else "the catalog"
    if stream.name in _OWN_IDS:
        whose = "the program"
    if keys:
        yield "key", f"Each row has {keys}, and no two rows of {whose} the same.", _key
    yield "unknown", "The pages name every property.", _unknown
    yield "absent", "Each property that the pages name comes.", _absent
    yield "types", "Values fit the types of the schema, in any form that is known.", _types


def _keys(stream: type[CrowdTwistStream]) -> tuple[str, ...]:
    own = _OWN_IDS.get(stream.name)
    if own:
        return (own,)
    keys: Any = stream.primary_keys  # a property of the SDK, for mypy
    own_keys = tuple(key for key in keys if key not in _OF_THE_TAP)
    return (*own_keys, "expiration_date") if stream.name in _RULED else own_keys


def _key(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    rows = [(look.member, row) for look in firsts(stream, evidence) for row in look.rows]
    if not rows:
        return nothing(stream, evidence)
    keys, own, ruled = _keys(stream), stream.name in _OWN_IDS, stream.name in _RULED
    if ruled:
        keys = ("rule_type", *keys)
    names = [(member, identify(row, keys)) for member, row in rows]
    lacking = sum(name is None for _, name in names)
    if lacking:
        seen = f"{lacking} of {len(rows)} rows lack it"
        if own:
            return adapts(seen, "rows get a hash for their `id`")
        return adapts(seen, _NUMBERED) if ruled else differs(seen)
    # An id of CrowdTwist's own belongs to one row, whoever is asked.
    distinct = {name for _, name in names} if own else set(names)
    if len(distinct) < len(names):
        seen = f"{len(names) - len(distinct)} of {len(rows)} rows repeat that of another"
        if ruled:
            return adapts(seen, _NUMBERED)
        return differs(seen, f"{REPORT_IT}; a warehouse keeps one of them")
    return confirmed(f"in {len(rows)} rows")


def _columns(stream: type[CrowdTwistStream], evidence: Evidence) -> Columns:
    return columns_of(stream.name, firsts(stream, evidence), stream.aliases)


def _unknown(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    if not found.rows:
        return nothing(stream, evidence)
    named = [f"`{name}`" for name in found.unknown]
    if found.unnamed:
        named.append(f"{found.unnamed} that {'is' if found.unnamed == 1 else 'are'} not named here")
    if named:
        withheld = any(map(schemas.is_credential_name, found.unknown))
        kept = "kept in `additional_properties`"
        return adapts(", ".join(named), kept + withheld * ", but for names of credentials")
    return confirmed(f"none other in {found.rows} rows")


def _absent(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    absent = [f"`{name}`" for name in found.absent if name not in _keys(stream)]
    if not found.rows:
        return nothing(stream, evidence)
    if absent and found.rows < _FEW:
        return untold(f"{found.rows} rows lack {', '.join(absent)}", "more rows")
    if absent:
        return adapts(f"in no row: {', '.join(absent)}", "these columns stay empty")
    return confirmed(f"all in {found.rows} rows")


def _types(stream: type[CrowdTwistStream], evidence: Evidence) -> Judgement:
    found = _columns(stream, evidence)
    if not found.rows:
        return nothing(stream, evidence)
    if found.misfits:
        seen = ", ".join(f"`{path}` {count} times" for path, count in found.misfits.items())
        return adapts(f"do not fit: {seen}", "null in the column, raw in `additional_properties`")
    return confirmed(f"in {found.rows} rows")

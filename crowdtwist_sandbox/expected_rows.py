"""The rows that a pipeline should end up with, for every stream, in canonical form.

Integers are integers, flags are booleans, timestamps are RFC 3339 in UTC, a birthday is a date.
Rows of member streams have the numeric `user_id`. Undocumented properties are under
`additional_properties`. Credentials, spendable values (codes) and rows of deleted members are left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.wire import drift as drift_of
from crowdtwist_sandbox.wire.fields import CREDENTIALS, FIELDS, SPENDABLE
from crowdtwist_sandbox.world.identity import member_id
from crowdtwist_sandbox.world.world import PROGRAM_STREAMS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.program import Row

_OWN_IDS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
_WITHHELD = CREDENTIALS | SPENDABLE


def expected_rows(engine: Engine, stream: str, day: int | None = None) -> Iterator[Row]:
    """Return the rows of a stream at the end of a day (default: today), in roster order.

    Raises:
        ValueError: there is no such stream or day.
    """
    if stream not in STREAMS:
        raise ValueError(f"stream: must be one of {', '.join(STREAMS)}")
    # Not a generator itself, so that an error is raised here and not at the first row.
    return _rows(engine, stream, engine.clock.chosen(day))


def _rows(engine: Engine, stream: str, day: int) -> Iterator[Row]:
    world, options = engine.world, engine.options
    if stream in PROGRAM_STREAMS:
        for row, seed in world.program_listing(stream, day).rows():
            yield _canonical(stream, row, seed, None, drift=options.drift)
        return
    if stream == "points_expiration" and not options.expiration_rule:
        return
    if stream == "receipts" and not options.receipt_scanning:
        return
    for index in world.population.living(day):
        member = world.member(index, day)
        for row, seed in world.rows(stream, member):
            yield _canonical(stream, row, seed, member, drift=options.drift)


def _canonical(stream: str, row: Row, seed: int, member: Member | None, *, drift: bool) -> Row:
    kinds = FIELDS[stream]
    # Drift depends on row, seed and member alone, so this finds the same ids missing and the same
    # properties renamed as the encoder that sends the row.
    dropped = {drift_of.left_out_id(stream, member), drift_of.removed(stream, row, seed)}
    canonical: Row = {}
    if member is not None and stream != "users":
        canonical["user_id"] = member_id(member.index)
    for name, value in row.items():
        if name in _WITHHELD:
            continue
        if value is None or (drift and name in dropped):
            canonical[name] = None
        else:
            canonical[name] = kinds[name].canonical(value) if name in kinds else value
    if stream in _OWN_IDS:
        own = canonical[_OWN_IDS[stream]]
        canonical["id"] = None if own is None else str(own)
    if drift and (added := drift_of.added(stream, row, seed)):
        canonical["additional_properties"] = added
    return canonical

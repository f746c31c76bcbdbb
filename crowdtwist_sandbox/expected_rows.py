"""What a pipeline should end up with: rows of every stream in canonical form.

Integers are integers, flags are booleans, instants are RFC 3339 in UTC, a birthday is a date. Rows
of member streams carry the numeric `user_id`. Properties that no documentation knows stand under
`additional_properties`. Credentials and spendable values (codes) are left out, and so are the rows
of deleted members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crowdtwist_sandbox.wire import drift as drifted
from crowdtwist_sandbox.wire.fields import CREDENTIALS, FIELDS, SPENDABLE
from crowdtwist_sandbox.world.identity import member_id
from crowdtwist_sandbox.world.world import PROGRAM_STREAMS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.world.facts import Member
    from crowdtwist_sandbox.world.program import Row

_OWN_IDS = {"user_activity_history": "user_activity_id", "redemptions": "order_id"}
_HIDDEN = CREDENTIALS | SPENDABLE


def expected_rows(engine: Engine, stream: str, day: int | None = None) -> Iterator[Row]:
    """Rows of a stream at the end of a day (today where none is given), in roster order.

    Raises:
        ValueError: for a stream or a day that does not exist.
    """
    if stream not in STREAMS:
        raise ValueError(f"stream: must be one of {', '.join(STREAMS)}")
    when = engine.clock.day if day is None else day
    if when < 0:
        raise ValueError("day: must be 0 or more")
    return _rows(engine, stream, when)


def _rows(engine: Engine, stream: str, day: int) -> Iterator[Row]:
    world, options = engine.world, engine.options
    if stream in PROGRAM_STREAMS:
        for row, seed in world.catalog(stream, day).rows():
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
    dropped = {drifted.left_out_id(stream, member), drifted.removed(stream, row, seed)}
    true: Row = {}
    if member is not None and stream != "users":
        true["user_id"] = member_id(member.index)
    for name, value in row.items():
        if name in _HIDDEN:
            continue
        if value is None or (drift and name in dropped):
            true[name] = None
        else:
            true[name] = kinds[name].truth(value) if name in kinds else value
    if stream in _OWN_IDS:
        own = true[_OWN_IDS[stream]]
        true["id"] = None if own is None else str(own)
    if drift and (added := drifted.added(stream, row, seed)):
        true["additional_properties"] = added
    return true

"""Decides whether a sweep may let a target forget the rows that it has not brought again.

ACTIVATE_VERSION makes a target delete, or mark as deleted, every row of a table whose version is
older. So it may follow only a sweep that has brought everything that is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def doubt(
    sweep: state.SweepState, *, lacks_rows: bool, lacks_resource: bool, is_proven: bool
) -> str:
    """Return why a row may be missing that a sweep should have brought, or "".

    Args:
        sweep: the sweep.
        lacks_rows: whether rows were left out because they have no key.
        lacks_resource: whether CrowdTwist told some members that the program lacks the resource:
            it may be about to lose it, or to get it back.
        is_proven: whether every list of the run is certain to be whole.
    """
    if sweep.doubt:
        return sweep.doubt
    if lacks_rows:
        return "rows without a key were left out"
    if lacks_resource:
        return "some members were told that the program lacks this"
    if not is_proven:
        return "a list is not certain to be whole"
    return ""


def why_kept(
    sweep: state.SweepState,
    own: Mapping[str, Any],
    found: int,
    *,
    is_shard: bool,
    shares_table: bool,
) -> str:
    """Return why rows that a complete sweep has not brought must not be forgotten, or "".

    To be asked before the state is told that the sweep is complete.

    Args:
        sweep: the sweep.
        own: the state of the stream.
        found: how many members of the roster CrowdTwist knew.
        is_shard: whether other runs read the rest of the roster.
        shares_table: whether another stream is sent to the same table.
    """
    reasons = _reasons(sweep, own, found, is_shard=is_shard, shares_table=shares_table)
    return next(reasons, "")


def _reasons(
    sweep: state.SweepState,
    own: Mapping[str, Any],
    found: int,
    *,
    is_shard: bool,
    shares_table: bool,
) -> Iterator[str]:
    if sweep.changed:
        yield "only members who changed were swept"
    if is_shard:
        yield "this run is one shard of several"
    if sweep.version is None:
        yield "the sweep began without table versions"
    if sweep.failed.new or sweep.failed.overflowed:
        yield "members failed"
    if sweep.doubt:
        yield sweep.doubt
    if shares_table:
        yield "a stream map writes another stream into the same table"
    before = state.found_before(own)
    if not before:
        yield "the state knows of no complete sweep before this one"
    if state.has_shrunk(own, found):
        yield (
            f"the roster has shrunk, or CrowdTwist knows fewer of it ({found} members, and "
            f"{before} before); if that is right, run once with `vanished_rows` keep"
        )

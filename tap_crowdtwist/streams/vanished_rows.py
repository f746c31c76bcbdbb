"""The decision whether a sweep may let the target delete rows that it has not brought again.

ACTIVATE_VERSION makes a target delete, or mark as deleted, every row of a table that has an older
version. So it may follow only a sweep that has brought every row that still exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def doubt(sweep: state.SweepState, *, lacks_rows: bool, is_proven: bool) -> str:
    """Return why the sweep may have missed a row, or "" if it has certainly brought all.

    Args:
        sweep: the sweep.
        lacks_rows: whether rows were left out because they have no key.
        is_proven: whether every list of the run is certain to be complete.
    """
    if sweep.doubt:
        return sweep.doubt
    if lacks_rows:
        return "rows without a key were left out"
    # It may be about to lose the resource, or to get it back.
    if sweep.not_configured:
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
    """Return why the target must keep rows that a complete sweep has not brought, or "".

    Call it before the sweep is recorded in the state as complete: it compares with the last one.

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

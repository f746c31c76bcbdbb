"""The decision whether a sweep may let the target delete rows that it has not brought again.

ACTIVATE_VERSION makes a target delete, or mark as deleted, every row of a table that has an older
version. So it may follow only a sweep that has brought every row that still exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Mapping


REJECTED = "rows without a key were left out"
NOT_PROVEN = "a list is not certain to be whole"
PARTLY_LACKING = "some members were told that the program lacks this"


def doubt(sweep: state.SweepState, *, lacks_rows: bool, is_proven: bool) -> str:
    """Return why the sweep may have missed a row, or "" if it has certainly brought all.

    Args:
        sweep: the sweep.
        lacks_rows: whether rows were left out because they have no key.
        is_proven: whether every list of the run is certain to be complete.
    """
    # The last one first gives way to any other: it alone does not mean that a row is missing.
    return _first(
        (lacks_rows, REJECTED),
        (not is_proven, NOT_PROVEN),
        (sweep.doubt != "", sweep.doubt),
        # The program may be about to lose the resource, or to get it back.
        (sweep.not_configured > 0, PARTLY_LACKING),
    )


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
    before = state.found_before(own)
    shrunk = (
        f"the roster has shrunk, or CrowdTwist knows fewer of it ({found} members, and "
        f"{before} before); if that is right, run once with `vanished_rows` keep"
    )
    has_failed_members = bool(sweep.failed.new) or sweep.failed.overflowed
    return _first(
        (sweep.is_partial, "only a sweep of all members shows what vanished"),
        (is_shard, "this run is one shard of several"),
        (sweep.version is None, "the sweep began without table versions"),
        (has_failed_members, "members failed"),
        (sweep.doubt != "", sweep.doubt),
        (shares_table, "a stream map writes another stream into the same table"),
        (before == 0, "the state knows of no complete sweep before this one"),
        (state.has_shrunk(own, found), shrunk),
    )


def _first(*reasons: tuple[bool, str]) -> str:
    """Return the first reason that applies, or ""."""
    return next((reason for applies, reason in reasons if applies), "")

"""Decides whether a sweep may let a target forget the rows that it has not brought again.

ACTIVATE_VERSION makes a target delete, or mark as deleted, every row of a table whose version is
older. So it may follow only a sweep that has brought everything that is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_crowdtwist import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_crowdtwist.streams.swept import MemberStream


def may_vanish(stream: MemberStream) -> bool:
    """Return whether rows of a stream are to be forgotten when they are no more.

    Those of a history are read by date, so what is not in the answer may still be there.
    """
    is_full = stream.replication_method == REPLICATION_FULL_TABLE
    return stream.run.settings.forgets and is_full and stream.endpoint.dates is None


def has_versions(stream: MemberStream) -> bool:
    """Return whether the records of a stream carry a table version in this run."""
    return may_vanish(stream) and stream.run.settings.shard.count == 1


def doubt(stream: MemberStream, sweep: state.Sweep) -> str:
    """Return why a row may be missing that a sweep should have brought, or "".

    A program that lacks a resource for some members may be about to lose it, or to get it back.
    """
    if sweep.doubt:
        return sweep.doubt
    if stream.run.tally(stream.name).refused:
        return "rows without a key were left out"
    if stream.run.tally(stream.name).unconfigured:
        return "some members were told that the program lacks this"
    if not stream.run.client.is_proven(stream.endpoint):
        return "a list is not certain to be whole"
    return ""


def why_kept(stream: MemberStream, sweep: state.Sweep) -> str:
    """Return why rows that a complete sweep has not brought must not be forgotten, or "".

    To be asked before the state is told that the sweep is complete.
    """
    return next(_reasons(stream, sweep), "")


def _reasons(stream: MemberStream, sweep: state.Sweep) -> Iterator[str]:
    run, own = stream.run, stream.stream_state
    if sweep.changed:
        yield "only members who changed were swept"
    if run.settings.shard.count != 1:
        yield "this run is one shard of several"
    if sweep.version is None:
        yield "the sweep began without table versions"
    if sweep.failed or sweep.unlisted:
        yield "members failed"
    if sweep.doubt:
        yield sweep.doubt
    if stream.shares_table:
        yield "a stream map writes another stream into the same table"
    if not state.found_before(own):
        yield "the state knows of no complete sweep before this one"
    found = state.found(sweep, run.roster)
    if state.has_shrunk(own, found):
        yield (
            f"the roster has shrunk, or CrowdTwist knows fewer of it ({found} members, and "
            f"{state.found_before(own)} before); if that is right, run once with `vanished_rows` "
            "keep"
        )

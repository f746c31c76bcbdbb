"""The order of the streams, and what has to be known before the first sweep of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_crowdtwist.members.missing_members import check_path
from tap_crowdtwist.state import files_seen, profile_dates
from tap_crowdtwist.streams.runs import SyncRuns
from tap_crowdtwist.sync import notices
from tap_crowdtwist.sync.file_gaps import SWEEP_ALL_ONCE
from tap_crowdtwist.sync.run import UNKNOWN_CHANGES
from tap_crowdtwist.sync.updated_members import PROFILES

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    from singer_sdk.streams import Stream

    from tap_crowdtwist.streams.member_stream import MemberStream
    from tap_crowdtwist.sync.run import SyncRun


def in_order(streams: Mapping[str, Stream], config: Mapping[str, Any]) -> dict[str, Stream]:
    """Return streams in the order in which they are read.

    The profiles are last among the streams of members, so that they can be compared with all rows,
    unless they tell whose rows to read. The rows about the run come last.
    """
    profiles_first = config.get("sweep_members") == "updated"

    def rank(item: tuple[str, Stream]) -> int:
        name, stream = item
        if isinstance(stream, SyncRuns):
            return 2
        return 0 if profiles_first and name == PROFILES else 1

    return dict(sorted(streams.items(), key=rank))


def prepare(run: SyncRun, streams: Sequence[MemberStream], logger: logging.Logger) -> None:
    """Find out who is read, and warn of settings that cost rows or hours.

    Args:
        run: the run; its member streams are skipped if it is not known who has to be read.
        streams: the member streams that are read, at least one.
        logger: gets the warnings.

    Raises:
        SettingError: the roster or `missing_members_path` cannot be used.
    """
    settings = run.settings
    check_path(settings.missing_members_path, settings.user_ids_path)
    if settings.sample_members:  # such a run uses no state and proves nothing
        return
    states = {stream.name: stream.stored_state for stream in streams}
    if settings.only_changed:  # such a run uses no bookmark, so no warning applies
        run.find_changed_members(states)
        return
    if settings.only_updated:
        run.find_updated_members(states)
    elif PROFILES in states:
        run.compare_profiles()
    warnings = list(notices.shrunken_roster(states.values(), len(run.roster)))
    incremental = [stream for stream in streams if stream.is_incremental]
    if incremental:
        warnings += notices.short_lookback(settings.lookback)
    if not settings.only_updated:
        warnings += notices.earlier_start([s.name for s in incremental if s.starts_later])
    for sentence in warnings:
        logger.warning("%s", sentence)


def finish(run: SyncRun, streams: Sequence[MemberStream]) -> None:
    """Record who is known to all streams, after a run that swept updated members."""
    updated = run.updated
    if updated is None:
        return
    if not updated.is_complete:
        # If `users` was given up, the reason is known; if the program lacks it, this is the reason.
        if not run.failures:
            run.fail(f"{PROFILES} has no profiles, so {UNKNOWN_CHANGES}; {SWEEP_ALL_ONCE}")
        return
    # Streams that the program lacks wait for the next sweep of all members.
    states = {
        stream.name: stream.stream_state
        for stream in streams
        if not files_seen.is_not_configured(stream.stored_state)
    }
    bookmarks = streams[0].tap_state.get("bookmarks", {})
    others = [entry for name, entry in bookmarks.items() if name not in states]
    profile_dates.record_known(
        states, others, PROFILES, updated.known, run.roster.checksum, updated.started_at
    )

"""The roster of a sweep of changed members (`sweep_members` changed), computed from files.

The API cannot say who changed, but the files of Data Push name every member to whom something
happened. A complete sweep of all members records in the state which files existed when it began
(`state.files_seen`). The roster of a later sweep is then every member in files that are new since,
including files that came late and files with new content; that sweep records its files in turn.

No member is left out silently: if days are missing between the files, if files stop coming, or if
the state has no such record, the run asks for a sweep of all members.
"""

from __future__ import annotations

import logging
from functools import cached_property
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.errors import ApiError, FatalApiError
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.files.folder import FileSource, digest_of
from tap_crowdtwist.files.history import FileHistory
from tap_crowdtwist.files.member_ids import MembersInFiles
from tap_crowdtwist.files.naming import DATA_PUSH, LIVE_PUSH
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.members.user_ids import look_up_ids
from tap_crowdtwist.state import files_seen, stored_sweep
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.sync.file_gaps import SWEEP_ALL_ONCE, check_age, check_gap, check_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.members.user_ids import RunConcurrently

logger = logging.getLogger(__name__)

_MAX_SHOWN = 3
"""Streams that an error names."""


class ChangeFiles:
    """The files of Data Push, and of Live Push if that is used, as listed at one time.

    Attributes:
        push: the files of Data Push, without those with a future date or a wrong name.
        live: the captures of Live Push.
        problems: the errors of the files that are left out.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        known_hosts = settings.sftp_known_hosts
        self._form = settings.data_push_format
        self._push = FileSource(str(settings.data_push_path), DATA_PUSH, known_hosts=known_hosts)
        files = self._push.files(now)
        self.push = [file for file in files if not file.is_ahead and not file.correct_name]
        self.problems: list[SettingError] = []
        if misnamed := [file for file in files if file.correct_name]:
            self.problems.append(self._push.misnamed_error(misnamed))
        if ahead := [file for file in files if file.is_ahead and not file.correct_name]:
            self.problems.append(self._push.ahead_error(ahead))
        self._live: FileSource | None = None
        self.live: list[File] = []
        if settings.live_push_path:
            path = settings.live_push_path
            self._live = FileSource(path, LIVE_PUSH, growing=True, known_hosts=known_hosts)
            self.live = self._live.files(now)

    @cached_property
    def marks(self) -> dict[str, Any]:
        """The histories and feeds of the files, in the form of `state.files_seen`."""
        feeds = sorted({file.feed for file in self.push})
        return {
            "push": _marks(self.push, "push"),
            "live": _marks(self.live, "live"),
            "feeds": feeds,
        }

    def has_new_files(self, seen: Mapping[str, Any] | None) -> bool:
        """Return whether there are Data Push files that a record of seen files lacks."""
        return bool(files_seen.history_of(seen, "push").due(self.push))

    def members_in(self, push: Iterable[File], live: Iterable[File]) -> MembersInFiles:
        """Read which members appear in some of the files.

        Raises:
            FileError: a file cannot be read to its end.
        """
        members = MembersInFiles(self._form)
        if self._live is not None:
            members.add_captures(live, self._live.open)
        # Day by day: the files of one day identify each other's members.
        days = sorted(push, key=lambda file: file.period)
        for _, files in groupby(days, key=lambda file: file.period):
            members.add_tables(files, self._push.open)
        return members


def changed_roster(
    feeds: ChangeFiles,
    states: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    client: Client,
    run_concurrently: RunConcurrently,
    now: datetime,
) -> Roster:
    """Return the members that changed since the last complete sweep of some streams.

    Members that failed in that sweep are part of it, though no file may name them.

    Args:
        feeds: the files.
        states: the states of the streams that are to be swept, by name.
        settings: the settings.
        client: looks up the members that the files name without a numeric id.
        run_concurrently: runs several calls at the same time.
        now: the current time.

    Raises:
        SettingError: a sweep of all members is needed first, or a file is missing or broken; the
            message says why.
        TapError: the state cannot be read, or members cannot be looked up.
        FatalApiError: no request can succeed.
    """
    push: dict[str, File] = {}
    live: dict[str, File] = {}
    failed: list[int] = []
    # Streams that the program lacks wait for the next sweep of all members.
    states = {
        name: entry for name, entry in states.items() if not files_seen.is_not_configured(entry)
    }
    seen_by_stream = _files_seen(states)
    try:
        for name, entry in states.items():
            seen, sweep = seen_by_stream[name], stored_sweep(entry)
            push_read = files_seen.history_of(seen, "push")
            live_read = files_seen.history_of(seen, "live")
            # A resumed sweep needs the files with which it began: members of theirs that are after
            # its cursor are not read yet.
            begun = sweep.get("files")
            check_kept(DATA_PUSH, feeds.push, push_read, files_seen.history_of(begun, "push"))
            check_kept(LIVE_PUSH, feeds.live, live_read, files_seen.history_of(begun, "live"))
            due = push_read.due(feeds.push)
            check_gap(seen, feeds.push, due, push_read, settings.data_push_daily)
            check_age(seen, feeds.push, push_read, now)
            push |= {file.path: file for file in due}
            live |= {file.path: file for file in live_read.due(feeds.live)}
            failed += FailedMembers.load(sweep).earlier
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state cannot be read: the entry of `{name}`; run once with "
            "`sweep_members` all, which rewrites it"
        ) from None
    members = feeds.members_in(push.values(), live.values())
    try:
        looked_up = look_up_ids(members.without_id, client, run_concurrently)
    except FatalApiError:
        raise
    except ApiError as error:
        raise TapError(
            "Who changed is not known, since members that files name without a numeric id could "
            f"not be looked up: {error}; the next run tries again, or else {SWEEP_ALL_ONCE}"
        ) from None
    roster = Roster(chain(members.numbers, looked_up, failed), "id", settings.shard)
    logger.info(
        "%d members appear in the %d files that are new since the last complete sweep",
        len(roster),
        len(push) + len(live),
    )
    return roster


def newest_roster(feeds: ChangeFiles, settings: Settings) -> Roster:
    """Return the members in the files of the newest day that has any, to try requests with."""
    roster = Roster((), "id", settings.shard)
    for day in sorted({file.period for file in feeds.push}, reverse=True):
        members = feeds.members_in((file for file in feeds.push if file.period == day), ())
        roster = Roster(members.numbers, "id", settings.shard)
        if len(roster):
            break
    return roster


def _files_seen(states: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the files that each stream has seen.

    Raises:
        SettingError: a stream has had no complete sweep of all members.
    """
    seen_by_stream = {name: entry.get("files") for name, entry in states.items()}
    lacking = [name for name, seen in seen_by_stream.items() if not isinstance(seen, dict)]
    if lacking:
        raise SettingError(
            "sweep_members",
            f"`changed` is possible only after a complete sweep of all members with "
            f"`data_push_path` set, which {_list(lacking)} had not; {SWEEP_ALL_ONCE}, then with "
            "`changed` and the state of that run",
        )
    begun = [
        name
        for name, entry in states.items()
        if "started_at" in (sweep := stored_sweep(entry)) and sweep.get("members") != "changed"
    ]
    if begun:
        raise SettingError(
            "sweep_members",
            f"`changed` is possible only when the sweep of all members that has begun for "
            f"{_list(begun)} is complete; continue with `sweep_members` all until then",
        )
    return {name: dict(seen) for name, seen in seen_by_stream.items() if seen is not None}


def _list(streams: Sequence[str]) -> str:
    shown = ", ".join(f"`{stream}`" for stream in streams[:_MAX_SHOWN])
    more = len(streams) - _MAX_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _marks(files: Iterable[File], kind: str) -> dict[str, Any]:
    history = FileHistory(files_seen.KINDS[kind])
    for file in files:
        history.add(file.period, digest_of(file))
    return history.dump()

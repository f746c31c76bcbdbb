"""The roster of a sweep of changed members (`sweep_members` changed), computed from files.

The API cannot say who changed, but the files of Data Push name every member to whom something
happened. A complete sweep of all members records in the state which files existed when it began
(`state.files_seen`). The roster of a later sweep is then every member in files that are new since,
including files that came late and files with new content; that sweep records its files in turn.

No member is left out silently: if days are missing between the files, if files stop coming, or if
the state has no such record, the run asks for a sweep of all members. It does so too, after it has
read the others, if redemption files name members whose CrowdTwist id is in no file.
"""

from __future__ import annotations

import logging
from functools import cached_property
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.files.folder import FileSource, digest_of
from tap_crowdtwist.files.history import FileHistory
from tap_crowdtwist.files.member_ids import MembersInFiles
from tap_crowdtwist.files.naming import DATA_PUSH, LIVE_PUSH
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.state import files_seen, stored_sweep
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.sync.file_gaps import SWEEP_ALL_ONCE, check_age, check_gap, check_kept
from tap_crowdtwist.sync.swept_streams import check_none_begun, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.files.folder import File

logger = logging.getLogger(__name__)

_IN_ORDER = attrgetter("period", "path")
"""Sorts files, so that the first error is always the same."""

LACKS_MEMBERS = "not all members that changed are known"
"""Reason for which streams of members are not complete."""


class ChangeFiles:
    """The files of Data Push, and of Live Push if that is used, as listed at one time.

    Attributes:
        push: the files of Data Push, without those with a future date or a wrong name.
        live: the captures of Live Push.
        problems: the errors of the files that are left out.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        access = settings.remote_access
        self._form = settings.data_push_format
        self._push = FileSource(str(settings.data_push_path), DATA_PUSH, access=access)
        files = self._push.files(now)
        misnamed = [file for file in files if file.correct_name]
        ahead = [file for file in files if file.is_ahead]
        left_out = {*misnamed, *ahead}
        self.push = [file for file in files if file not in left_out]
        self.problems: list[SettingError] = []
        if misnamed:
            self.problems.append(self._push.misnamed_error(misnamed))
        if ahead:
            self.problems.append(self._push.ahead_error(ahead))
        self._live: FileSource | None = None
        self.live: list[File] = []
        if settings.live_push_path:
            path = settings.live_push_path
            self._live = FileSource(path, LIVE_PUSH, growing=True, access=access)
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
            captures = sorted(live, key=_IN_ORDER)
            with self._live.reading(captures):
                members.add_captures(captures, self._live.open)
        days = sorted(push, key=_IN_ORDER)
        # No order is announced: which files of other days are needed is seen only later.
        with self._push.reading():
            for day, files in groupby(days, key=lambda file: file.period):
                nearby = [file for file in self.push if abs(file.period - day) == 1]
                members.add_tables(files, nearby, self._push.open)
        return members


def changed_roster(
    feeds: ChangeFiles,
    states: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    fail: Callable[[Exception], None],
    now: datetime,
) -> Roster:
    """Return the members that changed since the last complete sweep of some streams.

    Members that failed in that sweep are part of it, though no file may name them.

    Args:
        feeds: the files.
        states: the states of the streams that are to be swept, by name.
        settings: the settings.
        fail: called with an error if members are left out, so that the run is not complete.
        now: the current time.

    Raises:
        SettingError: a sweep of all members is needed first, or a file is missing or broken; the
            message says why.
        TapError: the state cannot be read.
    """
    push: set[File] = set()
    live: set[File] = set()
    failed: set[int] = set()
    # Streams that the program lacks wait for the next sweep of all members.
    states = {
        name: entry for name, entry in states.items() if not files_seen.is_not_configured(entry)
    }
    _check_swept(states)
    try:
        for name in states:
            seen, sweep = states[name]["files"], stored_sweep(states[name])
            _check_kept(feeds, seen, sweep.get("files"))
            push_read = files_seen.history_of(seen, "push")
            due = push_read.due(feeds.push)
            check_gap(seen, feeds.push, due, push_read, settings.data_push_daily)
            check_age(seen, feeds.push, push_read, now)
            push.update(due)
            live.update(files_seen.history_of(seen, "live").due(feeds.live))
            failed |= FailedMembers.load(sweep).earlier
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state cannot be read: the entry of `{name}`; run once with "
            "`sweep_members` all, which rewrites it"
        ) from None
    members = feeds.members_in(push, live)
    if members.without_id:
        fail(
            SettingError(
                "data_push_path",
                f"has redemptions of members ({len(members.without_id):,} in all) whose CrowdTwist "
                "id is in no file of that day, of the day before or of the day after, so they were "
                f"not read; {SWEEP_ALL_ONCE}",
            )
        )
    roster = Roster(chain(members.numbers, failed), "id", settings.shard)
    logger.info(
        "%d members appear in the %d files that are new since the last complete sweep",
        len(roster),
        len(push) + len(live),
    )
    return roster


def newest_roster(feeds: ChangeFiles, settings: Settings) -> Roster:
    """Return the members in the files of the newest day that has any, to try requests with."""
    for _, files in groupby(reversed(feeds.push), key=lambda file: file.period):
        roster = Roster(feeds.members_in(files, ()).numbers, "id", settings.shard)
        if len(roster):
            return roster
    return Roster((), "id", settings.shard)


def _check_swept(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that a complete sweep of all members has recorded which files each stream has seen.

    Raises:
        SettingError: a stream has had none, or the next one has begun.
    """
    lacking = [name for name, entry in states.items() if not isinstance(entry.get("files"), dict)]
    if lacking:
        raise SettingError(
            "sweep_members",
            f"`changed` is possible only after a complete sweep of all members with "
            f"`data_push_path` set, which {quoted(lacking)} had not; {SWEEP_ALL_ONCE}, then with "
            "`changed` and the state of that run",
        )
    check_none_begun(states, "changed")


def _check_kept(
    feeds: ChangeFiles, seen: Mapping[str, Any], begun: Mapping[str, Any] | None
) -> None:
    """Check that the files with which a resumed sweep began still exist.

    The sweep needs them: members of theirs that are after its cursor are not read yet.

    Raises:
        SettingError: files are missing.
    """
    for kind, naming, files in (("push", DATA_PUSH, feeds.push), ("live", LIVE_PUSH, feeds.live)):
        read, at_start = files_seen.history_of(seen, kind), files_seen.history_of(begun, kind)
        check_kept(naming, files, read, at_start)


def _marks(files: Iterable[File], kind: str) -> dict[str, Any]:
    history = FileHistory(files_seen.KINDS[kind])
    for file in files:
        history.add(file.period, digest_of(file))
    return history.dump()

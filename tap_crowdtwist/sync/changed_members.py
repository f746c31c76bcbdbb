"""Which members to ask about when only those who changed are swept.

The API cannot say who changed, but the files of Data Push name everybody to whom something
happened. A complete sweep of all members notes in the state which files were there when it began
(`notes`). The sweep of a later run then has for its roster the members that appear in files that
are new since, late ones and those with other content included, and notes the files in its turn.
Nobody is passed over in silence: where days are missing between the files, where no file comes any
more, or where no such note exists, a sweep of all members is asked for.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cached_property
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.api.errors import ApiError, FatalApiError
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.files.folder import FileSource, digest_of
from tap_crowdtwist.files.history import FileHistory
from tap_crowdtwist.files.member_ids import MembersInFiles
from tap_crowdtwist.files.naming import DATA_PUSH, FEEDS, LIVE_PUSH
from tap_crowdtwist.members.roster import Roster
from tap_crowdtwist.members.user_ids import look_up_ids
from tap_crowdtwist.state import files_seen, stored_sweep
from tap_crowdtwist.state.failed_members import FailedMembers
from tap_crowdtwist.state.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.files.folder import File
    from tap_crowdtwist.files.naming import FileNaming
    from tap_crowdtwist.members.user_ids import RunConcurrently

logger = logging.getLogger(__name__)

MAX_FILE_AGE = timedelta(days=3)
"""How long no newer file may come before the delivery is taken for broken."""

_ALWAYS = ("PROFILE", "USER_ACTIVITY")
"""The feeds without which too little is known; the others need only come daily if they ever do."""

_SHOWN = 3
_ASK = "run once with `sweep_members` all"


class ChangeFiles:
    """The files of Data Push, and of Live Push if there are any, as they are at a moment.

    Attributes:
        push: the files of Data Push, without those that have a date to come or a wrong name.
        live: the captures of Live Push.
        problems: what is wrong with the files that are left out, if there are any.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        known = settings.sftp_known_hosts
        self._form = settings.data_push_format
        self._push = FileSource(str(settings.data_push_path), DATA_PUSH, known_hosts=known)
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
            self._live = FileSource(path, LIVE_PUSH, growing=True, known_hosts=known)
            self.live = self._live.files(now)

    @cached_property
    def marks(self) -> dict[str, Any]:
        """Ledgers of the files, as `notes` has them."""
        feeds = sorted({file.feed for file in self.push})
        return {
            "push": _marks(self.push, "push"),
            "live": _marks(self.live, "live"),
            "feeds": feeds,
        }

    def has_news(self, noted: Mapping[str, Any] | None) -> bool:
        """Tell whether files of Data Push have come that a note does not know."""
        return bool(files_seen.history_of(noted, "push").due(self.push))

    def appeared(self, push: Iterable[File], live: Iterable[File]) -> MembersInFiles:
        """Read who appears in some of the files.

        Raises:
            FileError: a file cannot be read to its end.
        """
        appeared = MembersInFiles(self._form)
        if self._live is not None:
            appeared.add_captures(live, self._live.open)
        days = sorted(push, key=lambda file: file.period)
        for _, files in groupby(days, key=lambda file: file.period):
            appeared.add_tables(files, self._push.open)
        return appeared


def changed_roster(
    feeds: ChangeFiles,
    states: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    client: Client,
    run_concurrently: RunConcurrently,
    now: datetime,
) -> Roster:
    """Give the members who changed since the last complete sweep of some streams.

    Args:
        feeds: the files.
        states: the states of the streams that are to be swept, by name.
        settings: the settings.
        client: asks who the members are of whom the files tell no number.
        run_concurrently: does several things at once.
        now: the present.

    Raises:
        SettingError: a sweep of all members is needed first; the message says why.
    """
    push: dict[str, File] = {}
    live: dict[str, File] = {}
    owed: list[int] = []
    noted_by_name = _noted(states)
    try:
        for name, entry in states.items():
            noted, sweep = noted_by_name[name], stored_sweep(entry)
            read, heard = files_seen.history_of(noted, "push"), files_seen.history_of(noted, "live")
            begun = sweep.get("files")
            _check_kept(DATA_PUSH, feeds.push, read, files_seen.history_of(begun, "push"))
            _check_kept(LIVE_PUSH, feeds.live, heard, files_seen.history_of(begun, "live"))
            due = read.due(feeds.push)
            _check_gap(noted, feeds.push, due, read, settings.data_push_daily)
            _check_age(noted, feeds.push, read, now)
            push |= {file.path: file for file in due}
            live |= {file.path: file for file in heard.due(feeds.live)}
            owed += FailedMembers.load(sweep).earlier
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise TapError(
            f"The state given to the tap cannot be read: the entry of `{name}`; run once with "
            "`sweep_members` all, which writes it anew"
        ) from None
    appeared = feeds.appeared(push.values(), live.values())
    try:
        found = look_up_ids(appeared.without_id, client, run_concurrently)
    except FatalApiError:
        raise
    except ApiError as error:
        raise TapError(
            "Who changed is not known, since members whom files name without a number could not be "
            f"looked up: {error}; the next run tries again, or else {_ASK}"
        ) from None
    given = Roster(chain(appeared.numbers, found, owed), "id", settings.shard)
    logger.info(
        "%d members appear in the %d files that are new since the last complete sweep",
        len(given),
        len(push) + len(live),
    )
    return given


def newest_roster(feeds: ChangeFiles, settings: Settings) -> Roster:
    """Give the members of the newest day on which anybody appears, to try things with."""
    members = Roster((), "id", settings.shard)
    for day in sorted({file.period for file in feeds.push}, reverse=True):
        appeared = feeds.appeared((file for file in feeds.push if file.period == day), ())
        members = Roster(appeared.numbers, "id", settings.shard)
        if len(members):
            break
    return members


def _noted(states: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the note of each stream; insist on a complete sweep of all members before."""
    notes_of = {name: entry.get("files") for name, entry in states.items()}
    lacking = [name for name, noted in notes_of.items() if not isinstance(noted, dict)]
    if lacking:
        raise SettingError(
            "sweep_members",
            f"`changed` is possible only after a complete sweep of all members with "
            f"`data_push_path` set, which {_list(lacking)} had not; {_ASK}, then with `changed` "
            "and the state of that run",
        )
    begun = [
        name
        for name, entry in states.items()
        if "started_at" in (sweep := stored_sweep(entry)) and sweep.get("members") != "changed"
    ]
    if begun:
        raise SettingError(
            "sweep_members",
            f"`changed` is possible only when the sweep of all members that is under way for "
            f"{_list(begun)} is complete; go on with `sweep_members` all until then",
        )
    return {name: dict(noted) for name, noted in notes_of.items() if noted is not None}


def _list(streams: Sequence[str]) -> str:
    shown = ", ".join(f"`{stream}`" for stream in streams[:_SHOWN])
    more = len(streams) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _check_kept(
    naming: FileNaming, files: Iterable[File], read: FileHistory, begun: FileHistory
) -> None:
    """Insist on the files with which a sweep began that now goes on."""
    period = begun.lost_period(files, read)
    if period is not None:
        since = max(period, begun.start)
        said = f"{'of' if period == since else 'from before'} {_date(naming, since)}"
        raise SettingError(
            naming.setting,
            f"has no more files {said}, in the middle of the sweep of the members in them; put "
            f"them back, or else {_ASK}",
        )


def _check_gap(
    noted: Mapping[str, Any],
    files: Sequence[File],
    due: Sequence[File],
    read: FileHistory,
    daily: Sequence[str],
) -> None:
    """Insist on a file of each feed for every day since all members were swept.

    A file covers the day before the one in its name, so the rest of the day of that sweep is in
    the file dated a day later. The day before the sweep is asked for too if a file of it or of an
    older day has been read: days of the files may end later than days in UTC. Otherwise Data Push
    began with a later day.
    """
    if not due:
        return
    feeds = set(daily) or {*_ALWAYS, *noted.get("feeds", ()), *(file.feed for file in files)}
    there = {(file.period, file.feed) for file in files}
    since = parse_timestamp(noted.get("all_at"))
    first = due[0].period
    if since is not None:
        rest = DATA_PUSH.period_number(since) + 1
        first = rest - any(read[day] for day in range(read.start, rest))
        oldest = min(file.period for file in files)
        if oldest > first and not any(read.sums):
            raise SettingError(
                "data_push_path",
                f"has no file dated earlier than {_date(DATA_PUSH, oldest)}, so who changed since "
                f"the last sweep of all members, on {since:%Y-%m-%d}, is not known; if Data Push "
                f"was switched on after that, {_ASK}",
            )
    for day in range(max(first, read.start), due[-1].period + 1):
        lacking = [feed for feed in FEEDS if feed in feeds and (day, feed) not in there]
        if lacking and not read[day]:
            said = " and no ".join(lacking) + " file" if len(lacking) < len(feeds) else "file"
            raise SettingError(
                "data_push_path",
                f"has no {said} dated {_date(DATA_PUSH, day)}, so who changed on the day before "
                f"is not known; run again when it has come, or else {_ASK}",
            )


def _check_age(
    noted: Mapping[str, Any], files: Sequence[File], read: FileHistory, now: datetime
) -> None:
    """Insist on newer files from time to time."""
    fresh = parse_timestamp(noted.get("fresh_at"))
    newer = any(file.period >= read.end for file in files)
    if not newer and fresh is not None and now - fresh > MAX_FILE_AGE:
        raise SettingError(
            "data_push_path",
            f"has had no file of a newer day since {format_timestamp(fresh)}, so who changed is "
            f"not known; see to the delivery, and {_ASK}",
        )


def _date(naming: FileNaming, period: int) -> str:
    begins = naming.period_start(period)
    return f"{begins:%Y-%m-%d}" if naming is DATA_PUSH else f"{begins:%Y-%m-%d %H:00}"


def _marks(files: Iterable[File], kind: str) -> dict[str, Any]:
    ledger = FileHistory(files_seen.KINDS[kind])
    for file in files:
        ledger.add(file.period, digest_of(file))
    return ledger.dump()

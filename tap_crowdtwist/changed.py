"""Which members to ask about when only those who changed are swept.

The API cannot say who changed, but the files of Data Push name everybody to whom something
happened. A complete sweep of all members notes in the state which files were there when it began
(`marks`). The sweep of a later run then has for its roster the members that appear in files that
are new since, late ones and those with other content included, and notes the files in its turn.
Nobody is passed over in silence: where days are missing between the files, where no file comes any
more, or where no such note exists, a sweep of all members is asked for.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import MemberMissingError
from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.feeds.folder import Folder, digest
from tap_crowdtwist.feeds.ledger import Ledger
from tap_crowdtwist.feeds.members import FEEDS, Appeared
from tap_crowdtwist.feeds.names import DATA_PUSH, LIVE_PUSH
from tap_crowdtwist.identity import profile_by
from tap_crowdtwist.roster import Roster, parse_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_crowdtwist.api.client import Client
    from tap_crowdtwist.feeds.folder import File
    from tap_crowdtwist.feeds.members import Alias
    from tap_crowdtwist.roster import Member
    from tap_crowdtwist.settings import Settings

logger = logging.getLogger(__name__)

DAYS, HOURS = 60, 72
"""Days of Data Push and hours of Live Push that a note tells of; earlier files count as read."""

PATIENCE = timedelta(days=3)
"""How long no newer file may come before the delivery is taken for broken."""

_ALWAYS = ("PROFILE", "USER_ACTIVITY")
"""The feeds without which too little is known; the others need only come daily if they ever do."""

_ASK = "; run once with `sweep_members` all"


class Feeds:
    """The files of Data Push, and of Live Push if there are any, as they are at a moment."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._push = Folder(str(settings.data_push_path), DATA_PUSH)
        self.push = self._push.files(now)
        self._live: Folder | None = None
        self.live: list[File] = []
        if settings.live_push_path:
            self._live = Folder(settings.live_push_path, LIVE_PUSH, growing=True)
            self.live = self._live.files(now)

    @cached_property
    def marks(self) -> dict[str, Any]:
        """The note that a sweep leaves in the state."""
        return {"push": _marks(self.push, DAYS), "live": _marks(self.live, HOURS)}

    def appeared(self, push: Iterable[File], live: Iterable[File]) -> Appeared:
        """Read who appears in some of the files.

        Raises:
            FeedError: a file cannot be read to its end.
        """
        appeared = Appeared()
        appeared.add_tables(push, self._push.open)
        if self._live is not None:
            appeared.add_captures(live, self._live.open)
        return appeared


def roster(
    feeds: Feeds,
    states: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    client: Client,
    now: datetime,
) -> Roster:
    """Give the members who changed since the last complete sweep of some streams.

    Args:
        feeds: the files.
        states: the states of the streams that are to be swept, by name.
        settings: the settings.
        client: asks who the members are of whom the files tell no number.
        now: the present.

    Raises:
        SettingError: a sweep of all members is needed first; the message says why.
    """
    push: dict[str, File] = {}
    live: dict[str, File] = {}
    owed: list[Member] = []
    for name, entry in states.items():
        noted = _noted(name, entry)
        ledger = Ledger.load(noted.get("push"), DAYS)
        due = ledger.due(feeds.push)
        _check_gap(feeds.push, due, ledger, state.instant(noted.get("fresh_at")) or now)
        _check_age(noted, feeds.push, ledger, now)
        push |= {file.path: file for file in due}
        recent = Ledger.load(noted.get("live"), HOURS).due(feeds.live)
        live |= {file.path: file for file in recent}
        owed += (entry.get("sweep") or {}).get("retry") or ()
    appeared = feeds.appeared(push.values(), live.values())
    found = _identified(appeared.nameless, client)
    given = Roster([*appeared.numbers, *found, *_numbers(owed)], "id", settings.shard)
    logger.info(
        "%d members appear in the %d files that are new since the last complete sweep",
        len(given),
        len(push) + len(live),
    )
    return given


def newest(feeds: Feeds, settings: Settings) -> Roster:
    """Give the members of the newest day of files, to try things with."""
    last = max((file.slot for file in feeds.push), default=None)
    appeared = feeds.appeared((file for file in feeds.push if file.slot == last), ())
    return Roster(appeared.numbers, "id", settings.shard)


def _noted(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    noted = entry.get("files")
    if not isinstance(noted, dict):
        raise SettingError(
            "sweep_members",
            f"cannot be changed yet: `{name}` has had no complete sweep of all members with "
            f"`data_push_path` set{_ASK}",
        )
    sweep = entry.get("sweep") or {}
    if "started_at" in sweep and sweep.get("members") != "changed":
        raise SettingError(
            "sweep_members",
            f"cannot be changed yet: a sweep of all members is under way for `{name}`{_ASK} more, "
            "until it is complete",
        )
    return noted


def _check_gap(files: Sequence[File], due: Sequence[File], ledger: Ledger, fresh: datetime) -> None:
    """Insist on a file of each feed for every day since the last one that was swept.

    Where there was none yet, the first has to be of the day of that sweep, or of the next.
    """
    if not due:
        return
    feeds = set(_ALWAYS) | {file.feed for file in files}
    there = {(file.slot, file.feed) for file in files}
    first = min(due[0].slot, DATA_PUSH.number(fresh) + 1)
    swept = ledger.first + len(ledger.sums) if ledger.sums else first
    for day in range(min(swept, due[-1].slot), due[-1].slot + 1):
        lacking = [feed for feed in FEEDS if feed in feeds and (day, feed) not in there]
        if lacking and not ledger[day]:
            date = DATA_PUSH.begins(day).date()
            raise SettingError(
                "data_push_path",
                f"has no {' and no '.join(lacking)} file for {date}, so who changed then is not "
                f"known; have the file sent again, or fill the gap with a full sweep{_ASK}",
            )


def _check_age(
    noted: Mapping[str, Any], files: Sequence[File], ledger: Ledger, now: datetime
) -> None:
    """Insist on newer files from time to time."""
    fresh = state.instant(noted.get("fresh_at"))
    known = ledger.first + len(ledger.sums) - 1 if ledger.sums else None
    newer = any(known is None or file.slot > known for file in files)
    if not newer and fresh is not None and now - fresh > PATIENCE:
        raise SettingError(
            "data_push_path",
            f"has had no file for a newer day since {state.spell(fresh)}, so who changed is not "
            f"known; see to the delivery, and fill the gap with a full sweep{_ASK}",
        )


def _marks(files: Iterable[File], most: int) -> dict[str, Any]:
    ledger = Ledger(most=most)
    for file in files:
        ledger.add(file.slot, digest(file))
    return ledger.dump()


def _identified(nameless: Iterable[Alias], client: Client) -> Iterator[int]:
    """Ask the API who members are that the files name by other names only."""
    unknown = 0
    for alias in sorted(nameless, key=lambda alias: tuple(name or "" for name in alias)):
        named = zip(("email", "username", "third_party_id"), alias, strict=True)
        for id_type, name in named:
            if name is None:
                continue
            try:
                yield profile_by(client, name, id_type)["id"]
            except MemberMissingError:
                continue
            break
        else:
            unknown += 1
    if unknown:
        logger.warning(
            "%d members of redemption files are not known to CrowdTwist by any of their names, so "
            "they are not swept; they may be deleted, or have other names by now",
            unknown,
        )


def _numbers(members: Iterable[Member]) -> Iterator[int]:
    for number in map(partial(parse_id, id_type="id"), map(str, members)):
        if number is not None:
            yield int(number)

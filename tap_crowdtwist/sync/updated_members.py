"""Who is read by a sweep of updated members (`sweep_members` updated), by the profiles.

Every profile is read. All other data is read only of members whose profile was updated since the
last complete sweep, who are new to the roster, or whose profile could not be read.

That points move the date of a profile is documented nowhere. So each sweep of all members compares
every member's newest row with the profile that is read after it (`NewestRows`). A sweep of updated
members is refused if none has compared any, or if a row was dated later than the profile.
"""

from __future__ import annotations

from array import array
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.records.profile_dates import (
    MARGIN,
    TOLERANCE_SECONDS,
    is_contradicted,
    newest_date,
)
from tap_crowdtwist.state import files_seen, profile_dates
from tap_crowdtwist.state.roster_digest import RosterDigest
from tap_crowdtwist.state.sweep_begin import MAX_CLOCK_SKEW, MIXED_ROSTERS
from tap_crowdtwist.state.timestamps import dump_timestamp, load_timestamp
from tap_crowdtwist.sync.file_gaps import SWEEP_ALL_ONCE
from tap_crowdtwist.sync.swept_streams import check_none_begun, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from tap_crowdtwist.members.missing_members import MissingMembers

PROFILES = "users"
"""The stream of the profiles."""

_NO_DATE = 0


class NewestRows:
    """The date of each member's newest row: 8 bytes a member.

    Args:
        members: the size of the roster.
        begun_at: when the run began. The newest rows prove nothing: their profile may move a little
            later, or have been read before they came.
    """

    def __init__(self, members: int, begun_at: datetime) -> None:
        self._dates = array("q", [_NO_DATE]) * members
        self._until = int(begun_at.timestamp()) - TOLERANCE_SECONDS

    def record(self, position: int, rows: Iterable[Mapping[str, Any]], name: str) -> None:
        """Record the newest date among rows of a member.

        Args:
            position: the member's position in the roster.
            rows: raw rows.
            name: the property with the date.
        """
        newest = newest_date(rows, name, self._until)
        if newest is not None:
            self._dates[position] = max(newest, self._dates[position])

    def contradicts(self, position: int, profile: int) -> bool | None:
        """Return whether a member's newest row is dated later than the profile read after it.

        Args:
            position: the member's position in the roster.
            profile: the date of the profile, in Unix seconds.

        Returns:
            None if the member has no row with a date.
        """
        newest = self._dates[position]
        return None if newest == _NO_DATE else is_contradicted(profile, newest)


class UpdatedMembers:
    """The members whose rows are read: a bit per member.

    Args:
        members: the size of the roster.
        started_at: when the run began to read profiles.
        since: members are read whose profile was updated then or later.
        swept_all_at: when the oldest of the last sweeps of all members began.
    """

    def __init__(
        self, members: int, started_at: datetime, since: datetime, swept_all_at: datetime
    ) -> None:
        # Whole seconds, as all sweeps.
        self.started_at = started_at.replace(microsecond=0)
        self.swept_all_at = swept_all_at
        self.is_complete = False
        self.count = 0
        self._since = int(since.timestamp())
        self._bits = bytearray(members // 8 + 1)
        self._members = members
        self.known = RosterDigest()
        self._known_id: Callable[[int], int | None] = lambda _: None
        self._is_new: Callable[[int], bool] = lambda _: True

    def record(self, position: int, date: int | None) -> None:
        """Record the date of a member's profile, in Unix seconds; None if it is not known."""
        if date is None or date >= self._since:
            self._add(position)

    def complete(
        self,
        known: RosterDigest,
        known_id: Callable[[int], int | None],
        is_new: Callable[[int], bool],
        missing: MissingMembers,
    ) -> None:
        """Add the members that are new to the roster, when all profiles have been read.

        Args:
            known: the members whose profile was read, or failed: no stream has to find them new.
            known_id: returns the number of a member, by position, or None.
            is_new: returns whether the last sweep has not read a member, by number.
            missing: the members that CrowdTwist does not know.
        """
        self.known, self._known_id, self._is_new = known, known_id, is_new
        for position in range(self._members):
            if self.is_new(position) and not missing.has(position):
                self._add(position)
        self.is_complete = True

    def is_new(self, position: int) -> bool:
        """Return whether a member has to be read from `start_date`, since it may be new."""
        user_id = self._known_id(position)
        return user_id is None or self._is_new(user_id)

    def __contains__(self, position: int) -> bool:
        """Return whether the rows of a member are read."""
        return bool(self._bits[position >> 3] & 1 << (position & 7))

    def _add(self, position: int) -> None:
        if position not in self:
            self._bits[position >> 3] |= 1 << (position & 7)
            self.count += 1


def updated_members(
    states: Mapping[str, Mapping[str, Any]], members: int, now: datetime
) -> UpdatedMembers:
    """Return the members to read, of whom none is known yet.

    Args:
        states: the states of the streams that are to be swept, by name.
        members: the size of the roster.
        now: the current time.

    Raises:
        SettingError: the profiles do not tell who changed, or it is not known whether they do.
        TapError: the state cannot be read.
    """
    # Streams that the program lacks wait for the next sweep of all members.
    states = {
        name: entry for name, entry in states.items() if not files_seen.is_not_configured(entry)
    }
    if PROFILES not in states:
        raise SettingError(
            "sweep_members",
            f"`updated` needs the stream `{PROFILES}`, whose profiles tell who changed; select it, "
            f"or {SWEEP_ALL_ONCE} if the program lacked it",
        )
    check_none_begun(states, "updated")
    _check_swept(states)
    _check_proof(states)
    lag = timedelta(seconds=profile_dates.entry_of(states[PROFILES]).get("lag", 0))
    since = _oldest(states, "read_at", now) - lag - MARGIN
    return UpdatedMembers(members, now, since, _oldest(states, "all_at", now))


def _oldest(states: Mapping[str, Mapping[str, Any]], name: str, now: datetime) -> datetime:
    return min(_timestamp_of(stream, entry, name, now) for stream, entry in states.items())


def _timestamp_of(stream: str, state: Mapping[str, Any], name: str, now: datetime) -> datetime:
    try:
        timestamp = load_timestamp(profile_dates.entry_of(state)[name])
    except (AttributeError, TypeError, ValueError):
        timestamp = None
    if timestamp is None:
        raise TapError(
            f"The state cannot be read: the entry of `{stream}`; {SWEEP_ALL_ONCE}, which rewrites "
            "it"
        )
    if timestamp > now + MAX_CLOCK_SKEW:
        raise TapError(
            f"The state says that `{stream}` was read at {dump_timestamp(timestamp)}, which lies "
            f"in the future, so a clock is or was wrong; correct the clock, and {SWEEP_ALL_ONCE}"
        )
    return timestamp


def _check_swept(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that every stream has had a complete sweep of all members, and of the same ones.

    Raises:
        SettingError: one has not.
    """
    lacking = [name for name, entry in states.items() if not profile_dates.entry_of(entry)]
    if lacking:
        raise SettingError(
            "sweep_members",
            "`updated` is possible only after a complete sweep of all members, which "
            f"{quoted(lacking)} had not; {SWEEP_ALL_ONCE}, then with `updated` and the state of "
            "that run",
        )
    # The digest of `users` tells for all streams who is new.
    rosters = {name: profile_dates.entry_of(entry)["roster"] for name, entry in states.items()}
    others = [
        name
        for name, checksum in rosters.items()
        if checksum == MIXED_ROSTERS or checksum != rosters[PROFILES]
    ]
    if others:
        raise SettingError(
            "sweep_members",
            "`updated` is not possible, since not all streams were read with one and the same "
            f"roster ({quoted(others)}), so who is new is not known; {SWEEP_ALL_ONCE}",
        )


def _check_proof(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the profiles tell who changed.

    Raises:
        SettingError: they do not, or no sweep has compared any.
    """
    proof = profile_dates.entry_of(states[PROFILES])
    checked, contradicted = proof.get("checked", 0), proof.get("contradicted", 0)
    if contradicted:
        raise SettingError(
            "sweep_members",
            f"`updated` is not possible, since {contradicted:,} of {checked:,} profiles were older "
            "than the newest row of their member, so points do not always update them; use "
            "`sweep_members` all, or changed with the files of Data Push",
        )
    if not checked:
        raise SettingError(
            "sweep_members",
            "`updated` is not possible, since no sweep of all members has compared profiles with "
            f"rows; {SWEEP_ALL_ONCE} and `user_activity_history` or `redemptions` selected, or use "
            "`changed` with the files of Data Push",
        )

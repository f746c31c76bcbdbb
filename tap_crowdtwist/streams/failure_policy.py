"""What becomes of a sweep when members cannot be read: counted, owed, or the end of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, UnavailableError
from tap_crowdtwist.errors import IncompleteError, SettingError
from tap_crowdtwist.streams.member_request import RequestKind
from tap_crowdtwist.sync.stats import MAX_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from logging import Logger

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.members.missing_members import MissingMembers
    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.members.user_ids import UserIdLookup
    from tap_crowdtwist.state import SweepState
    from tap_crowdtwist.streams.member_request import MemberRequest, MemberResult
    from tap_crowdtwist.sync.stats import StreamStats

MAX_ALL_MISSING = 200
"""Members asked without finding a single one before the roster is taken for a wrong one."""

MIN_UNAVAILABLE = 25
"""Members in a row, from the first on, that lack a resource before the program is said to."""

MIN_MISSING_CHANGED = 10
"""Members who changed, and are not known, before the files are taken for another program's."""


class NothingReadError(IncompleteError):
    """A stream is given up before anything of it was read, so its state stays as it was."""


@dataclass(frozen=True)
class FailurePolicy:
    """Counts what comes of the requests of one sweep, and decides when to stop it.

    Attributes:
        stream: the stream's name.
        stats: its numbers.
        settings: what the user allows.
        roster: whom the requests are about.
        missing: members that CrowdTwist does not know, of all streams.
        user_ids: the numbers of members.
        room: returns how many characters the state has left for members that failed.
        logger: the stream's.
    """

    stream: str
    stats: StreamStats
    settings: Settings
    roster: Roster
    missing: MissingMembers
    user_ids: UserIdLookup
    room: Callable[[], int]
    logger: Logger

    def record_result(
        self, request: MemberRequest, result: MemberResult, sweep: SweepState
    ) -> None:
        """Count what came of an errand, and stop where going on makes no sense.

        Raises:
            SettingError: CrowdTwist knows none of the members asked for so far.
            IncompleteError: so many members failed one after the other that going on makes no
                sense.
        """
        stats, error = self.stats, result.error
        if request.kind is not RequestKind.REREAD:
            stats.asked += 1
            sweep.asked += 1
        if error is None:
            stats.failed_in_row = 0
            stats.deleted += result.deleted
            self.missing.record(request.position, missing=False)
        elif isinstance(error, MemberMissingError):
            self._count_missing(request, sweep)
        elif isinstance(error, NotConfiguredError):
            stats.failed_in_row = 0
            stats.not_configured += 1
            if stats.not_configured == 1:
                self.logger.warning("%s: %s (further ones not logged)", self.stream, error)
            if stats.not_configured == _known(sweep) >= MIN_UNAVAILABLE:
                stats.skip_reason = error.sentence
        else:
            self._fail(error, request, result.since, sweep)

    def _count_missing(self, request: MemberRequest, sweep: SweepState) -> None:
        if request.kind is not RequestKind.REREAD:
            self.stats.missing += 1
            sweep.missing += 1
        self.missing.record(request.position, missing=True)
        self.missing.expected = max(self.missing.expected, sweep.missing)
        everybody = sweep.missing == sweep.asked
        if everybody and sweep.asked >= MAX_ALL_MISSING and self.settings.max_missing_ratio < 1:
            self._wrong_roster(sweep)

    def _fail(
        self, error: ApiError, request: MemberRequest, since: datetime | None, sweep: SweepState
    ) -> None:
        """Note that a member is owed its rows.

        Members who were owed already do not count towards the failures in a row: if they fail for
        good, they would stop every sweep at the same place.
        """
        stats = self.stats
        stats.failed += 1
        stats.last_error = str(error)
        if len(stats.failed_positions) < MAX_SHOWN:
            stats.failed_positions.append(request.position)
        self.logger.debug("%s: a member failed: %s", self.stream, error)
        sweep.failed.add(self.roster.token(request.position), since, self.room)
        if request.kind is RequestKind.FAILED_BEFORE:
            return
        stats.failed_in_row += 1
        user_id = self.user_ids.known_id(request.position)
        if request.kind is RequestKind.REREAD:
            sweep.is_uncertain = True
        elif user_id and not sweep.is_new_member(user_id):
            sweep.failed_digest.add(user_id)
        if isinstance(error, UnavailableError) and request.kind is RequestKind.IN_ORDER:
            stats.unavailable += 1
            if stats.unavailable == stats.asked - stats.missing >= MIN_UNAVAILABLE:
                raise NothingReadError(
                    f"{self.stream}: {error}; deselect the stream, or have the permission given"
                )
        if stats.failed_in_row > self.settings.max_failed_members:
            raise IncompleteError(
                f"{self.stream}: {stats.failed_in_row} members in a row failed, more than "
                f"`max_failed_members` allows; the last one because: {error}"
            )

    def is_whole(self, sweep: SweepState) -> bool:
        """Return whether a sweep that came to its end counts as complete.

        Raises:
            SettingError: too many members are missing.
        """
        stats = self.stats
        few = (
            sweep.changed and sweep.missing < MIN_MISSING_CHANGED
        )  # of one who changed, one may be deleted
        if not few and sweep.missing > sweep.asked * self.settings.max_missing_ratio:
            self._wrong_roster(sweep)
        nobody = 0 < stats.not_configured == _known(sweep) and not stats.failed
        if stats.skip_reason or nobody:
            stats.skip_reason = stats.skip_reason or "no member has this resource"
            self.logger.warning("%s has no rows: %s", self.stream, stats.skip_reason)
            return False
        return True

    def _wrong_roster(self, sweep: SweepState) -> NoReturn:
        """Fail, and forget the sweep: its members have to be asked again when that is mended."""
        self.stats.wrong_roster = True
        if sweep.changed:
            raise SettingError(
                "data_push_path",
                f"CrowdTwist does not know {sweep.missing} of {sweep.asked} members asked for "
                f"{self.stream}, who appear in the files; check that these are of the program that "
                "`api_key` belongs to, or raise `max_missing_ratio` if so many are gone",
            )
        raise SettingError(
            "id_type",
            f"CrowdTwist does not know {sweep.missing} of {sweep.asked} members asked for "
            f"{self.stream} as {self.roster.id_type!r}; check it and the roster, or raise "
            "`max_missing_ratio` if so many are gone",
        )


def _known(sweep: SweepState) -> int:
    """Count the members asked about whom CrowdTwist knows."""
    return sweep.asked - sweep.missing

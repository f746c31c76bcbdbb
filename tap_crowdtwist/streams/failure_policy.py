"""The policy for members that cannot be read: count, list for the next run, or stop the sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, UnavailableError
from tap_crowdtwist.errors import IncompleteError, SettingError
from tap_crowdtwist.streams.member_request import RequestKind
from tap_crowdtwist.sync.stats import MAX_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from logging import Logger, LoggerAdapter

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.members.missing_members import MissingMembers
    from tap_crowdtwist.members.roster import Roster
    from tap_crowdtwist.members.user_ids import UserIdLookup
    from tap_crowdtwist.state import SweepState
    from tap_crowdtwist.streams.member_request import MemberRequest, MemberResult
    from tap_crowdtwist.sync.stats import StreamStats

MAX_ALL_MISSING = 200
"""Members after which the roster must be wrong, if CrowdTwist knows none of them."""

MIN_UNAVAILABLE = 25
"""Members after which the program must lack a resource, if all of them lack it."""

MIN_MISSING_CHANGED = 10
"""If only some members are swept, fewer missing ones than this prove nothing about the rest."""


@dataclass(frozen=True)
class FailurePolicy:
    """Counts the results of one sweep, and decides when to stop it.

    Attributes:
        stream: the stream's name.
        stats: its counts.
        settings: the limits that the user allows.
        roster: the members that are read.
        missing: members that CrowdTwist does not know, in any stream.
        user_ids: the numbers of members.
        characters_left: returns how many characters of the state are left for failed members.
        logger: the stream's.
    """

    stream: str
    stats: StreamStats
    settings: Settings
    roster: Roster
    missing: MissingMembers
    user_ids: UserIdLookup
    characters_left: Callable[[], int]
    logger: Logger | LoggerAdapter[Any]  # the latter from SDK 0.55 on

    def record_result(
        self, request: MemberRequest, result: MemberResult, sweep: SweepState
    ) -> None:
        """Count a result.

        Raises:
            SettingError: CrowdTwist knows none of the first `MAX_ALL_MISSING` members.
            IncompleteError: none of the first `MIN_UNAVAILABLE` members can be read, or more
                members in a row failed than `max_failed_members` allows.
        """
        stats, error = self.stats, result.error
        # A member that is read again in this run has been counted when its turn came.
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
            sweep.not_configured += 1
            if stats.not_configured == 1:
                self.logger.warning("%s: %s (further ones not logged)", self.stream, error)
            if sweep.is_lacked_by_all and sweep.not_configured >= MIN_UNAVAILABLE:
                stats.skip_reason = error.sentence
        else:
            self._list_as_failed(error, request, result.since, sweep)

    def _count_missing(self, request: MemberRequest, sweep: SweepState) -> None:
        if request.kind is not RequestKind.REREAD:
            self.stats.missing += 1
            sweep.missing += 1
        self.missing.record(request.position, missing=True)
        self.missing.expected = max(self.missing.expected, sweep.missing)
        if (
            sweep.are_all_missing
            and sweep.asked >= MAX_ALL_MISSING
            and self.settings.max_missing_ratio < 1
        ):
            self._raise_wrong_roster(sweep)

    def _list_as_failed(
        self, error: ApiError, request: MemberRequest, since: datetime | None, sweep: SweepState
    ) -> None:
        """List a member as failed, so that the next run retries it.

        Members that had failed before do not count as failures in a row: if they fail for good,
        they would stop every sweep at the same place.
        """
        stats = self.stats
        stats.failed += 1
        stats.last_error = str(error)
        if len(stats.failed_positions) < MAX_SHOWN:
            stats.failed_positions.append(request.position)
        self.logger.debug("%s: a member failed: %s", self.stream, error)
        sweep.failed.add(self.roster.token(request.position), since, self.characters_left)
        if request.kind is not RequestKind.REREAD:
            sweep.failures += 1
        user_id = self.user_ids.known_id(request.position)
        if request.kind is RequestKind.FAILED_BEFORE:
            if user_id and sweep.identifies:
                sweep.record_failed(user_id)
            return
        stats.failed_in_row += 1
        if request.kind is RequestKind.REREAD:
            sweep.is_uncertain = True
        elif user_id:
            sweep.record_failed(user_id)
        if isinstance(error, UnavailableError) and request.kind is RequestKind.IN_ORDER:
            stats.unavailable += 1
            if stats.unavailable == stats.asked - stats.missing >= MIN_UNAVAILABLE:
                raise IncompleteError(
                    f"{self.stream}: {error}; deselect the stream, or ask for the permission"
                )
        if stats.failed_in_row > self.settings.max_failed_members:
            raise IncompleteError(
                f"{self.stream}: {stats.failed_in_row} members in a row failed, more than "
                f"`max_failed_members` allows (last error: {error})"
            )

    def check_missing(self, sweep: SweepState) -> None:
        """Check that not too many members of a sweep that reached its end are missing.

        Raises:
            SettingError: too many are.
        """
        # If a single member changed and was deleted, all are missing; that proves nothing.
        are_too_few = sweep.is_partial and sweep.missing < MIN_MISSING_CHANGED
        if not are_too_few and sweep.missing > sweep.asked * self.settings.max_missing_ratio:
            self._raise_wrong_roster(sweep)

    def _raise_wrong_roster(self, sweep: SweepState) -> NoReturn:
        """Fail, and have the sweep forgotten: a corrected roster has to be read from the start."""
        self.stats.wrong_roster = True
        if sweep.members == "changed":
            raise SettingError(
                "data_push_path",
                f"CrowdTwist does not know {sweep.missing} of {sweep.asked} members asked for "
                f"{self.stream}, which appear in the files; check that the files are of the same "
                "program as `api_key`, or raise `max_missing_ratio` if so many are gone",
            )
        raise SettingError(
            "id_type",
            f"CrowdTwist does not know {sweep.missing} of {sweep.asked} members asked for "
            f"{self.stream} as {self.roster.id_type!r}; check it and the roster, or raise "
            "`max_missing_ratio` if so many are gone",
        )

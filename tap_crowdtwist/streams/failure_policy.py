"""What becomes of a sweep when members cannot be read: counted, owed, or the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError, UnavailableError
from tap_crowdtwist.errors import IncompleteError, SettingError
from tap_crowdtwist.streams.member_request import Turn
from tap_crowdtwist.sync.stats import SHOWN

if TYPE_CHECKING:
    from datetime import datetime

    from tap_crowdtwist.api.errors import ApiError
    from tap_crowdtwist.streams.member_request import Errand, Haul
    from tap_crowdtwist.streams.member_stream import MemberStream

CERTAIN = 200
"""Members asked without finding a single one before the roster is taken for a wrong one."""

UNCONFIGURED = 25
"""Members in a row, from the first on, that lack a resource before the program is said to."""

STRANGERS = 10
"""Members who changed, and are not known, before the files are taken for another program's."""


class NothingReadError(IncompleteError):
    """A stream is given up before anything of it was read, so its state stays as it was."""


def judge(stream: MemberStream, errand: Errand, haul: Haul, walk: state.Sweep) -> None:
    """Count what came of an errand, and stop where going on makes no sense.

    Raises:
        SettingError: CrowdTwist knows none of the members asked for so far.
        IncompleteError: so many members failed one after the other that going on makes no sense.
    """
    tally, settings = stream.run.tally(stream.name), stream.run.settings
    error = haul.error
    if errand.turn is not Turn.AGAIN:
        tally.asked += 1
        walk.asked += 1
    if error is None:
        tally.failed_in_row = 0
        tally.deleted += haul.deleted
        stream.run.missing.note(errand.position, missing=False)
    elif isinstance(error, MemberMissingError):
        if errand.turn is not Turn.AGAIN:
            tally.missing += 1
            walk.missing += 1
        stream.run.missing.note(errand.position, missing=True)
        stream.run.missing.expected = max(stream.run.missing.expected, walk.missing)
        if walk.missing == walk.asked >= CERTAIN and settings.max_missing_ratio < 1:
            _wrong_roster(stream, walk)
    elif isinstance(error, NotConfiguredError):
        tally.failed_in_row = 0
        tally.unconfigured += 1
        if tally.unconfigured == 1:
            stream.logger.warning("%s: %s (further ones not logged)", stream.name, error)
        if tally.unconfigured == _known(walk) >= UNCONFIGURED:
            tally.skipped = error.sentence
    else:
        _fail(stream, error, errand, haul.since, walk)


def _fail(
    stream: MemberStream,
    error: ApiError,
    errand: Errand,
    since: datetime | None,
    walk: state.Sweep,
) -> None:
    """Note that a member is owed its rows.

    Members who were owed already do not count towards the failures in a row: if they fail for
    good, they would stop every sweep at the same place.
    """
    tally, settings = stream.run.tally(stream.name), stream.run.settings
    tally.failed += 1
    tally.reason = str(error)
    if len(tally.failed_positions) < SHOWN:
        tally.failed_positions.append(errand.position)
    stream.logger.debug("%s: a member failed: %s", stream.name, error)
    state.failed(walk, stream.run.roster.token(errand.position), since, stream.room)
    if errand.turn is Turn.OWED:
        return
    tally.failed_in_row += 1
    user_id = stream.run.identities.known_id(errand.position)
    if errand.turn is Turn.AGAIN:
        walk.unsure = True
    elif user_id and not walk.is_joined(user_id):
        walk.fell.add(user_id)
    if isinstance(error, UnavailableError) and errand.turn is Turn.FIRST:
        tally.unavailable += 1
        if tally.unavailable == tally.asked - tally.missing >= UNCONFIGURED:
            raise NothingReadError(
                f"{stream.name}: {error}; deselect the stream, or have the permission given"
            )
    if tally.failed_in_row > settings.max_failed_members:
        raise IncompleteError(
            f"{stream.name}: {tally.failed_in_row} members in a row failed, more than "
            f"`max_failed_members` allows; the last one because: {error}"
        )


def _known(walk: state.Sweep) -> int:
    """Count the members asked about whom CrowdTwist knows."""
    return walk.asked - walk.missing


def judge_all(stream: MemberStream, walk: state.Sweep) -> bool:
    """Tell whether a sweep that came to its end counts as complete.

    Raises:
        SettingError: too many members are missing.
    """
    tally = stream.run.tally(stream.name)
    few = walk.changed and walk.missing < STRANGERS  # of one who changed, one may be deleted
    if not few and walk.missing > walk.asked * stream.run.settings.max_missing_ratio:
        _wrong_roster(stream, walk)
    if tally.skipped or (0 < tally.unconfigured == _known(walk) and not tally.failed):
        tally.skipped = tally.skipped or "no member has this resource"
        state.forget(stream.stream_state, walk)
        stream.logger.warning("%s has no rows: %s", stream.name, tally.skipped)
        return False
    return True


def _wrong_roster(stream: MemberStream, walk: state.Sweep) -> NoReturn:
    """Fail, and forget the sweep: its members have to be asked again when that is mended."""
    tally = stream.run.tally(stream.name)
    tally.wrong_roster = True
    if walk.changed:
        raise SettingError(
            "data_push_path",
            f"CrowdTwist does not know {walk.missing} of {walk.asked} members asked for "
            f"{stream.name}, who appear in the files; check that these are of the program that "
            "`api_key` belongs to, or raise `max_missing_ratio` if so many are gone",
        )
    raise SettingError(
        "id_type",
        f"CrowdTwist does not know {walk.missing} of {walk.asked} members asked for "
        f"{stream.name} as {stream.run.roster.id_type!r}; check it and the roster, or raise "
        "`max_missing_ratio` if so many are gone",
    )

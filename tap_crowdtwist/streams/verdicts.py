"""What becomes of a sweep when members cannot be read: counted, owed, or the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tap_crowdtwist import state
from tap_crowdtwist.api.errors import MemberMissingError, NotConfiguredError
from tap_crowdtwist.errors import IncompleteError, SettingError

if TYPE_CHECKING:
    from tap_crowdtwist.streams.errand import Errand, Haul
    from tap_crowdtwist.streams.swept import MemberStream

CERTAIN = 200
"""Members asked without finding a single one before the roster is taken for a wrong one."""

UNCONFIGURED = 25
"""Members in a row, from the first on, that lack a resource before the program is said to."""

DOUBTED = 1000
"""The same, where the answer may also be a passing fault."""

STRANGERS = 10
"""Members who changed, and are not known, before the files are taken for another program's."""

MAX_OWED = 1500
"""Bytes that the ids of failed members of one stream may take in the state."""


def judge(stream: MemberStream, errand: Errand, haul: Haul, walk: state.Sweep) -> bool:
    """Count what came of an errand, and stop where going on makes no sense.

    Returns:
        Whether the member is done with; if not, they are owed.

    Raises:
        SettingError: CrowdTwist knows none of the members asked for so far.
        IncompleteError: more members failed than are worth going on for.
    """
    tally, settings = stream.run.tally(stream.name), stream.run.settings
    tally.asked += 1
    walk.asked += 1
    error = haul.error
    if error is None:
        tally.deleted += haul.deleted
        return True
    if isinstance(error, MemberMissingError):
        tally.missing += 1
        walk.missing += 1
        if walk.missing == walk.asked >= CERTAIN and settings.max_missing_ratio < 1:
            _wrong_roster(stream, walk)
        return True
    if isinstance(error, NotConfiguredError) and _lacking(stream, error, errand, walk):
        return not error.doubtful
    tally.failed += 1
    tally.reason = str(error)
    stream.logger.debug("%s: a member failed: %s", stream.name, error)
    state.failed(walk, stream.run.roster.name(errand.position), errand.since)
    owed = sum(len(str(member).encode()) + 3 for member in walk.retry)
    if tally.failed > settings.max_failed_members or owed > MAX_OWED:
        raise IncompleteError(
            f"{stream.name}: {tally.failed} members failed, more than `max_failed_members` "
            f"allows; the last one because: {error}"
        )
    return False


def _lacking(
    stream: MemberStream, error: NotConfiguredError, errand: Errand, walk: state.Sweep
) -> bool:
    """Tell whether nobody had the resource so far, so that the program may well lack it.

    A member of whom only a doubtful answer came is owed until the sweep is through.
    """
    tally = stream.run.tally(stream.name)
    tally.unconfigured += 1
    if tally.unconfigured == 1:
        stream.logger.warning("%s: %s (said once)", stream.name, error)
    if not error.doubtful:
        if tally.unconfigured == _known(walk) >= UNCONFIGURED:
            tally.skipped = error.sentence
        return True
    if tally.unconfigured < _known(walk) or "replication_key_value" in stream.stream_state:
        return False
    member = stream.run.roster.name(errand.position)
    if member not in walk.retry:
        walk.doubted.add(member)
    state.failed(walk, member, errand.since)
    if _known(walk) >= DOUBTED:
        tally.skipped = error.sentence
    return True


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

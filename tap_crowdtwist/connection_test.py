"""The checks of `--test`: key, hosts, roster and each selected stream, in a few requests each.

Each check prints one line on standard output, in place of the records that the SDK's `--test`
writes. The line of a failed check says what to do about it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_crowdtwist.api.errors import (
    ApiError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
)
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.members.missing_members import check_path
from tap_crowdtwist.streams.file_stream import FileStream
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.streams.runs import SyncRuns
from tap_crowdtwist.sync import changed_members, signature_forms
from tap_crowdtwist.sync.run import roster_lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.streams import Stream

    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.streams.base import CrowdTwistStream
    from tap_crowdtwist.sync.run import SyncRun

SAMPLE_SIZE = 5
"""Members that are tried, spread over the roster."""

_ROSTERS = {
    (False, True): "{members:,} members to read",
    (False, False): "no member belongs to shard {shard}: check `shard`",
    (True, True): "{members:,} members in the newest files; `sweep_members` changed needs a "
    "complete run with all members before it",
    (True, False): "no member appears in the files: check `data_push_path` and `shard`",
}
"""Message about a roster, by whether it has only members that changed, and whether it has any."""

SAMPLE_PERIOD = timedelta(days=30)
"""Period that is read of streams that can be filtered by date, up to now."""

CONFORMANCE_HINT = (
    "`crowdtwist-conformance --config … --report FILE` checks in at most 300 requests whether "
    "CrowdTwist behaves as the tap assumes"
)
"""Logged after the checks."""


_MARKS = {
    (True, False): "ok  ",
    (True, True): "WARN",
    (False, False): "FAIL",
    (False, True): "FAIL",
}
"""First word of a line, by whether the check passed, and whether it warns."""


class Check(NamedTuple):
    """The outcome of one check: a line of the table.

    Attributes:
        error: the error that made it fail, if one did.
        is_warning: whether to print WARN instead of ok, if it passed.
    """

    name: str
    has_passed: bool
    message: str
    error: Exception | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        mark = _MARKS[self.has_passed, self.is_warning]
        return f"{mark}  {self.name:<24}  {self.message}"


class _Sample:
    """Members spread over the roster, and which of them CrowdTwist does not know."""

    def __init__(self, run: SyncRun) -> None:
        self._run = run
        self._missing: list[int] | None = None
        """Positions of members that CrowdTwist does not know; None until a stream has shown it."""

    @cached_property
    def positions(self) -> list[int]:
        """Positions in the roster, evenly spread from its first member to its last."""
        members = len(self._run.roster)
        if members <= SAMPLE_SIZE:
            return list(range(members))
        return [n * (members - 1) // (SAMPLE_SIZE - 1) for n in range(SAMPLE_SIZE)]

    def rows(self, stream: MemberStream) -> list[Row] | None:
        """Return the rows of the first member that CrowdTwist knows, or None if it knows none.

        The first stream reads every member of the sample, the others only one that it knows.
        """
        rows_by_member: Iterable[list[Row] | None]
        if self._missing is None:
            rows_by_position = {n: self._fetch(stream, n) for n in self.positions}
            # Only the stream that gets through the whole sample decides who is missing: one that
            # raises another error, for want of a permission say, leaves it to the next.
            self._missing = [n for n, rows in rows_by_position.items() if rows is None]
            rows_by_member = rows_by_position.values()
        else:
            known = [n for n in self.positions if n not in self._missing]
            rows_by_member = (self._fetch(stream, n) for n in known)
        return next((rows for rows in rows_by_member if rows is not None), None)

    def _fetch(self, stream: MemberStream, position: int) -> list[Row] | None:
        """Return the recent rows of a member, or None if CrowdTwist does not know the member."""
        now = self._run.now()
        try:
            return stream.fetch(position, now - SAMPLE_PERIOD, now)
        except MemberMissingError:
            return None

    def checks(self) -> Iterator[Check]:
        """Check the share of missing members as a run would, if any is missing."""
        if not self._missing:
            return
        run, tried = self._run, len(self.positions)
        has_passed = len(self._missing) <= tried * run.settings.max_missing_ratio
        places = roster_lines_of({run.roster[n] for n in self._missing}, run.settings)
        message = (
            f"{len(self._missing)} of {tried} members tried are not known to CrowdTwist as "
            f"{run.roster.id_type!r}: {', '.join(places) or 'they appear in the files'}; check "
            "`id_type` and the roster, or raise `max_missing_ratio` if so many are gone"
        )
        yield Check("members", has_passed=has_passed, message=message, is_warning=True)


def run_checks(run: SyncRun, streams: Iterable[Stream]) -> Iterator[Check]:
    """Yield the outcome of each check as soon as it is known.

    Args:
        run: the shared parts of the run.
        streams: all streams of the tap; the selected ones are checked.
    """
    selected: list[Any] = [
        stream for stream in streams if stream.selected and not isinstance(stream, SyncRuns)
    ]
    of_members = [stream for stream in selected if isinstance(stream, MemberStream)]
    if of_members:
        roster = _check_roster(run)
        yield roster
        if not roster.has_passed:
            selected = [stream for stream in selected if stream not in of_members]
    sample = _Sample(run)
    said: set[str] = set()
    rejects_signature = False
    for stream in selected:
        check = _check_stream(stream, sample)
        rejects_signature |= signature_forms.may_be_at_fault(check.error)
        yield _shorten(check, said)
    yield from sample.checks()
    if rejects_signature and run.settings.auth_method == "hmac":
        yield _check_signatures(run)


def _shorten(check: Check, said: set[str]) -> Check:
    """Say at length what to do only once: a wrong key, for example, fails every stream alike."""
    if not isinstance(check.error, FatalApiError):
        return check
    sentence = check.error.sentence
    if sentence not in said:
        said.add(sentence)
        return check
    facts = check.message.removeprefix(sentence)
    return check._replace(message=f"as above{facts}")


def use_newest_roster(run: SyncRun) -> None:
    """Take the members in the newest files as the roster, if `sweep_members` is changed.

    There need be no roster of all members then.
    """
    if run.settings.only_changed and run.feeds:
        run.roster = changed_members.newest_roster(run.feeds, run.settings)


def _check_roster(run: SyncRun) -> Check:
    try:
        check_path(run.settings.missing_members_path, run.settings.user_ids_path)
        use_newest_roster(run)
        members = len(run.roster)
    except TapError as error:
        return Check("roster", has_passed=False, message=str(error))
    if run.failures:  # files that are left out
        return Check("roster", has_passed=False, message=run.failures[0])
    sentence = _ROSTERS[run.settings.only_changed, members > 0]
    message = sentence.format(members=members, shard=run.roster.shard)
    if run.settings.only_updated:
        message += "; `sweep_members` updated needs a complete run with all members before it"
    return Check("roster", has_passed=members > 0, message=message)


def _check_stream(stream: CrowdTwistStream, sample: _Sample) -> Check:
    try:
        if isinstance(stream, FileStream):
            message = _try_file_stream(stream)
        elif isinstance(stream, MemberStream):
            message = _try_member_stream(stream, sample)
        else:
            message = _try_program_stream(stream)
    except NotConfiguredError as error:
        return Check(stream.name, has_passed=True, message=f"has no rows: {error}")
    except (ApiError, SettingError) as error:
        return Check(stream.name, has_passed=False, message=str(error), error=error)
    return Check(stream.name, has_passed=True, message=message)


def _check_signatures(run: SyncRun) -> Check:
    changes = signature_forms.find_accepted(run)
    message = (
        "rejected in every form: check that both keys belong to one client HMAC key (not a "
        "user HMAC key), `client_id`, `environment`, and the clock of this machine"
    )
    if changes:
        message = f"accepted in another form: set {changes}"
    return Check("signature", has_passed=False, message=message)


def _try_file_stream(stream: FileStream) -> str:
    files = stream.files(fail=_raise)
    if not files:
        return "no file of this feed was found"
    first = next(iter(stream.read(files[-1])), None)
    rows = "its first row can be read" if first else "it has no rows"
    return f"files: {len(files):,}, newest: {files[-1].name}; {rows}"


def _raise(error: SettingError) -> None:
    raise error


def _try_program_stream(stream: CrowdTwistStream) -> str:
    return f"{len(stream.run.client.rows(stream.endpoint)):,} rows"


def _try_member_stream(stream: MemberStream, sample: _Sample) -> str:
    rows = sample.rows(stream)
    if rows is not None:
        recent = f" of the last {SAMPLE_PERIOD.days} days" if stream.endpoint.dates else ""
        return f"{len(rows):,} rows{recent} for the first member known to CrowdTwist"
    run, tried = stream.run, len(sample.positions)
    who = f"None of the {tried} members tried is" if tried > 1 else "The only member is not"
    message = f"{who} known to CrowdTwist as {run.roster.id_type!r}: check `id_type` and the roster"
    if run.settings.max_missing_ratio < 1:
        raise MemberMissingError(message, endpoint=stream.endpoint.name)
    return f"not tried. {message}"

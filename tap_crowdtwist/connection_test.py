"""The checks of `--test`: key, hosts, roster and each selected stream, in a few requests each.

Each check prints one line on standard output, in place of the records that the SDK's `--test`
writes. The line of a failed check says what to do about it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tap_crowdtwist.api.auth import HMAC_DIGESTS, HMAC_TIMESTAMPS
from tap_crowdtwist.api.endpoints import ACTIVITIES, POINTS_AWAITING_FULFILLMENT, PURCHASES
from tap_crowdtwist.api.errors import (
    ApiError,
    FatalApiError,
    MemberMissingError,
    NotConfiguredError,
    UnavailableError,
)
from tap_crowdtwist.errors import SettingError, TapError
from tap_crowdtwist.members.missing_members import check_path
from tap_crowdtwist.streams.file_stream import FileStream
from tap_crowdtwist.streams.member_stream import MemberStream
from tap_crowdtwist.sync import changed_members
from tap_crowdtwist.sync.run import SyncRun, roster_lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.streams import Stream

    from tap_crowdtwist.config.settings import Settings
    from tap_crowdtwist.records.normalizer import Row
    from tap_crowdtwist.streams.base import CrowdTwistStream

SAMPLE_SIZE = 5
"""Members that are tried, spread over the roster."""

_POS_ENDPOINTS = frozenset({PURCHASES.name, POINTS_AWAITING_FULFILLMENT.name})

SAMPLE_PERIOD = timedelta(days=30)
"""Period that is read of streams that can be filtered by date, up to now."""

CONFORMANCE_HINT = (
    "`crowdtwist-conformance --config … --report FILE` checks in at most 300 requests whether "
    "CrowdTwist behaves as the tap assumes"
)
"""Logged after the checks."""


class Check(NamedTuple):
    """The outcome of one check: a line of the table.

    Attributes:
        error: the API's error that made it fail, if one did.
        is_warning: whether to print WARN instead of ok, if it passed.
    """

    name: str
    has_passed: bool
    message: str
    error: ApiError | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        mark = "WARN" if self.is_warning else "ok  "
        return f"{mark if self.has_passed else 'FAIL'}  {self.name:<24}  {self.message}"


class _Sample:
    """Members spread over the roster, and which of them CrowdTwist does not know."""

    def __init__(self, run: SyncRun) -> None:
        self._run = run
        self.positions = _spread_positions(len(run.roster))
        self.missing: list[int] | None = None
        """Positions of members that CrowdTwist does not know; None until a stream has shown it."""

    def rows(self, stream: MemberStream) -> list[Row] | None:
        """Return the rows of the first member that CrowdTwist knows, or None if it knows none.

        The first stream reads every member of the sample, the others only one that it knows.
        """
        now = self._run.now()
        rows_by_member: list[list[Row]] = []
        missing: list[int] = []
        for position in self.positions:
            try:
                rows_by_member.append(stream.fetch(position, now - SAMPLE_PERIOD, now))
            except MemberMissingError:
                missing.append(position)
                continue
            if self.missing is not None:
                break
        # Only the stream that gets through the whole sample decides who is missing: one that
        # raises another error, for want of a permission say, leaves it to the next.
        if self.missing is None:
            self.missing = missing
            self.positions = [p for p in self.positions if p not in missing] or self.positions
        return rows_by_member[0] if rows_by_member else None

    def check(self) -> Check | None:
        """Check the share of missing members as a run would; return None if none is missing."""
        if not self.missing:
            return None
        run, tried = self._run, len(_spread_positions(len(self._run.roster)))
        has_passed = len(self.missing) <= tried * run.settings.max_missing_ratio
        places = []
        if not run.settings.only_changed:
            places = roster_lines_of({run.roster[n] for n in self.missing}, run.settings)
        message = (
            f"{len(self.missing)} of {tried} members tried are not known to CrowdTwist as "
            f"{run.roster.id_type!r}: {', '.join(places) or 'they appear in the files'}; check "
            "`id_type` and the roster, or raise `max_missing_ratio` if so many are gone"
        )
        return Check("members", has_passed=has_passed, message=message, is_warning=True)


def _spread_positions(members: int) -> list[int]:
    """Return positions in a roster, evenly spread from its first member to its last."""
    if members <= SAMPLE_SIZE:
        return list(range(members))
    return [n * (members - 1) // (SAMPLE_SIZE - 1) for n in range(SAMPLE_SIZE)]


def run_checks(run: SyncRun, streams: Iterable[Stream]) -> Iterator[Check]:
    """Yield the outcome of each check as soon as it is known.

    Args:
        run: the shared parts of the run.
        streams: all streams of the tap; the selected ones are checked.
    """
    selected = [stream for stream in streams if stream.selected]
    if any(isinstance(stream, MemberStream) for stream in selected):
        roster = _check_roster(run)
        yield roster
        if not roster.has_passed:
            selected = [stream for stream in selected if not isinstance(stream, MemberStream)]
    sample: _Sample | None = None
    is_signature_rejected = False
    last_sentence = ""
    for stream in selected:
        if isinstance(stream, MemberStream) and sample is None:
            sample = _Sample(run)
        check = _check_stream(stream, sample)  # type: ignore[arg-type]  # every stream of the tap is one of ours
        error = check.error
        is_signature_rejected |= error is not None and _rejects_signature(error)
        # A wrong key, for example, fails every stream alike: say at length what to do only once.
        if isinstance(error, FatalApiError):
            if error.sentence == last_sentence:
                facts = check.message.removeprefix(last_sentence)
                check = check._replace(message=f"as above{facts}")
            last_sentence = error.sentence
        yield check
    if sample is not None and (members := sample.check()):
        yield members
    if is_signature_rejected and run.settings.auth_method == "hmac":
        yield _check_signatures(run)


def _check_roster(run: SyncRun) -> Check:
    try:
        check_path(run.settings.missing_members_path, run.settings.user_ids_path)
        if run.settings.only_changed and run.feeds is not None:
            if run.feeds.problems:
                raise run.feeds.problems[0]
            run.roster = changed_members.newest_roster(run.feeds, run.settings)
        members = len(run.roster)
    except TapError as error:
        return Check("roster", has_passed=False, message=str(error))
    if not members and run.settings.only_changed:
        message = "no member appears in the files: check `data_push_path` and `shard`"
        return Check("roster", has_passed=False, message=message)
    if run.settings.only_changed:
        message = (
            f"{members:,} members in the newest files; `sweep_members` changed needs a complete "
            "run with all members before it"
        )
        return Check("roster", has_passed=True, message=message)
    if members:
        return Check("roster", has_passed=True, message=f"{members:,} members to read")
    message = f"no member belongs to shard {run.roster.shard}: check `shard`"
    return Check("roster", has_passed=False, message=message)


def _check_stream(stream: CrowdTwistStream, sample: _Sample | None) -> Check:
    try:
        if isinstance(stream, FileStream):
            message = _try_file_stream(stream)
        elif isinstance(stream, MemberStream):
            assert sample is not None  # noqa: S101 - made before the first of them
            message = _try_member_stream(stream, sample)
        else:
            message = _try_program_stream(stream)
    except NotConfiguredError as error:
        return Check(stream.name, has_passed=True, message=f"has no rows: {error}")
    except ApiError as error:
        return Check(stream.name, has_passed=False, message=str(error), error=error)
    except SettingError as error:
        return Check(stream.name, has_passed=False, message=str(error))
    return Check(stream.name, has_passed=True, message=message)


def _rejects_signature(error: ApiError) -> bool:
    """Return whether an error may be due to the form of the signature.

    Only the main host takes one: requests to the POS host carry the key itself.
    """
    is_about_credentials = error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    is_about_credentials &= not isinstance(error, UnavailableError)
    is_main_host = error.endpoint not in _POS_ENDPOINTS
    return is_main_host and (is_about_credentials or error.code == "invalid_auth")


def accepted_signature(run: SyncRun) -> str:
    """Try the other forms of the signature, at most five requests.

    The vendor's pages contradict each other about the timestamp and the digest.

    Returns:
        Which settings to change to which values for a form that CrowdTwist accepts, or "" if it
        accepts none.
    """
    settings = run.settings
    for timestamp, digest in product(HMAC_TIMESTAMPS, HMAC_DIGESTS):
        other = replace(settings, hmac_timestamp=timestamp, hmac_digest=digest)
        if other == settings or not _is_accepted(run, other):
            continue
        new = {"hmac_timestamp": timestamp, "hmac_digest": digest}
        return " and ".join(
            f"`{name}` to {value}"
            for name, value in new.items()
            if value != getattr(settings, name)
        )
    return ""


def _check_signatures(run: SyncRun) -> Check:
    if changes := accepted_signature(run):
        message = f"accepted in another form: set {changes}"
    else:
        message = (
            "rejected in every form: check that both keys belong to one client HMAC key (not a "
            "user HMAC key), `client_id`, `environment`, and the clock of this machine"
        )
    return Check("signature", has_passed=False, message=message)


def _is_accepted(run: SyncRun, settings: Settings) -> bool:
    with closing(SyncRun(settings, run.user_agent, run.now, run.clock)) as other:
        try:
            other.client.get(ACTIVITIES)
        except (NotConfiguredError, UnavailableError):
            return True  # authenticated, though without the permission or the resource
        except ApiError:
            return False
    return True


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

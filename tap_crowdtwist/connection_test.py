"""`--test`: whether key, hosts, roster and each selected stream work, in a handful of requests.

One line per check on standard output, in place of the records that the SDK's `--test` writes, and
what to do about each that fails.
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
"""Members in the sample."""

_OF_POS = frozenset({PURCHASES.name, POINTS_AWAITING_FULFILLMENT.name})

SAMPLE_PERIOD = timedelta(days=30)
"""How far back streams that take dates are asked."""


CONFORMANCE_HINT = (
    "`crowdtwist-conformance --config … --report FILE` compares what the program does with "
    "what the tap assumes of it, in at most 300 requests"
)
"""Said at the end."""


class Check(NamedTuple):
    """One line of the table, and the API's error behind one that failed."""

    name: str
    works: bool
    said: str
    error: ApiError | None = None
    warns: bool = False

    def __str__(self) -> str:
        mark = "WARN" if self.warns else "ok  "
        return f"{mark if self.works else 'FAIL'}  {self.name:<24}  {self.said}"


class _Sample:
    """Members spread over the roster, and what the first stream that answers tells of them."""

    def __init__(self, run: SyncRun) -> None:
        self._run = run
        self.positions = spread(len(run.roster))
        self.missing: list[int] | None = None
        """Members who are not known; None as long as nobody tells."""

    def rows(self, stream: MemberStream) -> list[Row] | None:
        """Read the rows of the first member that is found, or None if nobody is.

        The first stream is asked about everybody in the sample, the others about those it found.
        """
        now = self._run.now()
        found: list[list[Row]] = []
        missing: list[int] = []
        for position in self.positions:
            try:
                found.append(stream.fetch(position, now - SAMPLE_PERIOD, now))
            except MemberMissingError:
                missing.append(position)
                continue
            if self.missing is not None:
                break
        if self.missing is None:
            self.missing = missing
            self.positions = [p for p in self.positions if p not in missing] or self.positions
        return found[0] if found else None

    def check(self) -> Check | None:
        """Judge the roster as a run would; None where nothing speaks against it."""
        if not self.missing:
            return None
        run, tried = self._run, len(spread(len(self._run.roster)))
        works = len(self.missing) <= tried * run.settings.max_missing_ratio
        places = []
        if not run.settings.only_changed:
            places = roster_lines_of({run.roster[n] for n in self.missing}, run.settings)
        said = (
            f"{len(self.missing)} of {tried} members tried are not known to CrowdTwist as "
            f"{run.roster.id_type!r}: {', '.join(places) or 'they appear in the files'}; check "
            "`id_type` and the roster, or raise `max_missing_ratio` if so many are gone"
        )
        return Check("members", works=works, said=said, warns=True)


def spread(members: int) -> list[int]:
    """Return positions in a roster, evenly spread from its first member to its last."""
    if members <= SAMPLE_SIZE:
        return list(range(members))
    return [n * (members - 1) // (SAMPLE_SIZE - 1) for n in range(SAMPLE_SIZE)]


def run_checks(run: SyncRun, streams: Iterable[Stream]) -> Iterator[Check]:
    """Yield the outcome of each check as soon as it is known.

    Args:
        run: what the streams share.
        streams: all of the tap; those that are selected are checked.
    """
    wanted = [stream for stream in streams if stream.selected]
    if any(isinstance(stream, MemberStream) for stream in wanted):
        roster = _roster(run)
        yield roster
        if not roster.works:
            wanted = [stream for stream in wanted if not isinstance(stream, MemberStream)]
    sample: _Sample | None = None
    refused = False
    said = ""
    for stream in wanted:
        if isinstance(stream, MemberStream) and sample is None:
            sample = _Sample(run)
        check = _stream(stream, sample)  # type: ignore[arg-type]  # every stream of the tap is one of ours
        error = check.error
        refused |= error is not None and _refuses_signature(error)
        if isinstance(error, FatalApiError):  # a wrong key, say, fails every stream alike
            if error.sentence == said:
                check = check._replace(said=f"as above{check.said.removeprefix(said)}")
            said = error.sentence
        yield check
    if sample is not None and (members := sample.check()):
        yield members
    if refused and run.settings.auth_method == "hmac":
        yield _other_signatures(run)


def _roster(run: SyncRun) -> Check:
    try:
        check_path(run.settings.missing_members_path, run.settings.user_ids_path)
        if run.settings.only_changed and run.feeds is not None:
            if run.feeds.problems:
                raise run.feeds.problems[0]
            run.roster = changed_members.newest_roster(run.feeds, run.settings)
        members = len(run.roster)
    except TapError as error:
        return Check("roster", works=False, said=str(error))
    if not members and run.settings.only_changed:
        said = "no member appears in the files: check `data_push_path` and `shard`"
        return Check("roster", works=False, said=said)
    if run.settings.only_changed:
        said = f"{members:,} members in the newest files; a run needs a full sweep before it"
        return Check("roster", works=True, said=said)
    if members:
        return Check("roster", works=True, said=f"{members:,} members to read")
    said = f"no member falls into part {run.roster.shard}: check `shard`"
    return Check("roster", works=False, said=said)


def _stream(stream: CrowdTwistStream, sample: _Sample | None) -> Check:
    try:
        if isinstance(stream, FileStream):
            said = _feed(stream)
        elif isinstance(stream, MemberStream):
            assert sample is not None  # noqa: S101 - made before the first of them
            said = _member(stream, sample)
        else:
            said = _program(stream)
    except NotConfiguredError as error:
        return Check(stream.name, works=True, said=f"no rows to be had: {error}")
    except ApiError as error:
        return Check(stream.name, works=False, said=str(error), error=error)
    except SettingError as error:
        return Check(stream.name, works=False, said=str(error))
    return Check(stream.name, works=True, said=said)


def _refuses_signature(error: ApiError) -> bool:
    """Return whether an answer of the main host is about who asks; the POS host takes the key."""
    of_credentials = error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    of_credentials &= not isinstance(error, UnavailableError)
    return error.endpoint not in _OF_POS and (of_credentials or error.code == "invalid_auth")


def accepted_signature(run: SyncRun) -> str:
    """Try the forms of a signature that are not set, which the vendor's pages leave open.

    Returns:
        What to set for a form that CrowdTwist accepts, or "" if it accepts none. At most five
        requests.
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


def _other_signatures(run: SyncRun) -> Check:
    if changes := accepted_signature(run):
        return Check("signature", works=False, said=f"accepted in another form: set {changes}")
    said = (
        "refused in every form: check that both keys are of one client HMAC key (a user HMAC key "
        "does not do), `client_id`, `environment`, and the clock of this machine"
    )
    return Check("signature", works=False, said=said)


def _is_accepted(run: SyncRun, settings: Settings) -> bool:
    with closing(SyncRun(settings, run.user_agent, run.now, run.clock)) as other:
        try:
            other.client.get(ACTIVITIES)
        except (NotConfiguredError, UnavailableError):
            return True  # who asks is known, and may not or cannot have it
        except ApiError:
            return False
    return True


def _feed(stream: FileStream) -> str:
    files = stream.files(fail=_refuse)
    if not files:
        return "no file of this feed is there yet"
    first = next(iter(stream.read(files[-1])), None)
    rows = "its first row can be read" if first else "it has no rows"
    return f"{len(files):,} there, the newest {files[-1].name}; {rows}"


def _refuse(error: SettingError) -> None:
    raise error


def _program(stream: CrowdTwistStream) -> str:
    return f"{len(stream.run.client.rows(stream.endpoint)):,} rows"


def _member(stream: MemberStream, sample: _Sample) -> str:
    rows = sample.rows(stream)
    if rows is not None:
        recent = f" of the last {SAMPLE_PERIOD.days} days" if stream.endpoint.dates else ""
        return f"{len(rows):,} rows{recent} for the first member that was found"
    run, tried = stream.run, len(sample.positions)
    who = f"None of the {tried} members tried is" if tried > 1 else "The only member is not"
    said = f"{who} known to CrowdTwist as {run.roster.id_type!r}: check `id_type` and the roster"
    if run.settings.max_missing_ratio < 1:
        raise MemberMissingError(said, endpoint=stream.endpoint.name)
    return f"not tried. {said}"

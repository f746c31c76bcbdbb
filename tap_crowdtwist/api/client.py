"""The API's client: one decoded payload, or all rows of one listing.

Every attempt passes the throttle; reading and decoding the body is inside the retry. What an
answer means is looked up in `errors`. Safe to share between threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import backoff
import msgspec

from tap_crowdtwist.api import dates, errors, listing, paging
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.errors import ExhaustedError, Verdict
from tap_crowdtwist.api.transport import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from requests.auth import AuthBase

    from tap_crowdtwist.api.endpoints import Endpoint
    from tap_crowdtwist.api.throttle import Throttle
    from tap_crowdtwist.api.transport import Transport

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds between two attempts at the most, and the most that a Retry-After is heeded times 60."""

_REFUSALS = 100
"""How often one request may be told to slow down before it counts as failed."""

_RAISES: dict[Verdict, type[errors.ApiError]] = {
    Verdict.MEMBER_MISSING: errors.MemberMissingError,
    Verdict.NOT_CONFIGURED: errors.NotConfiguredError,
    Verdict.FATAL: errors.FatalApiError,
}


T = TypeVar("T")


def in_turn(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Do one call after the other."""
    return [call() for call in calls]


_NO_ANSWER = "No answer from CrowdTwist: {}; check `{}`, or `environment` and `client_id`"
_ADDRESS = {Host.MAIN: "api_url", Host.POS: "pos_url"}
_NOT_DATA = "CrowdTwist answers with something that is not the data asked for"


@dataclass(frozen=True)
class _Outcome:
    """What came of one attempt; no verdict where it brought what was wanted."""

    verdict: Verdict | None
    sentence: str
    status: int | None = None
    code: str = ""
    wanted: Any = None
    pause: float | None = None
    doubtful: bool = False

    def error(self, kind: type[errors.ApiError], endpoint: Endpoint) -> errors.ApiError:
        error = kind(self.sentence, endpoint=endpoint.name, status=self.status, code=self.code)
        if isinstance(error, errors.NotConfiguredError):
            error.doubtful = self.doubtful
        return error


@dataclass
class Traffic:
    """What went over the wire so far.

    Attributes:
        requests: attempts by endpoint name, retries included.
        retried: attempts that were repetitions of a failed one.
        refused: answers that told to slow down.
    """

    requests: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    refused: int = 0


class Client:
    """Reads CrowdTwist.

    Args:
        urls: base URL of each host, without a trailing slash.
        auth: how requests to each host are authenticated.
        transport: sends the requests.
        throttle: paces them.
        max_retries: attempts after the first before a request counts as failed.
        gather: does several calls, side by side if it can, and returns their results in order.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        urls: Mapping[Host, str],
        auth: Mapping[Host, AuthBase],
        transport: Transport,
        throttle: Throttle,
        *,
        max_retries: int = 5,
        gather: Callable[[Sequence[Callable[[], Any]]], list[Any]] = in_turn,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._urls = urls
        self._auth = auth
        self._transport = transport
        self._throttle = throttle
        self._max_retries = max_retries
        self._gather = gather
        self._sleep = sleep
        self._lock = threading.Lock()
        self._ledger = listing.Ledger()
        self.traffic = Traffic()

    @property
    def waited(self) -> float:
        """Seconds that requests have waited for the rate limit, all workers together."""
        return self._throttle.waited

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def get(
        self,
        endpoint: Endpoint,
        member: int | str | None = None,
        params: dates.Params = (),
        accept: Callable[[Any], Any] = lambda payload: payload,
    ) -> Any:
        """Ask for one payload.

        Args:
            endpoint: the resource.
            member: the member's id, for resources of a member.
            params: query parameters beside the endpoint's own.
            accept: turns the payload into what is wanted, or None if it is not of that kind,
                which is then tried again like any other broken answer.

        Raises:
            MemberMissingError: there is no such member.
            NotConfiguredError: the program does not have the resource.
            FatalApiError: no request can succeed (credentials, redirects).
            ExhaustedError: every attempt failed.
        """
        url = self._url(endpoint, member, params)
        waits = _waits()
        attempts = refusals = 0
        while True:
            departed = self._throttle.acquire()
            self._count(endpoint, again=attempts + refusals > 0)
            outcome = self._attempt(endpoint, url, accept)
            if outcome.verdict is None:
                return outcome.wanted
            if outcome.verdict in _RAISES and (attempts or not outcome.doubtful):
                raise outcome.error(_RAISES[outcome.verdict], endpoint)
            if outcome.verdict is Verdict.SLOW_DOWN:
                refusals += 1
                self._refused(departed, outcome.pause)
            else:
                attempts += 1
            if attempts > self._max_retries or refusals > _REFUSALS:
                raise outcome.error(ExhaustedError, endpoint)
            if outcome.verdict is not Verdict.SLOW_DOWN:
                self._sleep(max(next(waits), outcome.pause or 0.0))

    def rows(
        self,
        endpoint: Endpoint,
        member: int | str | None = None,
        params: dates.Params = (),
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Read all rows of one listing, each once.

        Args:
            endpoint: the resource.
            member: the member's id, for resources of a member.
            params: query parameters beside the endpoint's own.
            since: rows dated earlier may be left out, where the endpoint can.
            until: rows dated later may be left out; now by default.

        Raises:
            ApiError: as `get` does.
        """
        until = until or datetime.now(timezone.utc)
        readings = [
            partial(
                listing.complete,
                partial(self._listing, endpoint, member, params + span),
                endpoint,
                self._ledger,
            )
            for span in dates.queries(endpoint.dates, since, until)
        ]
        return listing.union(self._several(readings), endpoint.key)

    def _several(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        return self._gather(calls) if len(calls) > 1 else in_turn(calls)

    def _listing(
        self, endpoint: Endpoint, member: int | str | None, params: dates.Params
    ) -> paging.Listing:
        if not endpoint.paged:
            page = self.get(endpoint, member, params, lambda body: _page(body, endpoint))
            return paging.Listing([page.rows], page.total)
        size = (("page_size", str(endpoint.page_size)),) if endpoint.page_size else ()

        def ask(parameter: str, number: int) -> paging.Page:
            numbered = (*params, (parameter, str(number)), *size)
            page: paging.Page = self.get(
                endpoint, member, numbered, lambda body: _page(body, endpoint)
            )
            return page

        return paging.follow(ask, self._several)

    def _attempt(self, endpoint: Endpoint, url: str, accept: Callable[[Any], Any]) -> _Outcome:
        try:
            answer = self._transport.get(url, self._auth[endpoint.host])
        except NoAnswerError as error:
            return _Outcome(Verdict.RETRY, _NO_ANSWER.format(error, _ADDRESS[endpoint.host]))
        try:
            payload = msgspec.json.decode(answer.body) if answer.body else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            payload = None
        fault = errors.fault_of(payload)
        if errors.is_fine(answer.status, fault):
            wanted = None if payload is None else accept(payload)
            if wanted is None:
                return _Outcome(Verdict.RETRY, _NOT_DATA, answer.status)
            return _Outcome(None, "", answer.status, wanted=wanted)
        code = fault.code if fault else ""
        known = code if payload is not None else errors.NOT_JSON
        rule = errors.judge(answer.status, known, of_member=endpoint.of_member)
        pause = retry_after(answer.headers.get("Retry-After"), datetime.now(timezone.utc))
        return _Outcome(
            rule.verdict, rule.sentence, answer.status, code, None, pause, rule.doubtful
        )

    def _url(self, endpoint: Endpoint, member: int | str | None, params: dates.Params) -> str:
        path = endpoint.path
        if member is not None:
            path = path.replace("{id}", quote(str(member), safe=""))
        query = urlencode(endpoint.params + params, quote_via=quote, safe="")
        return f"{self._urls[endpoint.host]}{path}{'?' if query else ''}{query}"

    def _count(self, endpoint: Endpoint, *, again: bool) -> None:
        with self._lock:
            self.traffic.requests[endpoint.name] += 1
            self.traffic.retried += again

    def _refused(self, departed: float, pause: float | None) -> None:
        with self._lock:
            self.traffic.refused += 1
        self._throttle.refused(departed, pause)


def _page(body: Any, endpoint: Endpoint) -> paging.Page | None:
    return paging.read(body, endpoint.envelope, endpoint.beside)


def _waits() -> Iterator[float]:
    """Yield seconds to wait before each further attempt: exponential, with full jitter."""
    steps = backoff.expo(base=2, factor=1, max_value=LONGEST_WAIT)
    next(steps)
    return (backoff.full_jitter(step) for step in steps)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date; clamped to an hour.

    Args:
        value: the header's value.
        now: the present, for dates.

    Returns:
        Seconds to wait, or None where the header is missing or unreadable.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            when = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        aware = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        seconds = (aware - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT * 60)

"""The API's client: one decoded payload, or all rows of one listing.

Every attempt passes the throttle; reading and decoding the body is inside the retry. What an
answer means is looked up in `errors`. Safe to share between threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tap_crowdtwist.api import date_filters, deduplication, responses
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.api.list_reader import ListReader, run_sequentially
from tap_crowdtwist.api.retry import RetryBudget
from tap_crowdtwist.api.transport import NoResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests.auth import AuthBase

    from tap_crowdtwist.api.endpoints import Endpoint, Host
    from tap_crowdtwist.api.rate_limiter import RateLimiter
    from tap_crowdtwist.api.transport import Transport

logger = logging.getLogger(__name__)

_LOGGED_PAUSE_SECONDS = 10.0
"""Seconds of an asked-for pause from which on it is logged."""

_TOO_LONG = "CrowdTwist asks to wait for more than 24 hours (Retry-After); run again later"


@dataclass
class RequestStats:
    """What went over the wire so far.

    Attributes:
        requests: attempts by endpoint name, retries included.
        retried: attempts that were repetitions of a failed one.
        refused: answers that told to slow down.
        mended: answers that were read although they were not valid JSON.
        answered: whether anything that was asked for has come.
    """

    requests: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    rate_limited: int = 0
    mended: int = 0
    answered: bool = False


class Client:
    """Reads CrowdTwist.

    Args:
        urls: base URL of each host, without a trailing slash.
        auth: how requests to each host are authenticated.
        transport: sends the requests.
        rate_limiter: paces them.
        max_retries: attempts after the first before a request counts as failed.
        run_concurrently: does several calls, at the same time if it can, and returns their
            results in order.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        urls: Mapping[Host, str],
        auth: Mapping[Host, AuthBase],
        transport: Transport,
        rate_limiter: RateLimiter,
        *,
        max_retries: int = 5,
        run_concurrently: Callable[[Sequence[Callable[[], Any]]], list[Any]] = run_sequentially,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._urls = urls
        self._auth = auth
        self._transport = transport
        self._rate_limiter = rate_limiter
        self._max_retries = max_retries
        self._sleep = sleep
        self._pause = (float("-inf"), "")
        self._lock = threading.Lock()
        self._checks = deduplication.ListingChecks()
        self._lists = ListReader(self.get, run_concurrently, self._checks)
        self.stats = RequestStats()

    @property
    def waited(self) -> float:
        """Seconds that requests have waited for the rate limit, all workers together."""
        return self._rate_limiter.waited

    @property
    def paused_until(self) -> str:
        """Until when CrowdTwist has asked everybody to pause; "" if it has not."""
        end, said = self._pause
        return said if self._rate_limiter.clock() < end else ""

    def is_proven(self, endpoint: Endpoint) -> bool:
        """Return whether every listing of a resource seems to have been read whole."""
        name = endpoint.name
        return name not in self._checks.unproven and not self._checks.seems_cut(name)

    def doubt_cut_lists(self) -> None:
        """Warn of resources without pages whose longest list stops at a round number of rows."""
        self._checks.doubt_cut_lists()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def get(
        self,
        endpoint: Endpoint,
        member: int | str | None = None,
        params: date_filters.Params = (),
        parse: Callable[[Any], Any] = lambda payload: payload,
        *,
        other_forms: bool = False,
    ) -> Any:
        """Ask for one payload.

        Args:
            endpoint: the resource.
            member: the member's id, for resources of a member.
            params: query parameters beside the endpoint's own.
            parse: turns the payload into what is wanted, or None if it is not of that kind,
                which is then tried again like any other broken answer. Gets None for a 204.
            other_forms: the request has other forms, so one that is rejected is not sent again.

        Raises:
            MemberMissingError: there is no such member.
            NotConfiguredError: the program does not have the resource.
            RejectedError: CrowdTwist rejected this request; others may succeed.
            FatalApiError: no request can succeed (credentials, certificates).
            ExhaustedError: every attempt failed, and tries or time are used up.
        """
        url = self._url(endpoint, member, params)
        retries: RetryBudget | None = None
        while True:
            departed = self._rate_limiter.acquire()
            began = self._rate_limiter.unpaused_time()
            self._count(endpoint, again=retries is not None)
            outcome = self._attempt(endpoint, url, parse)
            if outcome.action is None:
                self.stats.answered = True
                if outcome.defects:
                    self._mended(endpoint, outcome.defects)
                return outcome.wanted
            retries = retries or RetryBudget(self._max_retries, began)
            if outcome.is_final(retries.failures, other_forms=other_forms):
                raise outcome.error(endpoint)
            self._wait(endpoint, outcome, retries, departed)

    def rows(
        self,
        endpoint: Endpoint,
        member: int | str | None = None,
        params: date_filters.Params = (),
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
        return self._lists.read(
            endpoint, member, params, since, until or datetime.now(timezone.utc)
        )

    def _attempt(
        self, endpoint: Endpoint, url: str, parse: Callable[[Any], Any]
    ) -> responses.Outcome:
        try:
            response = self._transport.get(url, self._auth[endpoint.host])
        except NoResponseError as error:
            return responses.no_response(error, endpoint)
        return responses.read(response, endpoint, parse)

    def _url(
        self, endpoint: Endpoint, member: int | str | None, params: date_filters.Params
    ) -> str:
        path = endpoint.path
        if member is not None:
            path = path.replace("{id}", quote(str(member), safe=""))
        query = _query(endpoint.params + params)
        return f"{self._urls[endpoint.host]}{path}{'?' if query else ''}{query}"

    def _count(self, endpoint: Endpoint, *, again: bool) -> None:
        with self._lock:
            self.stats.requests[endpoint.name] += 1
            self.stats.retried += again

    def _mended(self, endpoint: Endpoint, defects: tuple[str, ...]) -> None:
        with self._lock:
            self.stats.mended += 1
        for defect in defects:
            sentence = f"an answer was not valid JSON ({defect}); it was read all the same"
            self._checks.warn_once(endpoint.name, f"{sentence} (further ones not logged)")

    def _wait(
        self, endpoint: Endpoint, outcome: responses.Outcome, retries: RetryBudget, departed: float
    ) -> None:
        """Wait until a request may be sent again.

        Raises:
            ApiError: it may not.
        """
        pause = outcome.pause or 0.0
        too_long = not retries.may_pause(pause)
        if outcome.action is ResponseAction.SLOW_DOWN:
            # One header that makes no sense must not hold up the others.
            self._rate_limited(departed, None if too_long else outcome.pause)
            wait = 0.0 if retries.record_rate_limit(self._rate_limiter.unpaused_time()) else None
        else:
            wait = retries.record_failure(self._rate_limiter.unpaused_time(), pause)
        if too_long:
            raise replace(outcome, sentence=_TOO_LONG).error(endpoint)
        if wait is None:
            raise outcome.error(endpoint)
        if outcome.action is ResponseAction.SLOW_DOWN:
            return  # the throttle holds it back, with all others
        said, facts = "%s. Trying again", [outcome.sentence]
        if pause >= _LOGGED_PAUSE_SECONDS:
            said += " at %s, as CrowdTwist asked (Retry-After)"
            facts.append(format_time_after(pause, datetime.now(timezone.utc)))
        self._checks.warn_once(endpoint.name, f"{said} (further ones not logged)", *facts)
        self._sleep(wait)

    def _rate_limited(self, departed: float, pause: float | None) -> None:
        with self._lock:
            self.stats.rate_limited += 1
        longer = self._rate_limiter.rate_limited(departed, pause)
        if pause is not None and longer >= _LOGGED_PAUSE_SECONDS:
            until = format_time_after(pause, datetime.now(timezone.utc))
            self._pause = (self._rate_limiter.clock() + pause, until)
            logger.warning("Paused until %s, as CrowdTwist asked (Retry-After)", until)


def format_time_after(seconds: float, now: datetime) -> str:
    """Spell a moment to come, with its date if that is not today's."""
    then = now + timedelta(seconds=seconds)
    return f"{then:%H:%M:%S} UTC" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M:%S} UTC"


@lru_cache(maxsize=256)
def _query(params: date_filters.Params) -> str:
    return urlencode(params, quote_via=quote, safe="")

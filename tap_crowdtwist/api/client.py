"""Client of the CrowdTwist read API: returns one payload, or all rows of one listing.

Every attempt passes the rate limiter. Reading and decoding the body are part of an attempt, so a
damaged body is retried. The table in `errors` decides how to react to a response.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tap_crowdtwist.api import date_filters, listing_checks, responses
from tap_crowdtwist.api.errors import ResponseAction
from tap_crowdtwist.api.list_reader import ListReader, run_sequentially
from tap_crowdtwist.api.request_stats import RequestStats
from tap_crowdtwist.api.retry import RetryBudget
from tap_crowdtwist.api.transport import NoResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests.auth import AuthBase
    from typing_extensions import Self

    from tap_crowdtwist.api.endpoints import Endpoint, Host
    from tap_crowdtwist.api.rate_limiter import RateLimiter
    from tap_crowdtwist.api.transport import Transport

logger = logging.getLogger(__name__)

_MIN_LOGGED_PAUSE_SECONDS = 10.0
"""Shortest pause asked for by CrowdTwist that is logged, in seconds."""

_PAUSE_TOO_LONG = "CrowdTwist asks to wait for more than 24 hours (Retry-After); run again later"


class Client:
    """Client of the CrowdTwist read API. Safe to share between threads.

    As a context manager it closes its connections at the end.

    Args:
        urls: base URL of each host, without a trailing slash.
        auth: authentication of the requests to each host.
        transport: sends the requests.
        rate_limiter: limits their rate.
        max_retries: attempts after the first before a request counts as failed.
        run_concurrently: runs several calls, at the same time if possible, and returns their
            results in order.
        sleep: waits for a number of seconds, between attempts.

    Attributes:
        stats: statistics of the requests sent so far.
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
        self._checks = listing_checks.ListingChecks()
        self._lists = ListReader(self.get, run_concurrently, self._checks)
        self.stats = RequestStats()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def waited(self) -> float:
        """Seconds that requests have waited for the rate limiter, all workers together."""
        return self._rate_limiter.waited

    @property
    def paused_until(self) -> str:
        """End of the pause that CrowdTwist has asked for, as text; "" if there is none now."""
        end, end_text = self._pause
        return end_text if self._rate_limiter.clock() < end else ""

    def is_proven(self, endpoint: Endpoint) -> bool:
        """Return whether all listings of a resource were read completely, as far as is known."""
        name = endpoint.name
        return name not in self._checks.unproven and not self._checks.seems_truncated(name)

    def warn_of_truncation(self) -> None:
        """Warn of unpaged resources whose longest list has a suspiciously round length."""
        self._checks.warn_of_truncation()

    def close(self) -> None:
        """Close every idle connection. A later request opens new ones."""
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
        """Request one payload, with retries.

        Args:
            endpoint: the resource.
            member: the member's id, for resources of a member.
            params: query parameters in addition to the endpoint's own.
            parse: converts the decoded payload into the value to return; returns None if the
                payload is not what was expected, which is retried. It is passed None for a 204.
            other_forms: whether the caller has other forms of this request to try; if so, a
                rejection that may be about its form is not retried.

        Returns:
            The value that `parse` returned; the payload itself by default.

        Raises:
            MemberMissingError: the member does not exist.
            NotConfiguredError: the program does not have the resource.
            UnavailableError: the key may not read the resource, or the program lacks it.
            RejectedError: CrowdTwist rejected this request; others may succeed.
            FatalApiError: no request can succeed (credentials, certificates).
            ExhaustedError: every attempt failed, and no retries or time are left.
        """
        url = self._url(endpoint, member, params)
        retries: RetryBudget | None = None
        while True:
            departed = self._rate_limiter.acquire()
            began = self._rate_limiter.unpaused_time()
            self._count(endpoint, member, is_retry=retries is not None)
            outcome = self._attempt(endpoint, url, parse)
            if outcome.action is None:
                self.stats.has_succeeded = True
                if outcome.defects:
                    self._report_defects(endpoint, outcome.defects)
                return outcome.value
            # Only a request that fails needs a budget; its time began with the first attempt.
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
            params: query parameters in addition to the endpoint's own.
            since: earliest date wanted, aware; used if the endpoint has a date filter. Earlier
                rows may still be returned.
            until: latest date wanted, aware; now by default. Later rows may still be returned.

        Returns:
            The rows. Of rows with the same key, the one that was read last is kept.

        Raises:
            ApiError: as for `get`.
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

    def _count(self, endpoint: Endpoint, member: int | str | None, *, is_retry: bool) -> None:
        with self._lock:
            self.stats.requests[endpoint.name] += 1
            self.stats.retried[endpoint.name] += is_retry
            if self.stats.by_member is not None:
                self.stats.by_member[endpoint.name, member] += 1

    def _report_defects(self, endpoint: Endpoint, defects: tuple[str, ...]) -> None:
        with self._lock:
            self.stats.mended += 1
        for defect in defects:
            sentence = f"a response was not valid JSON ({defect}) but could be read"
            self._checks.warn_once(endpoint.name, f"{sentence} (further ones not logged)")

    def _wait(
        self, endpoint: Endpoint, outcome: responses.Outcome, retries: RetryBudget, departed: float
    ) -> None:
        """Wait until a request may be retried.

        Args:
            endpoint: the resource.
            outcome: outcome of the last attempt.
            retries: the request's budget.
            departed: when the last attempt departed.

        Raises:
            ApiError: no attempt is left.
        """
        pause = outcome.pause or 0.0
        too_long = not retries.may_pause(pause)
        if outcome.action is ResponseAction.SLOW_DOWN:
            # An absurd Retry-After fails this request, but must not make all the others wait.
            self._rate_limited(endpoint, departed, None if too_long else outcome.pause)
            wait = 0.0 if retries.record_rate_limit(self._rate_limiter.unpaused_time()) else None
        else:
            wait = retries.record_failure(self._rate_limiter.unpaused_time(), pause)
        if too_long:
            raise replace(outcome, sentence=_PAUSE_TOO_LONG).error(endpoint)
        if wait is None:
            raise outcome.error(endpoint)
        if outcome.action is ResponseAction.SLOW_DOWN:
            return  # the rate limiter makes it wait, like every other request
        message, facts = "%s. Retrying", [outcome.sentence]
        if pause >= _MIN_LOGGED_PAUSE_SECONDS:
            message += " at %s, as CrowdTwist asked (Retry-After)"
            facts.append(format_time_after(pause, datetime.now(timezone.utc)))
        self._checks.warn_once(endpoint.name, f"{message} (further ones not logged)", *facts)
        self._sleep(wait)

    def _rate_limited(self, endpoint: Endpoint, departed: float, pause: float | None) -> None:
        with self._lock:
            self.stats.rate_limited[endpoint.name] += 1
        extension = self._rate_limiter.rate_limited(departed, pause)
        # Many workers receive the same pause; only one that extends it noticeably is logged.
        if pause is not None and extension >= _MIN_LOGGED_PAUSE_SECONDS:
            until = format_time_after(pause, datetime.now(timezone.utc))
            self._pause = (self._rate_limiter.clock() + pause, until)
            logger.warning("Paused until %s, as CrowdTwist asked (Retry-After)", until)


def format_time_after(seconds: float, now: datetime) -> str:
    """Format the time in a number of seconds from now, with its date if that is not today's."""
    time_after = now + timedelta(seconds=seconds)
    is_today = time_after.date() == now.date()
    return f"{time_after:%H:%M:%S} UTC" if is_today else f"{time_after:%Y-%m-%d %H:%M:%S} UTC"


@lru_cache(maxsize=256)
def _query(params: date_filters.Params) -> str:
    return urlencode(params, quote_via=quote, safe="")

"""The ASGI application of a host, which every request and every response passes."""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, NamedTuple

from crowdtwist_sandbox import auth, errors
from crowdtwist_sandbox.faults.connection import Connection
from crowdtwist_sandbox.hosts import main, pos
from crowdtwist_sandbox.hosts.call import Call
from crowdtwist_sandbox.hosts.deviating_responses import apply_deviations
from crowdtwist_sandbox.hosts.routes import Match, Routes
from crowdtwist_sandbox.http_exchange import Refusal, Request, Response, deliver
from crowdtwist_sandbox.limits import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.hosts.routes import Handler

CONTROL_PREFIX = "/_sandbox"
_log = logging.getLogger(__name__)


# The date changes once a second, in which there may be thousands of responses.
@lru_cache(maxsize=2)
def _http_date(timestamp: int) -> str:
    return formatdate(timestamp, usegmt=True)


class Host(NamedTuple):
    """A host: its name, its endpoints by template, and its check of credentials."""

    name: str
    handlers: Mapping[str, Handler]
    allows: Callable[[Request], bool]


class HostApp:
    """The application of one host.

    Reasons to reject a request are checked in this order: too many requests, not GET, not
    authenticated, not found, wrong parameters.
    """

    def __init__(self, engine: Engine, host: Host, control: ASGIApp | None = None) -> None:
        self._engine = engine
        self._name = host.name
        self._routes = Routes(host.handlers)
        self._allows = host.allows
        self._control = control
        self._latency = engine.options.latency_ms / 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._control is not None and scope["path"].startswith(CONTROL_PREFIX + "/"):
            await self._control(scope, receive, send)
            return
        request = Request(scope)
        match = self._routes.match(request.segments)
        faults = self._engine.faults
        # Number the request first: paging faults by number apply while the response is built.
        fault = faults.next_fault(request) if faults.on else None
        response = self._respond(request, match).with_headers(self._headers())
        if fault is not None:
            response = fault.change_response(response)
        request_line = (request.method, request.path, request.query)
        self._engine.request_log.record(self._name, match.template, request_line, response.status)
        if self._latency:
            await asyncio.sleep(self._latency)
        if fault is None:
            await deliver(request, response, send)
        else:
            await fault.deliver(response, Connection(scope, receive, send))

    def _respond(self, request: Request, match: Match) -> Response:
        rejection = self._reject(request)
        if rejection is not None:
            return rejection
        if match.handler is None:
            return errors.NOT_FOUND
        try:
            call = Call(self._engine, request, match.ident)
            return Response(200, apply_deviations(call, match.template, match.handler(call)))
        except Refusal as refusal:
            return refusal.response
        except Exception:  # noqa: BLE001 - a bug of the sandbox looks like one of CrowdTwist
            _log.exception("The sandbox itself failed at %s", match.template)
            return errors.FAILED

    def _headers(self) -> dict[str, str]:
        """Return the headers of every response; the date is the machine's, not the sandbox's."""
        deviations = self._engine.deviations
        timestamp = int(time()) + (3600 if "clock_an_hour_ahead" in deviations else 0)
        headers = {"date": _http_date(timestamp)}
        if "headers_of_limits" in deviations:
            headers |= {"x-ratelimit-limit": "10000", "x-ratelimit-remaining": "9000"}
        return headers

    def _reject(self, request: Request) -> Response | None:
        """Return the response to a request that is rejected before it reaches an endpoint."""
        bucket = self._engine.bucket
        if bucket is not None and (wait := bucket.take()):
            after = retry_after(self._engine.options.retry_after, wait)
            headers = None if after is None else {"retry-after": after}
            return errors.flat(429, "too_many_requests", "Too many requests.", headers)
        if request.method != "GET":
            return errors.NOT_GET
        return None if self._allows(request) else errors.NO_AUTH


def main_host(engine: Engine, control: ASGIApp) -> HostApp:
    """Build the main host, whose port also serves the control surface."""
    options = engine.options
    public, private = options.hmac_public_key, options.hmac_private_key

    def allows(request: Request) -> bool:
        if public and private:
            return auth.is_signed(
                request,
                public,
                private,
                unit=options.hmac_timestamp,
                digest=options.hmac_digest,
            )
        return auth.key_anywhere(request, options.api_key)

    return HostApp(engine, Host("api", main.HANDLERS, allows), control)


def pos_host(engine: Engine) -> HostApp:
    """Build the POS host, which accepts the key in the header only, never signed requests."""
    key = engine.options.api_key

    def allows(request: Request) -> bool:
        return auth.key_in_header(request, key)

    return HostApp(engine, Host("pos", pos.HANDLERS, allows))

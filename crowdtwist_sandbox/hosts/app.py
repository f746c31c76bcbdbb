"""The ASGI application of a host: every request comes in here, every response goes out here."""

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
from crowdtwist_sandbox.hosts.deviant import changed
from crowdtwist_sandbox.hosts.routes import Match, Routes
from crowdtwist_sandbox.http_exchange import Deliver, Refusal, Request, Response, deliver
from crowdtwist_sandbox.limits import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from crowdtwist_sandbox.engine import Engine
    from crowdtwist_sandbox.hosts.routes import Handler

CONTROL_PREFIX = "/_sandbox"
_log = logging.getLogger(__name__)


@lru_cache(maxsize=2)
def _http_date(moment: int) -> str:
    return formatdate(moment, usegmt=True)


class Host(NamedTuple):
    """What tells a host from another: its name, its endpoints, and whom it lets in."""

    name: str
    handlers: Mapping[str, Handler]
    allows: Callable[[Request], bool]


class HostApp:
    """One host. Order of refusals: too many, not GET, not allowed, not found, wrong parameters."""

    def __init__(
        self,
        engine: Engine,
        host: Host,
        *,
        control: ASGIApp | None = None,
        deliver: Deliver = deliver,
    ) -> None:
        self._engine = engine
        self._name = host.name
        self._routes = Routes(host.handlers)
        self._allows = host.allows
        self._control = control
        self._deliver = deliver
        self._latency = engine.options.latency_ms / 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._control is not None and scope["path"].startswith(CONTROL_PREFIX + "/"):
            await self._control(scope, receive, send)
            return
        request = Request(scope)
        match = self._routes.match(request.segments)
        faults = self._engine.faults
        strike = faults.strike(request) if faults.on else None
        answer = self._answer(request, match).also(self._headers())
        if strike is not None:
            answer = strike.spoil(answer)
        asked = (request.method, request.path, request.query)
        self._engine.ledger.record(self._name, match.template, asked, answer.status)
        if self._latency:
            await asyncio.sleep(self._latency)
        if strike is None:
            await self._deliver(request, answer, send)
        else:
            await strike.deliver(answer, Connection(scope, receive, send), self._deliver)

    def _answer(self, request: Request, match: Match) -> Response:
        turned_away = self._turn_away(request)
        if turned_away is not None:
            return turned_away
        if match.handler is None:
            return errors.NOT_FOUND
        try:
            call = Call(self._engine, request, match.ident)
            return Response(200, changed(call, match.template, match.handler(call)))
        except Refusal as refusal:
            return refusal.answer
        except Exception:  # noqa: BLE001 - a fault of ours is answered like one of theirs
            _log.exception("The sandbox itself failed at %s", match.template)
            return errors.FAILED

    def _headers(self) -> dict[str, str]:
        """Headers that every answer has; the date is that of the machine, not of the sandbox."""
        deviations = self._engine.deviations
        moment = int(time()) + (3600 if "clock_an_hour_ahead" in deviations else 0)
        headers = {"date": _http_date(moment)}
        if "headers_of_limits" in deviations:
            headers |= {"x-ratelimit-limit": "10000", "x-ratelimit-remaining": "9000"}
        return headers

    def _turn_away(self, request: Request) -> Response | None:
        """The answer to a request that no endpoint gets to see."""
        bucket = self._engine.bucket
        if bucket is not None and (wait := bucket.take()):
            after = retry_after(self._engine.options.retry_after, wait)
            headers = None if after is None else {"retry-after": after}
            return errors.flat(429, "too_many_requests", "Too many requests.", headers)
        if request.method != "GET":
            return errors.NOT_GET
        return None if self._allows(request) else errors.NO_AUTH


def main_host(engine: Engine, control: ASGIApp, deliver: Deliver = deliver) -> HostApp:
    """The main host; the control surface lives on its port."""
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

    return HostApp(engine, Host("api", main.HANDLERS, allows), control=control, deliver=deliver)


def pos_host(engine: Engine, deliver: Deliver = deliver) -> HostApp:
    """The POS host: it takes the key in the header only, signed requests or not."""
    key = engine.options.api_key

    def allows(request: Request) -> bool:
        return auth.key_in_header(request, key)

    return HostApp(engine, Host("pos", pos.HANDLERS, allows), deliver=deliver)

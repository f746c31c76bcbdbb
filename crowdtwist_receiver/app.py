"""What the receiver answers to whom."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from crowdtwist_receiver.body import Gone
from crowdtwist_receiver.events import events_of
from crowdtwist_receiver.feeds import PATHS, USERS, feed_of
from crowdtwist_receiver.responses import Answer, Refusal, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from crowdtwist_receiver.addresses import Addresses
    from crowdtwist_receiver.auth import Credentials
    from crowdtwist_receiver.body import Bodies
    from crowdtwist_receiver.events import Event
    from crowdtwist_receiver.hook import Hook
    from crowdtwist_receiver.journal import Journal
    from crowdtwist_receiver.stats import ReceiverStats

_STORED = answer(200, {})


class Receiver:
    """Takes events: asks who it is, reads, stores, and only then says yes.

    Args:
        addresses: where a request may come from.
        credentials: what a request must carry; None for nothing.
        bodies: reads bodies.
        journal: stores events.
        stats: counts.
        hook: knows third-party ids.
    """

    def __init__(
        self,
        addresses: Addresses,
        credentials: Credentials | None,
        bodies: Bodies,
        journal: Journal,
        stats: ReceiverStats,
        hook: Hook | None = None,
    ) -> None:
        self._addresses = addresses
        self._credentials = credentials
        self._bodies = bodies
        self._journal = journal
        self._stats = stats
        self._hook = hook

    async def take(self, feed: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request for one feed, or for whichever its events belong to."""
        headers = dict(scope["headers"])
        close = False
        reason = ""
        try:
            if not self._addresses.accept(scope):
                raise Refusal(403, "address not allowed")  # noqa: TRY301 - is an answer
            found = await self._handle(feed, headers, receive)
        except Refusal as refusal:
            found = refusal.answer
            reason = str(refusal)
            # Whoever asks whether to send the body at all may send it or not after a refusal.
            close = refusal.close or b"expect" in headers
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - says what it was, without what is in it
            found = answer(500, {"error": "internal error"})
            reason = f"internal error ({type(error).__name__})"
        self._stats.answered(found.status, reason)
        await found.send(send, close=close)

    async def _handle(
        self, feed: str | None, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Answer:
        credentials = self._credentials
        if credentials is not None and not credentials.accept(headers):
            raise Refusal(401, "unauthorized", www_authenticate=credentials.challenge)
        body = await self._bodies.read(headers, receive)
        try:
            events, mended = events_of(body)
        except ValueError as error:
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                encoded = Refusal(415, "no content encoding is taken", accept_encoding=b"identity")
                raise encoded from None
            raise Refusal(400, str(error)) from None
        if not events:
            return _STORED
        feeds = [feed or feed_of(event.members) for event in events]
        await self._store(feeds, events)
        if mended:
            self._stats.events["mended body"] += 1
        # The answer cannot say whose id it holds, so only a single profile is asked for.
        if self._hook is None or feeds != [USERS]:
            return _STORED
        found = await self._hook.ask(events[0].members)
        return _STORED if found is None else answer(200, {"third_party_id": found})

    async def _store(self, feeds: list[str], events: list[Event]) -> None:
        moment = datetime.now(timezone.utc).isoformat(timespec="microseconds")[: -len("+00:00")]
        hour = f"-{moment[:13].replace('-', '')}"
        before = b'{"received_at":"%sZ","event":' % moment.encode()
        await self._journal.store(
            [
                (feed + hour, b"%s%s}\n" % (before, event.text))
                for feed, event in zip(feeds, events, strict=True)
            ]
        )
        self._stats.events.update(feeds)

    def refuse(self, status: int) -> Answer:
        """Answer a request for what is not here, and count it."""
        reason = {404: "no such path", 405: "no such method here"}.get(status, "internal error")
        self._stats.answered(status, reason)
        return answer(status, {"error": reason})

    def health(self) -> Answer:
        """Say whether events are being stored, to anybody."""
        journal = self._journal
        last = journal.last_commit
        return answer(
            503 if journal.failing else 200,
            {
                "status": "failing" if journal.failing else "ok",
                "events_stored": journal.events,
                "seconds_since_commit": None if last is None else round(time.monotonic() - last, 3),
            },
        )


class _Live:
    """One place to post to."""

    def __init__(self, receiver: Receiver, feed: str | None) -> None:
        self._receiver = receiver
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._receiver.take(self._feed, scope, receive, send)


def receiver_app(receiver: Receiver) -> ASGIApp:
    """Lay out the receiver's paths."""

    async def health(_request: Request) -> Response:
        return _response(receiver.health())

    async def refuse(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _response(receiver.refuse(status))

    places = {**PATHS, "/live": None}
    routes = [Route(path, _Live(receiver, feed), methods=["POST"]) for path, feed in places.items()]
    app = Starlette(
        routes=[*routes, Route("/health", health)], exception_handlers={HTTPException: refuse}
    )
    app.router.redirect_slashes = False  # a redirected post is a lost one

    async def without_spare_slashes(scope: Scope, receive: Receive, send: Send) -> None:
        path = "/" + "/".join(filter(None, scope["path"].split("/")))
        await app({**scope, "path": path}, receive, send)

    return without_spare_slashes


def _response(found: Answer) -> Response:
    return Response(found.body, found.status, {k.decode(): v.decode() for k, v in found.headers})

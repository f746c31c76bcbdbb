"""ASGI application of the receiver: paths, and the steps from a request to its response."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from crowdtwist_receiver.body import ClientDisconnected
from crowdtwist_receiver.events import parse_events
from crowdtwist_receiver.feeds import PATHS, USERS, detect_feed
from crowdtwist_receiver.responses import JsonResponse, RequestRejected, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from crowdtwist_receiver.addresses import Addresses
    from crowdtwist_receiver.auth import Credentials
    from crowdtwist_receiver.body import BodyReader
    from crowdtwist_receiver.events import Event
    from crowdtwist_receiver.hook import Hook
    from crowdtwist_receiver.journal import Journal
    from crowdtwist_receiver.stats import ReceiverStats

_STORED = json_response(200, {})


class Receiver:
    """Handles requests: authenticates, reads, stores, and only then responds with 200.

    Args:
        addresses: client addresses that may post.
        credentials: credentials that a request must carry; None for no authentication.
        bodies: reads bodies.
        journal: stores events.
        stats: counts.
        hook: returns third-party ids.
    """

    def __init__(
        self,
        addresses: Addresses,
        credentials: Credentials | None,
        bodies: BodyReader,
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

    async def receive_events(
        self, feed: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Handle a post to the path of a feed, or of any feed if `feed` is None."""
        headers = dict(scope["headers"])
        close = False
        reason = ""
        try:
            if not self._addresses.accept(scope):
                raise RequestRejected(403, "address not allowed")  # noqa: TRY301 - a response
            response = await self._handle(feed, headers, receive)
        except RequestRejected as rejection:
            response = rejection.response
            reason = str(rejection)
            # After `Expect: 100-continue` the client may send the body or not. What follows on
            # the connection could then be either a body or the next request.
            close = rejection.close or b"expect" in headers
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 - its message may hold personal data
            response = json_response(500, {"error": "internal error"})
            reason = f"internal error ({type(error).__name__})"
        self._stats.count_response(response.status, reason)
        await response.send(send, close=close)

    async def _handle(
        self, feed: str | None, headers: Mapping[bytes, bytes], receive: Receive
    ) -> JsonResponse:
        credentials = self._credentials
        if credentials is not None and not credentials.accept(headers):
            raise RequestRejected(401, "unauthorized", www_authenticate=credentials.challenge)
        body = await self._bodies.read(headers, receive)
        try:
            events, is_repaired = parse_events(body)
        except ValueError as error:
            # Only now: a body that is plain JSON is accepted although its label says otherwise.
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise RequestRejected(
                    415, "content encodings are not supported", accept_encoding=b"identity"
                ) from None
            raise RequestRejected(400, str(error)) from None
        if not events:
            return _STORED
        feeds = [feed or detect_feed(event.properties) for event in events]
        await self._store(feeds, events)
        if is_repaired:
            self._stats.events["repaired body"] += 1
        # The response has one `third_party_id` and cannot say which member it belongs to, so the
        # hook is only called for a body with a single profile.
        if self._hook is None or feeds != [USERS]:
            return _STORED
        third_party_id = await self._hook.call(events[0].properties)
        if third_party_id is None:
            return _STORED
        return json_response(200, {"third_party_id": third_party_id})

    async def _store(self, feeds: list[str], events: list[Event]) -> None:
        received_at = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        received_at = received_at[: -len("+00:00")]
        hour = f"-{received_at[:13].replace('-', '')}"
        prefix = b'{"received_at":"%sZ","event":' % received_at.encode()
        # Lines are concatenated, not encoded, so that the event keeps the bytes that were sent.
        await self._journal.store(
            [
                (feed + hour, b"%s%s}\n" % (prefix, event.text))
                for feed, event in zip(feeds, events, strict=True)
            ]
        )
        self._stats.events.update(feeds)

    def reject(self, status: int) -> JsonResponse:
        """Build and count the response to an unknown path or a wrong method."""
        reason = {404: "no such path", 405: "method not allowed"}.get(status, "internal error")
        self._stats.count_response(status, reason)
        return json_response(status, {"error": reason})

    def health(self) -> JsonResponse:
        """Report whether events are being stored; needs no authentication."""
        journal = self._journal
        last = journal.last_commit
        return json_response(
            503 if journal.is_failing else 200,
            {
                "status": "failing" if journal.is_failing else "ok",
                "events_stored": journal.events,
                "seconds_since_commit": None if last is None else round(time.monotonic() - last, 3),
            },
        )


class _FeedEndpoint:
    """ASGI endpoint of one path. An object, since Starlette wraps functions in a `Request`."""

    def __init__(self, receiver: Receiver, feed: str | None) -> None:
        self._receiver = receiver
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._receiver.receive_events(self._feed, scope, receive, send)


def receiver_app(receiver: Receiver) -> ASGIApp:
    """Build the application with all paths of the receiver."""

    async def health(_request: Request) -> Response:
        return _to_starlette(receiver.health())

    async def reject(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _to_starlette(receiver.reject(status))

    routes = [
        Route(path, _FeedEndpoint(receiver, feed), methods=["POST"])
        for path, feed in {**PATHS, "/live": None}.items()
    ]
    app = Starlette(
        routes=[*routes, Route("/health", health)], exception_handlers={HTTPException: reject}
    )
    app.router.redirect_slashes = False  # clients may drop the body of a redirected post

    async def ignore_extra_slashes(scope: Scope, receive: Receive, send: Send) -> None:
        path = "/" + "/".join(filter(None, scope["path"].split("/")))
        await app({**scope, "path": path}, receive, send)

    return ignore_extra_slashes


def _to_starlette(response: JsonResponse) -> Response:
    headers = {name.decode(): value.decode() for name, value in response.headers}
    return Response(response.body, response.status, headers)

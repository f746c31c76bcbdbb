"""ASGI application of the receiver: paths, and the steps from a request to its response."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from crowdtwist_receiver.body import ClientDisconnected
from crowdtwist_receiver.events import parse_events
from crowdtwist_receiver.feeds import PATHS, USERS, detect_feed
from crowdtwist_receiver.responses import HttpResponse, RequestRejected, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from crowdtwist_receiver.addresses import Addresses
    from crowdtwist_receiver.auth import Credentials
    from crowdtwist_receiver.body import BodyReader
    from crowdtwist_receiver.events import Event, Events
    from crowdtwist_receiver.hook import Hook
    from crowdtwist_receiver.journal import Journal
    from crowdtwist_receiver.metrics import Metrics
    from crowdtwist_receiver.responses import Receive, Scope, Send
    from crowdtwist_receiver.stats import ReceiverStats

_HEALTH = "/health"
_METRICS = "/metrics"
_FEEDS: dict[str, str | None] = {**PATHS, "/live": None}
"""Feed of each path that takes events; None for any feed."""

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
        metrics: responds to `/metrics`; None if nobody may read it.
    """

    def __init__(
        self,
        addresses: Addresses,
        credentials: Credentials | None,
        bodies: BodyReader,
        journal: Journal,
        stats: ReceiverStats,
        hook: Hook | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._addresses = addresses
        self._credentials = credentials
        self._bodies = bodies
        self._journal = journal
        self._stats = stats
        self._hook = hook
        # What these respond is not counted: they are requested all the time.
        self._reports: dict[str, Callable[[Scope], HttpResponse]] = {_HEALTH: self._health}
        if metrics is not None:
            self._reports[_METRICS] = metrics.response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        # Clients may drop the body of a post that is redirected, so extra slashes are ignored.
        path = "/" + "/".join(filter(None, scope["path"].split("/")))
        if path in self._reports and scope["method"] in ("GET", "HEAD"):
            await self._reports[path](scope).send(send)
            return
        close = False
        reason = ""
        try:
            response = await self._handle(path, scope, receive)
        except RequestRejected as rejection:
            response = rejection.response
            reason = str(rejection)
            # After `Expect: 100-continue` the client may send the body or not. What follows on
            # the connection could then be either a body or the next request.
            close = rejection.close or any(name == b"expect" for name, _ in scope["headers"])
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 - its message may hold personal data
            response = json_response(500, {"error": "internal error"})
            reason = f"internal error ({type(error).__name__})"
        self._stats.count_response(response.status, reason)
        await response.send(send, close=close)

    async def _handle(self, path: str, scope: Scope, receive: Receive) -> HttpResponse:
        """Store the events of a post, and return the response.

        Raises:
            RequestRejected: the request has another response than 200.
            ClientDisconnected: the client has closed the connection.
        """
        if path not in _FEEDS and path not in self._reports:
            raise RequestRejected(404, "no such path")
        if path in self._reports or scope["method"] != "POST":
            raise RequestRejected(405, "method not allowed")
        if not self._addresses.accept(scope):
            raise RequestRejected(403, "address not allowed")
        headers: dict[bytes, bytes] = dict(scope["headers"])
        credentials = self._credentials
        if credentials is not None and not credentials.accept(headers):
            raise RequestRejected(401, "unauthorized", www_authenticate=credentials.challenge)
        body = await self._bodies.read(headers, receive)
        try:
            parsed = parse_events(body)
        except ValueError as error:
            # Only now: a body that is plain JSON is accepted although its label says otherwise.
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise RequestRejected(
                    415, "content encodings are not supported", accept_encoding=b"identity"
                ) from None
            raise RequestRejected(400, str(error)) from None
        return await self._take(_FEEDS[path], parsed)

    async def _take(self, feed: str | None, parsed: Events) -> HttpResponse:
        """Store the events of a body, and return the response to them."""
        events = parsed.events
        if not events:
            return _STORED
        feeds = [feed or detect_feed(event.properties) for event in events]
        await self._store(feeds, events)
        if parsed.is_repaired:
            self._stats.events["repaired body"] += 1
        # The response has one `third_party_id` and cannot say which member it belongs to, so the
        # hook is only called for a body with a single profile.
        third_party_id = None
        if self._hook is not None and feeds == [USERS]:
            third_party_id = await self._hook.call(events[0].properties)
        if third_party_id is None:
            return _STORED
        return json_response(200, {"third_party_id": third_party_id})

    async def _store(self, feeds: list[str], events: list[Event]) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        received_at = now.replace("+00:00", "Z")
        hour = received_at[: len("2026-11-20T10")].replace("-", "")
        prefix = b'{"received_at":"%s","event":' % received_at.encode()
        # Lines are concatenated, not encoded, so that the event keeps the bytes that were sent.
        await self._journal.store(
            [
                (f"{feed}-{hour}", b"%s%s}\n" % (prefix, event.text))
                for feed, event in zip(feeds, events, strict=True)
            ]
        )
        self._stats.events.update(feeds)

    def _health(self, _: Scope) -> HttpResponse:
        """Report whether events are being stored; needs no authentication."""
        journal = self._journal
        last = journal.last_commit
        code, status = (503, "failing") if journal.is_failing else (200, "ok")
        return json_response(
            code,
            {
                "status": status,
                "events_stored": journal.events,
                "seconds_since_commit": None if last is None else round(time.monotonic() - last, 3),
            },
        )

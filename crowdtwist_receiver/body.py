"""Request bodies, limited in size, time and number.

The Content-Type is ignored: a wrong label must not cost an event, and the body is parsed as strict
JSON anyway.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from crowdtwist_receiver.responses import RequestRejected, RetryLater

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crowdtwist_receiver.responses import Receive

_SHUTDOWN_GRACE_SECONDS = 1
"""Time for incomplete bodies to arrive after a stop was requested."""


class ClientDisconnected(Exception):  # noqa: N818 - an outcome, not an error
    """The client disconnected before its body was complete."""


class BodyReader:
    """Reads a limited number of bodies at a time.

    Args:
        max_bytes: maximum size of a body.
        timeout: seconds until a body must be complete.
        max_incomplete: bodies that may be incomplete at the same time.
    """

    def __init__(self, *, max_bytes: int, timeout: float, max_incomplete: int) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._max_incomplete = max_incomplete
        self._reading: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read the body of a request.

        Raises:
            RequestRejected: the body is too large or too slow, or there are too many.
            ClientDisconnected: the client has closed the connection.
        """
        self._check_acceptable(headers)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        # A timer and not `asyncio.wait_for` or `anyio.fail_after`, which take four to six times as
        # long. `asyncio.timeout` needs Python 3.11.
        timer = asyncio.get_running_loop().call_later(self._timeout, task.cancel)
        self._reading.add(task)
        try:
            return await self._receive_all(receive)
        except asyncio.CancelledError:
            if self._stopping:
                raise RetryLater("shutting down", close=True) from None
            raise RequestRejected(408, "the body was not received in time", close=True) from None
        finally:
            timer.cancel()
            self._reading.remove(task)

    def stop(self) -> None:
        """Reject new bodies, and allow one more second for incomplete ones."""
        self._stopping = True
        asyncio.get_running_loop().call_later(_SHUTDOWN_GRACE_SECONDS, self._cancel_all)

    def _cancel_all(self) -> None:
        for task in self._reading:
            task.cancel()

    def _check_acceptable(self, headers: Mapping[bytes, bytes]) -> None:
        if int(headers.get(b"content-length", b"0")) > self._max_bytes:
            raise self._too_large()
        if self._stopping:
            raise RetryLater("shutting down", close=True)
        if len(self._reading) >= self._max_incomplete:
            raise RetryLater("too many incomplete bodies", seconds=1)

    async def _receive_all(self, receive: Receive) -> bytes:
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk: bytes = message["body"]
            more = message["more_body"]
            # Checked again, because a chunked body has no Content-Length.
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> RequestRejected:
        return RequestRejected(413, f"the body is larger than {self._max_bytes} bytes")

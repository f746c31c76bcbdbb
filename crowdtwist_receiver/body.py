"""The body of a request: not too large, and there in time.

What its Content-Type says is not asked: an event would be lost for a wrong label, and JSON is read
strictly anyway.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from crowdtwist_receiver.responses import Later, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

_GRACE = 1
"""Seconds for incomplete bodies when the receiver stops."""


class Gone(Exception):  # noqa: N818 - an end, not an error
    """The client has gone before its body was complete."""


class Bodies:
    """Reads bodies, some at a time; `sweep` has to be called now and then.

    Args:
        largest: bytes that a body may have.
        seconds: that a body may take.
        at_once: how many may be incomplete.
    """

    def __init__(self, *, largest: int, seconds: float, at_once: int) -> None:
        self._largest = largest
        self._seconds = seconds
        self._at_once = at_once
        self._ends: dict[asyncio.Task[None], float] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read the body of a request.

        Raises:
            Refusal: it is not to be had.
            Gone: nobody waits for an answer.
        """
        self._check(headers)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self._ends[task] = asyncio.get_running_loop().time() + self._seconds
        try:
            return await self._whole(receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            if self._stopping:
                raise Later("stopping", close=True) from None
            raise Refusal(408, "the body took too long", close=True) from None
        finally:
            del self._ends[task]
            self._late.discard(task)

    def sweep(self) -> None:
        """End the wait for bodies whose time is over."""
        now = asyncio.get_running_loop().time()
        for task, end in self._ends.items():
            if end <= now and task not in self._late:
                self._late.add(task)
                task.cancel()

    def stop(self) -> None:
        """Begin no further body, and give those that are incomplete another second."""
        self._stopping = True
        end = asyncio.get_running_loop().time() + _GRACE
        for task in self._ends:
            self._ends[task] = min(self._ends[task], end)

    def _check(self, headers: Mapping[bytes, bytes]) -> None:
        if int(headers.get(b"content-length", b"0")) > self._largest:
            raise self._too_large()
        if self._stopping:
            raise Later("stopping", close=True)
        if len(self._ends) >= self._at_once:
            raise Later("too many bodies at a time", seconds=1)

    async def _whole(self, receive: Receive) -> bytes:
        chunks, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            chunk: bytes = message["body"]
            more = message["more_body"]
            size += len(chunk)
            if size > self._largest:
                raise self._too_large()
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body has more than {self._largest} bytes")

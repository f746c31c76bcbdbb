"""Faults in the way an answer gets to the client: late, slowly, in part, or not at all.

Each function sends the right answer in its wrong way. All of them pass if the client asks again.
The body is sent uncompressed where nothing else is said.
"""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from crowdtwist_sandbox.http_exchange import GZIP_WINDOW, deliver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from crowdtwist_sandbox.faults.connection import Connection
    from crowdtwist_sandbox.faults.fault import Fault
    from crowdtwist_sandbox.http_exchange import Response

    Delivery: TypeAlias = Callable[[Response, Fault, Connection], Awaitable[None]]

_DROPS = 50
_MEGABYTE = 1 << 20
_GZIP = (b"content-encoding", b"gzip")


def _length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def _half(answer: Response) -> bytes:
    return answer.body[: len(answer.body) // 2]


async def late(answer: Response, hit: Fault, line: Connection) -> None:
    """The right answer after a silence of some seconds (parameter); recovers by asking again."""
    if await line.lasts(hit.amount):
        await deliver(hit.request, answer, line.send)


async def refused(_answer: Response, _hit: Fault, line: Connection) -> None:
    """The connection is closed before any byte; recovers by asking again, over a new one.

    The port itself stays open, since a request has to come in to be numbered: a client sees a
    remote end that closed without response, not ECONNREFUSED.
    """
    await line.hang_up()


async def reset_before(_answer: Response, _hit: Fault, line: Connection) -> None:
    """The connection is reset (RST) before any byte; recovers by asking again."""
    await line.reset()


async def reset_after(answer: Response, _hit: Fault, line: Connection) -> None:
    """The connection is reset (RST) after the headers; recovers by asking again."""
    await line.start(answer, _length(len(answer.body)))
    await line.reset()


async def body_cut(answer: Response, _hit: Fault, line: Connection) -> None:
    """Half of the body that Content-Length announces, then a close; recovers by asking again."""
    await line.start(answer, _length(len(answer.body)))
    await line.part(_half(answer))
    await line.hang_up()


async def wrong_length(answer: Response, _hit: Fault, line: Connection) -> None:
    """Content-Length is half the body that follows; recovers by asking again over a new connection.

    The JSON is cut, and the rest belongs to no answer, on a connection that stays open.
    """
    half = _half(answer)
    await line.start(answer, _length(len(half)))
    await line.part(half)
    line.write(answer.body[len(half) :])
    await line.end()


async def gzip_garbage(answer: Response, _hit: Fault, line: Connection) -> None:
    """Content-Encoding gzip over bytes that are none; recovers by asking again."""
    await line.start(answer, _GZIP, _length(len(answer.body)))
    await line.end(answer.body)


async def gzip_cut(answer: Response, _hit: Fault, line: Connection) -> None:
    """Half of a gzip stream, its length right; recovers by asking again, if noticed.

    Decoders tend to hand over what there is without a word.
    """
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
    packed = packer.compress(answer.body) + packer.flush()
    packed = packed[: len(packed) // 2]
    await line.start(answer, _GZIP, _length(len(packed)))
    await line.end(packed)


async def chunks_cut(answer: Response, _hit: Fault, line: Connection) -> None:
    """Chunked, closed after the first chunk without the last; recovers by asking again."""
    await line.start(answer, (b"transfer-encoding", b"chunked"))
    await line.part(_half(answer))
    await line.hang_up()


async def drip(answer: Response, hit: Fault, line: Connection) -> None:
    """The right answer in 50 drops over some seconds (parameter); recovers by asking again.

    Each drop comes so soon after the other that only a limit for the whole answer helps.
    """
    await line.start(answer, _length(len(answer.body)))
    step = -(-len(answer.body) // _DROPS)
    for start in range(0, len(answer.body), step):
        if not await line.lasts(hit.amount / _DROPS):
            return
        await line.part(answer.body[start : start + step])
    await line.end()


async def bomb(answer: Response, hit: Fault, line: Connection) -> None:
    """The right answer after megabytes of blanks (parameter); recovers by asking again.

    Gzip makes it a thousandth of that on the wire, so the client has to limit what it unpacks.
    """
    blanks, packer = await asyncio.to_thread(_blanks, hit.amount)
    packer = packer.copy()
    packed = blanks + packer.compress(answer.body) + packer.flush()
    await line.start(answer, _GZIP, _length(len(packed)))
    await line.end(packed)


@lru_cache(maxsize=1)
def _blanks(megabytes: float) -> tuple[bytes, zlib._Compress]:
    """Packed blanks, and the packer to go on with a copy of."""
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
    blank = b" " * _MEGABYTE
    whole, rest = divmod(int(megabytes * _MEGABYTE), _MEGABYTE)
    packed = [packer.compress(blank) for _ in range(whole)]
    packed.append(packer.compress(blank[:rest]))
    return b"".join(packed), packer


TRANSIENT: tuple[Delivery, ...] = (
    late,
    refused,
    reset_before,
    reset_after,
    body_cut,
    wrong_length,
    gzip_garbage,
    gzip_cut,
    chunks_cut,
    drip,
    bomb,
)
"""These faults, all of one kind."""

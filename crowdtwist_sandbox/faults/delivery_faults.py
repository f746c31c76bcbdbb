"""Faults in how a response is delivered: late, slowly, in part, or not at all.

Each function sends the correct response in a wrong way. A retry helps against all of them. The body
is uncompressed unless the docstring mentions gzip. As in `response_faults`, the function's name is
the fault's name, and its docstring the fault's description.
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

_DRIP_PIECES = 50
_MEGABYTE = 1 << 20
_GZIP = (b"content-encoding", b"gzip")


def _length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def _half(response: Response) -> bytes:
    return response.body[: len(response.body) // 2]


async def late(response: Response, fault: Fault, connection: Connection) -> None:
    """The correct response after some seconds of silence (parameter); recovers by a retry."""
    if await connection.wait_connected(fault.amount):
        await deliver(fault.request, response, connection.send)


async def refused(_response: Response, _fault: Fault, connection: Connection) -> None:
    """The connection is closed before any byte; recovers by a retry on a new one.

    The port itself stays open, since a request has to come in to be numbered: a client sees a
    remote end that closed without response, not ECONNREFUSED.
    """
    await connection.hang_up()


async def reset_before(_response: Response, _fault: Fault, connection: Connection) -> None:
    """The connection is reset (RST) before any byte; recovers by a retry."""
    await connection.reset()


async def reset_after(response: Response, _fault: Fault, connection: Connection) -> None:
    """The connection is reset (RST) after the headers; recovers by a retry."""
    await connection.start(response, _length(len(response.body)))
    await connection.reset()


async def body_cut(response: Response, _fault: Fault, connection: Connection) -> None:
    """Half of the body that Content-Length announces, then a close; recovers by a retry."""
    await connection.start(response, _length(len(response.body)))
    await connection.part(_half(response))
    await connection.hang_up()


async def wrong_length(response: Response, _fault: Fault, connection: Connection) -> None:
    """Content-Length is half the body that follows; recovers by a retry on a new connection.

    The JSON is cut, and its rest is sent on a connection that stays open, as part of no response.
    """
    half = _half(response)
    # For the server, the response ends after the announced length, so the connection stays usable;
    # the rest goes past it, straight to the socket.
    await connection.start(response, _length(len(half)))
    await connection.part(half)
    connection.write(response.body[len(half) :])
    await connection.end()


async def gzip_garbage(response: Response, _fault: Fault, connection: Connection) -> None:
    """Content-Encoding gzip on bytes that are not gzip; recovers by a retry."""
    await connection.start(response, _GZIP, _length(len(response.body)))
    await connection.end(response.body)


async def gzip_cut(response: Response, _fault: Fault, connection: Connection) -> None:
    """Half of a gzip stream, with a matching length; recovers by a retry, if noticed.

    Decoders tend to return the partial data without an error.
    """
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
    packed = packer.compress(response.body) + packer.flush()
    packed = packed[: len(packed) // 2]
    await connection.start(response, _GZIP, _length(len(packed)))
    await connection.end(packed)


async def chunks_cut(response: Response, _fault: Fault, connection: Connection) -> None:
    """Chunked, closed after the first chunk; recovers by a retry."""
    await connection.start(response, (b"transfer-encoding", b"chunked"))
    await connection.part(_half(response))
    await connection.hang_up()


async def drip(response: Response, fault: Fault, connection: Connection) -> None:
    """The correct response in 50 pieces over some seconds (parameter); recovers by a retry.

    The pieces follow each other so fast that only a deadline for the whole response helps.
    """
    await connection.start(response, _length(len(response.body)))
    step = -(-len(response.body) // _DRIP_PIECES)  # rounded up
    for start in range(0, len(response.body), step):
        if not await connection.wait_connected(fault.amount / _DRIP_PIECES):
            return  # the client is gone
        await connection.part(response.body[start : start + step])
    await connection.end()


async def bomb(response: Response, fault: Fault, connection: Connection) -> None:
    """The correct response after megabytes of blanks (parameter); recovers by a retry.

    Gzip reduces it to a thousandth, so the client has to limit the decompressed size.
    """
    # Leading blanks are valid JSON. Their compressed form is cached with the state of the
    # compressor, so that each response only adds its own body to a copy.
    blanks, packer = await asyncio.to_thread(_blanks, fault.amount)
    packer = packer.copy()
    packed = blanks + packer.compress(response.body) + packer.flush()
    await connection.start(response, _GZIP, _length(len(packed)))
    await connection.end(packed)


@lru_cache(maxsize=1)
def _blanks(megabytes: float) -> tuple[bytes, zlib._Compress]:
    """Return compressed blanks, and the compressor in the state after them."""
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
"""The faults of this module; all are transient."""

"""The connections under the transport: TLS 1.2 or later, and an end to every answer.

A socket's timeout is about each wait for bytes, so a host that sends a byte now and then is waited
for without end: in the status line, the headers, the body, the trailers behind it. Here the
timeout that a connection has when an answer begins is the time for all of it.
"""

from __future__ import annotations

import http.client
import io
import ssl
import time
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from requests.adapters import HTTPAdapter
from typing_extensions import override

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer
    from urllib3 import HTTPConnectionPool, PoolManager

_INTERIM = 100
"""Informational answers that may precede an answer. `http.client` skips 100 uncounted."""

_TLS: dict[str, Any] = {"ssl_minimum_version": ssl.TLSVersion.TLSv1_2}


class _DeadlineReader(io.RawIOBase):
    """The bytes that come over a connection, for as long as its timeout is."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._until = time.monotonic() + (sock.gettimeout() or 0.0)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that has to be complete in time, with headers that make sense.

    Whatever informational answers (102, 103, ...) precede it are skipped; `http.client` skips 100
    alone. One taken for the answer would leave the real one to the next request.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))

    @override
    def begin(self) -> None:
        for _ in range(_INTERIM + 1):
            super().begin()
            if self.msg.defects:
                self._give_up("the headers are malformed")
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                self._give_up("the host switches to another protocol")
            if self.status >= HTTPStatus.OK:
                return
            self.headers = None  # type: ignore[assignment]  # begin() reads on only without any
        self._give_up("too many informational answers")

    def _give_up(self, reason: str) -> NoReturn:
        self.close()
        raise http.client.HTTPException(reason)


class DeadlineAdapter(HTTPAdapter):
    """Keeps connections, through proxies or not, whose answers come to an end."""

    @override
    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **_TLS, **pool_kwargs)
        _limit(self.poolmanager)

    @override
    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **_TLS, **proxy_kwargs)
        _limit(manager)
        return manager


def _limit(manager: PoolManager) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {name: _limited(pool) for name, pool in pools.items()}


@cache
def _limited(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Derive a pool, whatever its kind (SOCKS has its own), from one that waits without end."""
    known: Any = pool.ConnectionCls
    if issubclass(known.response_class, _Response):
        return pool
    connection = type("Connection", (known,), {"response_class": _Response})
    return type("Pool", (pool,), {"ConnectionCls": connection})

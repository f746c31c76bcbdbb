"""Connections of the transport, with a deadline for every response.

A socket's timeout limits each wait for bytes, not the whole response: a host that sends a byte now
and then could keep a worker waiting forever, in the status line, the headers, the body or the
trailers. Here the timeout that a connection has when a response begins limits the whole response.
"""

from __future__ import annotations

import http.client
import io
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

_MAX_INFORMATIONAL_RESPONSES = 100
"""Informational responses (1xx) that may precede a response. Those with status 100 do not count:
`http.client` itself skips them."""


class _DeadlineReader(io.RawIOBase):
    """Stream that fails once the timeout of its socket has elapsed since the stream was created."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the response takes too long")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Response with a deadline and with well-formed headers.

    Informational responses (102, 103, ...) before it are skipped; `http.client` skips only 100. If
    one were taken for the response, the real one would be read by the next request.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # All of the response is read through `fp`, the status line and the trailers included.
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))

    @override
    def begin(self) -> None:
        for _ in range(_MAX_INFORMATIONAL_RESPONSES + 1):
            super().begin()
            if self.msg.defects:
                # Malformed headers may hide the length of the body, and with it where it ends.
                self._give_up("the headers are malformed")
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                self._give_up("the host switches to another protocol")
            if self.status >= HTTPStatus.OK:
                return
            self.headers = None  # type: ignore[assignment]  # begin() returns at once if they are set
        self._give_up("too many informational responses")

    def _give_up(self, reason: str) -> NoReturn:
        self.close()
        raise http.client.HTTPException(reason)


class DeadlineAdapter(HTTPAdapter):
    """Adapter whose connections, direct or through a proxy, have a deadline for each response."""

    @override
    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        _set_deadlines(self.poolmanager)

    @override
    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        _set_deadlines(manager)
        return manager


def _set_deadlines(manager: PoolManager) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {
        scheme: _with_deadline(pool) for scheme, pool in pools.items()
    }


@cache
def _with_deadline(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Derive a pool class whose responses have a deadline; SOCKS proxies have a class of their own.

    Cached, and a class that has deadlines is returned as it is: requests asks for the manager of a
    proxy again and again.
    """
    base: Any = pool.ConnectionCls
    if issubclass(base.response_class, _Response):
        return pool
    connection = type("Connection", (base,), {"response_class": _Response})
    return type("Pool", (pool,), {"ConnectionCls": connection})

"""One GET over a kept-alive connection: bytes in, nothing decided.

Goes through requests' adapter rather than its session: what a session works out anew for every
call (proxies and CA bundle from the environment, netrc, cookies, redirects) is either fixed for
the run or unwanted here. No redirect is followed and no cookie is kept.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.auth import AuthBase

MAX_BODY = 64 * 1024 * 1024
"""Bytes. The largest listing page seen has 25 rows of a few KB; more is not an answer."""

_CHUNK = 256 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Answer:
    """A complete response: status, headers and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """No complete answer came; the message says why, without the URL."""


@dataclass(frozen=True)
class _Route:
    """What the environment says of one host, looked up once."""

    proxies: dict[str, str]
    verify: bool | str


class Transport:
    """Sends GET requests; safe to share between threads.

    Args:
        connections: how many connections to keep open per host.
        timeout: seconds for connecting, for each wait for bytes, and for the whole answer.
        user_agent: sent as User-Agent.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        connections: int,
        timeout: float,
        user_agent: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
        self._timeout = timeout
        self._headers = {"User-Agent": user_agent, **_HEADERS}
        self._clock = clock
        self._routes: dict[str, _Route] = {}

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()

    def get(self, url: str, auth: AuthBase) -> Answer:
        """Send one GET and read the whole answer.

        Raises:
            NoAnswerError: the connection failed, the answer was cut short, larger than
                `MAX_BODY`, wrongly encoded, or took longer than the timeout.
        """
        request = requests.PreparedRequest()
        request.method = "GET"
        request.url = url
        request.headers = CaseInsensitiveDict(self._headers)
        request.hooks = {}
        route = self._route(url)
        deadline = self._clock() + self._timeout
        try:
            response = self._adapter.send(
                auth(request),
                stream=True,
                timeout=self._timeout,
                verify=route.verify,
                proxies=route.proxies,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswerError(_reason(error)) from None
        try:
            body = self._read(response.raw, deadline)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NoAnswerError(_reason(error)) from None
        finally:
            response.raw.release_conn()
        return Answer(response.status_code, response.headers, body)

    def _read(self, raw: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            chunk = raw.read1(_CHUNK, decode_content=True)
            if not chunk:
                if raw.closed or not chunks:
                    break
                chunk = raw.read(_CHUNK, decode_content=True)
                if not chunk:
                    break
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY:
                raw.close()
                raise NoAnswerError(f"the answer is larger than {MAX_BODY} bytes")
            if self._clock() > deadline:
                raw.close()
                raise NoAnswerError("the answer took longer than `request_timeout`")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _route(self, url: str) -> _Route:
        parts = urlsplit(url)
        route = self._routes.get(parts.netloc)
        if route is None:
            loopback = parts.hostname in LOOPBACK
            proxies = {} if loopback else dict(requests.utils.get_environ_proxies(url, None))
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            route = self._routes[parts.netloc] = _Route(proxies, bundle or True)
        return route


def _reason(error: BaseException) -> str:
    """Say what went wrong in words that never hold the URL, which carries the key."""
    chain = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    kinds = {type(link).__name__ for link in chain}
    for names, sentence in _REASONS:
        if kinds & names:
            return sentence
    return f"the connection failed ({type(chain[-1]).__name__})"


def _inner(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return reason
    first = error.args[0] if error.args else None
    return first if isinstance(first, BaseException) else error.__cause__


_REASONS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"SSLError", "CertificateError"}), "the TLS handshake failed"),
    (frozenset({"ProxyError"}), "the proxy refused the connection"),
    (frozenset({"NameResolutionError", "gaierror"}), "the host name is unknown"),
    (frozenset({"ConnectionRefusedError"}), "the connection was refused"),
    (
        frozenset({"ReadTimeoutError", "ReadTimeout", "ConnectTimeoutError", "ConnectTimeout"}),
        "no answer came within `request_timeout`",
    ),
    (frozenset({"IncompleteRead", "InvalidChunkLength"}), "the answer was cut short"),
    (frozenset({"DecodeError"}), "the answer is not valid gzip"),
    (frozenset({"RemoteDisconnected", "ConnectionResetError"}), "the connection was reset"),
)

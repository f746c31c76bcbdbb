"""One GET over a kept-alive connection: bytes in, nothing decided.

Goes through requests' adapter rather than its session: what a session works out anew for every
call (proxies and CA bundle from the environment, netrc, cookies, redirects) is either fixed for
the run or unwanted here. No redirect is followed and no cookie is kept.

A connection is kept only where an answer was read to its end, useful or not; after anything else,
what is left on it could pass for the beginning of the next answer.
"""

from __future__ import annotations

import os
import ssl
import threading
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from tap_crowdtwist.api.http_adapter import DeadlineAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from requests.auth import AuthBase

MAX_BODY = 64 * 1024 * 1024
"""Bytes, unpacked. The largest listing page seen has 25 rows of a few KB; more is no answer."""

_CHUNK = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that may name certificates to trust; the first one that is set counts."""


@dataclass(frozen=True)
class Response:
    """A complete response: status, headers and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray


class NoResponseError(Exception):
    """No complete answer came; the message says why, without the URL.

    Attributes:
        lasting: whether asking again is of no use until a person changes something.
    """

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


@dataclass(frozen=True)
class _Route:
    """How to reach one host, worked out once.

    Attributes:
        pool: its connections, with what the environment says of proxies and certificates.
        skip: how much of a URL the request line leaves out; a proxy may be told the whole of it.
    """

    pool: urllib3.HTTPConnectionPool
    skip: int


class Transport:
    """Sends GET requests; safe to share between threads.

    Args:
        connections: how many connections to keep open per host.
        timeout: seconds for connecting, and for the whole answer from its first byte to its last.
        user_agent: sent as User-Agent.
        max_body: bytes, unpacked, that an answer may have.
    """

    def __init__(
        self, connections: int, timeout: float, user_agent: str, max_body: int = MAX_BODY
    ) -> None:
        self._adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=connections + 1)
        self._limits = urllib3.Timeout(connect=timeout, read=timeout)
        self._headers = {"User-Agent": user_agent, **_HEADERS}
        self._max_body = max_body
        self._routes: dict[str, _Route] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()

    def get(self, url: str, auth: AuthBase) -> Response:
        """Send one GET and read the whole answer.

        Raises:
            NoResponseError: the connection failed, or the answer was cut short, too large, wrongly
                encoded, or took longer than the timeout.
        """
        request = requests.PreparedRequest()
        request.method = "GET"
        request.url = url
        request.headers = CaseInsensitiveDict(self._headers)
        try:
            route = self._route(url)
            raw = route.pool.urlopen(
                "GET",
                (auth(request).url or url)[route.skip :],
                headers=request.headers,
                retries=self._adapter.max_retries,
                timeout=self._limits,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(error) from None
        body = None
        try:
            body = self._read(raw)
        except (urllib3.exceptions.HTTPError, OSError, zlib.error) as error:
            raise _no_answer(error) from None
        finally:
            if body is None:
                raw.close()
            raw.release_conn()
        return Response(raw.status, raw.headers, body)

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytearray:
        """Read a body to its end, and no further than it may go, packed or not."""
        pieces = iter(partial(raw.read1, _CHUNK, decode_content=False), b"")
        encoding = raw.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding in {"gzip", "x-gzip"}:
            pieces = _unpacked(pieces)
        elif encoding not in {"identity", ""}:
            raise NoResponseError("the answer is packed in a way that was not asked for")
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > self._max_body:
                raise NoResponseError(f"the answer is larger than {self._max_body} bytes")
        return body

    def _route(self, url: str) -> _Route:
        scheme, _, rest = url.partition("://")
        base = f"{scheme}://{rest.partition('/')[0]}"
        route = self._routes.get(base)
        if route is None:
            with self._lock:
                route = self._routes.get(base)
                if route is None:
                    route = self._routes[base] = self._find(base)
        return route

    def _find(self, base: str) -> _Route:
        """Look up what the environment says of a host, as a session does for every request."""
        loopback = urlsplit(base).hostname in LOOPBACK
        proxies = {} if loopback else dict(requests.utils.get_environ_proxies(base, None))
        verify = _bundle()
        request = requests.Request("GET", base).prepare()
        pool = self._adapter.get_connection_with_tls_context(request, verify, proxies=proxies)
        self._adapter.cert_verify(pool, base, verify, None)  # type: ignore[no-untyped-call]
        told = self._adapter.request_url(request, proxies)
        skip = 0 if told.startswith(base) else len(base)
        return _Route(cast("urllib3.HTTPConnectionPool", pool), skip)


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip, a little at a time: a thousandth of a body on the wire may be all of it.

    Raises:
        NoResponseError: it ends in the middle.
        zlib.error: it is not gzip.
    """
    packer = None
    for packed in pieces:
        rest = packed
        while rest:
            if packer is None or packer.eof:
                packer = zlib.decompressobj(_GZIP)
            yield packer.decompress(rest, _CHUNK)
            rest = packer.unconsumed_tail or packer.unused_data
    if packer is not None and not packer.eof:
        raise NoResponseError("the answer was cut short")


def _bundle() -> bool | str:
    """Give the file or directory of certificates to trust; True for those of `certifi`.

    Raises:
        NoResponseError: the environment names one that cannot be read.
    """
    name = next(filter(os.environ.get, CA_BUNDLES), None)
    if name is None:
        return True
    path = os.environ[name]
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - as requests tells the two apart
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        reason = f"the certificates that the variable {name} names cannot be read"
        raise NoResponseError(reason, lasting=True) from None
    return path


def _no_answer(error: BaseException) -> NoResponseError:
    """Say what went wrong in words that never hold the URL, which carries the key."""
    chain = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    kinds = {type(link).__name__ for link in chain}
    for names, reason in _LASTING:
        if kinds & names:
            return NoResponseError(reason, lasting=True)
    for names, reason in _PASSING:
        if kinds & names:
            return NoResponseError(reason)
    return NoResponseError(f"the connection failed ({type(chain[-1]).__name__})")


def _inner(error: BaseException) -> BaseException | None:
    """Give the error that this one was made of, wherever the library at hand puts it."""
    places = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((place for place in places if isinstance(place, BaseException)), None)


_LASTING: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"SSLCertVerificationError", "CertificateError"}),
        "the certificate of the host is not trusted (REQUESTS_CA_BUNDLE may name one that is)",
    ),
    (
        frozenset({"InvalidProxyURL", "InvalidSchema", "ProxySchemeUnknown"}),
        "the variable HTTPS_PROXY names a proxy that cannot be used",
    ),
)
_PASSING: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"SSLError"}), "the TLS handshake failed"),
    (frozenset({"ProxyError"}), "the proxy that the variable HTTPS_PROXY names refuses"),
    (frozenset({"NameResolutionError", "gaierror"}), "the host name is unknown"),
    (frozenset({"ConnectionRefusedError"}), "the connection was refused"),
    (
        frozenset({"ReadTimeoutError", "ReadTimeout", "ConnectTimeoutError", "ConnectTimeout"}),
        "no whole answer came within `request_timeout`",
    ),
    (frozenset({"IncompleteRead", "InvalidChunkLength"}), "the answer was cut short"),
    (frozenset({"error"}), "the answer is not valid gzip"),
    (frozenset({"RemoteDisconnected", "ConnectionResetError"}), "the connection was reset"),
)

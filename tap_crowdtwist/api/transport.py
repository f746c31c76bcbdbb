"""HTTP transport: one GET over a kept-alive connection, without interpreting the response.

It uses the adapter of requests, not its session. A session determines proxies and the CA bundle
from the environment for every call, although they are fixed for the run, and handles netrc,
cookies and redirects, which are unwanted: no redirect is followed and no cookie is kept.

A connection is reused only after a response was read to its end. Otherwise the rest of that
response could pass for the beginning of the next one.
"""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from tap_crowdtwist.api.http_adapter import DeadlineAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.auth import AuthBase

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Maximum size of a decompressed body. The largest pages seen have 25 rows of a few KB."""

_CHUNK_BYTES = 256 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that may name a CA bundle; the first one that is set applies."""


@dataclass(frozen=True)
class Response:
    """A complete response: status, headers and the decompressed body."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray


class NoResponseError(Exception):
    """A request without a complete response; the message says why, without the URL.

    Attributes:
        is_permanent: whether retrying is useless until a person changes something.
    """

    def __init__(self, reason: str, *, is_permanent: bool = False) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent


@dataclass(frozen=True)
class _Route:
    """Route to one host, determined once.

    Attributes:
        pool: its connections, set up for the proxy and the certificates of the environment.
        prefix_length: characters of a URL to leave out of the request line: scheme and host, or
            none if a proxy expects the whole URL.
    """

    pool: urllib3.HTTPConnectionPool
    prefix_length: int


class Transport:
    """Sends GET requests. Safe to share between threads.

    Args:
        connections: number of connections to keep open per host.
        timeout: seconds for connecting, and again for receiving the whole response.
        user_agent: sent as User-Agent.
        max_body: maximum size of a decompressed body, in bytes.
    """

    def __init__(
        self, connections: int, timeout: float, user_agent: str, max_body: int = MAX_BODY_BYTES
    ) -> None:
        self._adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=connections + 1)
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)
        self._headers = {"User-Agent": user_agent, **_HEADERS}
        self._max_body = max_body
        self._routes: dict[str, _Route] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every idle connection. A later request opens new ones."""
        with self._lock:
            # The adapter only forgets its pools: as long as a route holds one, it stays open.
            for route in self._routes.values():
                route.pool.close()
            self._routes.clear()
        self._adapter.close()

    def get(self, url: str, auth: AuthBase) -> Response:
        """Send one GET and read the whole response, whatever its status.

        Args:
            url: the URL, percent-encoded, without the key.
            auth: adds the key to the request.

        Raises:
            NoResponseError: the connection failed, or the response was cut short, too large, badly
                encoded, or not complete within the timeout.
        """
        # Not `prepare()`: it would parse and encode the URL again, at some cost for each request.
        request = requests.PreparedRequest()
        request.method = "GET"
        request.url = url
        request.headers = CaseInsensitiveDict(self._headers)
        try:
            route = self._route(url)
            raw = route.pool.urlopen(
                "GET",
                (auth(request).url or url)[route.prefix_length :],
                headers=request.headers,
                retries=self._adapter.max_retries,
                timeout=self._timeout,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_response(error) from None
        # Closed unless it was read to its end: a connection with a rest on it must not be reused.
        body = None
        try:
            body = self._read(raw)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_response(error) from None
        finally:
            if body is None:
                raw.close()
            raw.release_conn()
        return Response(raw.status, raw.headers, body)

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytearray:
        """Read a body to its end; stop as soon as it is too large once decompressed.

        A body that was cut before it was sent is not noticed here: it is not valid JSON.
        """
        body = bytearray()
        # In pieces of limited size once decompressed: gzip can shrink a body a thousandfold.
        for piece in iter(partial(raw.read1, _CHUNK_BYTES, decode_content=True), b""):
            body += piece
            if len(body) > self._max_body:
                raise NoResponseError(f"the response is larger than {self._max_body} bytes")
        return body

    def _route(self, url: str) -> _Route:
        scheme, _, rest = url.partition("://")
        base = f"{scheme}://{rest.partition('/')[0]}"
        route = self._routes.get(base)
        if route is None:
            with self._lock:
                # Checked again: another thread may have set it while this one waited.
                route = self._routes.get(base)
                if route is None:
                    route = self._routes[base] = self._find_route(base)
        return route

    def _find_route(self, base: str) -> _Route:
        """Find out how to reach a host, from the environment, as a session does per request."""
        loopback = urlsplit(base).hostname in LOOPBACK
        proxies = {} if loopback else dict(requests.utils.get_environ_proxies(base, None))
        verify = _ca_bundle()
        request = requests.Request("GET", base).prepare()
        pool = self._adapter.get_connection_with_tls_context(request, verify, proxies=proxies)
        self._adapter.cert_verify(pool, base, verify, None)  # type: ignore[no-untyped-call]
        # A plain-HTTP proxy gets the whole URL in the request line, any other host the path alone.
        request_target = self._adapter.request_url(request, proxies)
        prefix_length = 0 if request_target.startswith(base) else len(base)
        return _Route(cast("urllib3.HTTPConnectionPool", pool), prefix_length)


def _ca_bundle() -> bool | str:
    """Return the file or directory of certificates to trust; True for those of `certifi`.

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
        raise NoResponseError(reason, is_permanent=True) from None
    return path


def _no_response(error: BaseException) -> NoResponseError:
    """Describe a failure without the URL, which holds the key and is part of the library's text."""
    chain = [error]
    while (inner := _inner_error(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    # By name: requests, urllib3, http.client and ssl each wrap the errors of the next one, and some
    # of these classes are private or differ between versions.
    class_names = {type(link).__name__ for link in chain}
    for failure in _FAILURES:
        if not class_names.isdisjoint(failure.class_names):
            return NoResponseError(failure.reason, is_permanent=failure.is_permanent)
    return NoResponseError(f"the connection failed ({type(chain[-1]).__name__})")


def _inner_error(error: BaseException) -> BaseException | None:
    """Return the error that this one wraps; each library stores it in another place."""
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((each for each in candidates if isinstance(each, BaseException)), None)


class _Failure(NamedTuple):
    """A failure of a connection: names of the errors that show it, and the reason to report."""

    class_names: frozenset[str]
    reason: str
    is_permanent: bool = False


_FAILURES = (
    _Failure(
        frozenset({"SSLCertVerificationError", "CertificateError"}),
        "the certificate of the host is not trusted (REQUESTS_CA_BUNDLE can name a CA bundle)",
        is_permanent=True,
    ),
    _Failure(
        frozenset({"InvalidProxyURL", "InvalidSchema", "ProxySchemeUnknown"}),
        "the variable HTTPS_PROXY names a proxy that cannot be used",
        is_permanent=True,
    ),
    _Failure(frozenset({"SSLError"}), "the TLS handshake failed"),
    _Failure(
        frozenset({"ProxyError"}),
        "the proxy that the variable HTTPS_PROXY names rejected the connection",
    ),
    _Failure(frozenset({"NameResolutionError", "gaierror"}), "the host name is unknown"),
    _Failure(frozenset({"ConnectionRefusedError"}), "the connection was refused"),
    _Failure(
        frozenset({"ReadTimeoutError", "ReadTimeout", "ConnectTimeoutError", "ConnectTimeout"}),
        "no complete response within `request_timeout`",
    ),
    _Failure(frozenset({"IncompleteRead", "InvalidChunkLength"}), "the response was cut short"),
    _Failure(frozenset({"DecodeError"}), "the response is not valid gzip"),
    _Failure(frozenset({"RemoteDisconnected", "ConnectionResetError"}), "the connection was reset"),
)

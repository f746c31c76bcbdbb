"""Construction of a client from a key and a client id, for use without the tap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_crowdtwist.api.auth import HeaderKey, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host, base_url
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests.auth import AuthBase

_TIMEOUT_SECONDS = 60.0
_USER_AGENT = "tap-crowdtwist-client"


def connect(
    api_key: str,
    client_id: str = "",
    *,
    environment: str = "production",
    requests_per_minute: int = 5_000,
    threads: int = 1,
    main_auth: AuthBase | None = None,
    urls: Mapping[Host, str] | None = None,
) -> Client:
    """Build a client. Nothing is requested yet.

    A response may take 60 seconds, and a request that fails is sent again up to five times.

    Args:
        api_key: the API key.
        client_id: the number in the names of the program's hosts, such as `512`.
        environment: `production`, `sandbox`, `sandbox2`, `us2` or `de`.
        requests_per_minute: maximum number of requests in any 60 seconds, retries included.
        threads: number of threads that will share the client; as many connections per host are
            kept open.
        main_auth: authentication on the main host; by default the key in the query. The
            point-of-sale host always gets the key in a header.
        urls: base URL of each host, in place of those that follow from `client_id` and
            `environment`; for a sandbox or a proxy.

    Raises:
        KeyError: there is no such environment.
        ValueError: `client_id` and `urls` are both missing, `urls` lacks a host, or the rate is
            less than 1.
    """
    if requests_per_minute < 1:  # the second request would wait forever
        raise ValueError("requests_per_minute must be at least 1")
    if urls is None:
        if not client_id:
            raise ValueError("give a client_id, or urls")
        urls = {host: base_url(host, environment, client_id) for host in Host}
    if missing := set(Host) - set(urls):
        raise ValueError(f"urls lacks {', '.join(sorted(map(str, missing)))}")
    return Client(
        urls,
        {Host.MAIN: main_auth or QueryKey(api_key), Host.POS: HeaderKey(api_key)},
        Transport(threads, _TIMEOUT_SECONDS, _USER_AGENT),
        RateLimiter(requests_per_minute),
    )

"""The posting of a day's events to an endpoint, as Live Push does it.

The page "Data Push Overview" specifies JSON, Basic authentication or `x-api-key`, and five attempts
within an hour; here they follow within seconds.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from time import sleep
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests

from crowdtwist_sandbox.feeds.live_push import FEEDS, live_events
from crowdtwist_sandbox.world.deterministic_random import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crowdtwist_sandbox.engine import Engine

    _Event = tuple[str, bytes]

_TIMEOUT_SECONDS = 10
_RETRY_WAITS_SECONDS = (0.1, 0.2, 0.4, 0.8)
_REPEAT_EVERY = 12  # one event in so many is posted twice
_MAX_EVENTS_BETWEEN = 6  # between the two posts
_OK = 200
_FINAL = frozenset({401, 403, 404})


class PostingError(Exception):
    """The endpoint did not accept an event; the message says why."""


class Endpoint(NamedTuple):
    """A URL and its credentials: `user` and `password`, `api_key`, both or none.

    The name of the feed is appended to the URL's path.
    """

    url: str
    user: str | None = None
    password: str | None = None
    api_key: str | None = None


def post_live_push(
    engine: Engine,
    endpoint: Endpoint,
    day: int,
    *,
    repeats: bool = True,
    pause: Callable[[float], None] = sleep,
) -> dict[str, int]:
    """Post every event of a day, one after the other on one connection.

    With `repeats`, about one event in twelve is posted again with the same body, at once or a few
    events later, as if the response to the first post had been lost.

    Returns:
        The number of accepted posts, by feed.

    Raises:
        PostingError: the endpoint rejected an event, or failed five times.
        ValueError: the day, the URL or the credentials are invalid.
    """
    events: Iterable[_Event] = (
        (feed, msgspec.json.encode(event)) for feed, event in live_events(engine, day)
    )
    if repeats:
        events = _with_repeats(events, seed_of(engine.world.key, "live push repeated", day))
    posts = Counter(dict.fromkeys(FEEDS, 0))
    with _session(endpoint) as session:
        for feed, body in events:
            _post(session, f"{endpoint.url.rstrip('/')}/{feed}", feed, body, pause)
            posts[feed] += 1
    return dict(posts)


def _session(endpoint: Endpoint) -> requests.Session:
    url = urlsplit(endpoint.url)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise ValueError("url, or --to: must be an http or https URL without query")
    if (endpoint.user is None) != (endpoint.password is None):
        raise ValueError("user and password: give both or none")
    session = requests.Session()
    session.trust_env = False  # neither a proxy nor credentials of the environment
    session.headers["Content-Type"] = "application/json"
    if endpoint.user is not None and endpoint.password is not None:
        pair = f"{endpoint.user}:{endpoint.password}".encode()
        session.headers["Authorization"] = "Basic " + b64encode(pair).decode()
    if endpoint.api_key is not None:
        session.headers["x-api-key"] = endpoint.api_key.encode()
    return session


def _post(
    session: requests.Session, url: str, feed: str, body: bytes, pause: Callable[[float], None]
) -> None:
    """Post one event until it is accepted; no error message contains a credential."""
    outcome = ""
    for wait in (*_RETRY_WAITS_SECONDS, None):  # None: the last attempt
        try:
            response = session.post(url, data=body, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            outcome = f"did not answer ({type(error).__name__})"
        else:
            if response.status_code == _OK:
                return
            outcome = f"answered {response.status_code}"
            if response.status_code in _FINAL:  # a retry would not help: wrong URL or credentials
                raise PostingError(
                    f"The endpoint {outcome} to an event of {feed}: check its URL (such as "
                    "http://127.0.0.1:8700/live) and the credentials."
                )
        if wait is not None:
            pause(wait)
    tries = len(_RETRY_WAITS_SECONDS) + 1
    raise PostingError(f"The endpoint {outcome} to an event of {feed}, {tries} times: see its log.")


def _with_repeats(events: Iterable[_Event], key: int) -> Iterator[_Event]:
    # Repeated events, each with the number of the event after which it is due.
    waiting: list[tuple[int, _Event]] = []
    for number, event in enumerate(events):
        yield event
        seed = seed_of(key, "event", number)
        if seed % _REPEAT_EVERY == 0:
            waiting.append((number + (seed >> 20) % (_MAX_EVENTS_BETWEEN + 1), event))
        yield from (each for due, each in waiting if due <= number)
        waiting = [(due, each) for due, each in waiting if due > number]
    # Those due after the last event of the day.
    yield from (each for _, each in waiting)

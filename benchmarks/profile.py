"""The CPU time of one request, from the plainest client to the tap's own.

python -m benchmarks.profile          a table, in microseconds of CPU per request
python -m benchmarks.profile --hot    also the functions that take the most time

Everything runs in one thread, against one sandbox in another process. The variants take turns, so
that other load on the machine affects all of them alike; the table has the median of the turns.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override

from benchmarks import report
from benchmarks.server import Server
from tap_crowdtwist.api import endpoints, pagination
from tap_crowdtwist.api.auth import HeaderKey, QueryKey
from tap_crowdtwist.api.client import Client
from tap_crowdtwist.api.endpoints import Host
from tap_crowdtwist.api.rate_limiter import RateLimiter
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.privacy.policy import public_schema
from tap_crowdtwist.records.normalizer import Normalizer
from tap_crowdtwist.sync.message_writer import MessageWriter
from tap_crowdtwist.sync.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from requests.auth import AuthBase

    from tap_crowdtwist.api.date_filters import Params
    from tap_crowdtwist.api.endpoints import Endpoint

    Answer = tuple[str, list[Any]]

MEMBERS = 40
TURNS = 9
RESOURCES = (
    endpoints.USER,
    endpoints.USER_ACTIVITIES,
    endpoints.ACTIVITY_HISTORY,
    endpoints.PURCHASES,
    endpoints.USER_REWARDS,
    endpoints.REDEMPTIONS,
    endpoints.POINTS_EXPIRATION,
)
HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}


class Target(NamedTuple):
    """One request: a resource of a member."""

    endpoint: Endpoint
    member: int
    url: str
    auth: AuthBase


def targets(server: Server) -> list[Target]:
    """Return the requests for the first page of every resource of every member."""
    with tempfile.TemporaryDirectory() as folder:
        roster = Path(folder, "roster.txt")
        server.ask("roster", str(roster))
        members = [int(line) for line in roster.read_text(encoding="utf-8").split()]
    key = server.urls["api_key"]
    urls = {Host.MAIN: server.urls["api_url"], Host.POS: server.urls["pos_url"]}
    auth: dict[Host, AuthBase] = {Host.MAIN: QueryKey(key), Host.POS: HeaderKey(key)}
    result = []
    for member in members:
        for endpoint in RESOURCES:
            query = "?page=1" if endpoint.is_paged else ""
            query += f"&page_size={endpoint.page_size}" if endpoint.page_size else ""
            url = f"{urls[endpoint.host]}{endpoint.path.replace('{id}', str(member))}{query}"
            result.append(Target(endpoint, member, url, auth[endpoint.host]))
    return result


class ClientVariants:
    """The variants of a client; each method returns the decoded response.

    Args:
        server: the sandbox.
    """

    def __init__(self, server: Server) -> None:
        key = server.urls["api_key"]
        self._plain = requests.Session()
        self._lean = requests.Session()
        self._lean.trust_env = False
        self._adapter = HTTPAdapter()
        self._transport = Transport(1, 60, "benchmark")
        self._client = Client(
            {Host.MAIN: server.urls["api_url"], Host.POS: server.urls["pos_url"]},
            {Host.MAIN: QueryKey(key), Host.POS: HeaderKey(key)},
            self._transport,
            RateLimiter(10**9),
        )

    def close(self) -> None:
        """Close every connection."""
        for each in (self._plain, self._lean, self._adapter, self._client):
            each.close()

    def plain(self, target: Target) -> Any:
        """Use requests as its documentation shows."""
        return self._plain.get(target.url, auth=target.auth).json()

    def lean(self, target: Target) -> Any:
        """Ignore the environment, and decode with msgspec."""
        return msgspec.json.decode(self._lean.get(target.url, auth=target.auth).content)

    def prepared(self, target: Target) -> Any:
        """Prepare a request and send it through the adapter."""
        request = requests.Request("GET", target.url, HEADERS, auth=target.auth).prepare()
        return msgspec.json.decode(self._adapter.send(request).content)

    def transport(self, target: Target) -> Any:
        """Use the tap's transport."""
        return msgspec.json.decode(self._transport.get(target.url, target.auth).body)

    def client(self, target: Target) -> Any:
        """Use the tap's client: rate limiter, response classification, retry, paging."""
        if target.endpoint in {endpoints.USER, endpoints.POINTS_EXPIRATION}:
            return self._client.get(target.endpoint, target.member)
        params: Params = (("page", "1"),) if target.endpoint.is_paged else ()
        if target.endpoint.page_size:
            params += (("page_size", str(target.endpoint.page_size)),)
        return self._client.get(
            target.endpoint, target.member, params, partial(_page, target.endpoint)
        )


def _page(endpoint: Endpoint, body: Any) -> Any:
    return pagination.parse_page(body, endpoint.envelope, endpoint.sibling_fields)


class _Discarder(MessageWriter):
    """Encodes messages and writes none."""

    @override
    def write_line(self, line: bytearray, *, flush: bool = False) -> None:
        pass


class Writing:
    """The steps from rows to messages.

    Args:
        answers: resource and raw rows of each answer.
    """

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = answers
        names = {name for name, _ in answers}
        self._normalizers = {name: Normalizer(name, public_schema(name), ()) for name in names}
        self._writer = _Discarder()

    def normalize(self) -> list[Answer]:
        """Convert all rows to records."""
        return [
            (name, [self._normalizers[name](row) for row in rows]) for name, rows in self._answers
        ]

    def encode(self, answers: list[Answer]) -> None:
        """Encode all records as messages."""
        now = datetime.now(timezone.utc)
        for name, records in answers:
            write = self._writer.record_writer(name, None, now)
            for record in records:
                write(record)


def cost(call: Callable[[], Any]) -> float:
    """Return the CPU time of a call in microseconds, of all threads together."""
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e6


def pool(items: int) -> None:
    """Run empty requests in a worker pool as large as the benchmark's."""
    workers = WorkerPool(32)
    sweep = workers.add(range(items), lambda item: item)
    for _ in workers.results(sweep):
        pass
    workers.close()


def costs(server: Server) -> Iterator[tuple[str, float]]:
    """Measure the variants in turns, and yield the median of each, per request."""
    requested = targets(server)
    with closing(ClientVariants(server)) as clients:
        asked: dict[str, Callable[[Target], Any]] = {
            "`session.get(url).json()`": clients.plain,
            "the same, without the environment, msgspec": clients.lean,
            "a prepared request through the adapter, msgspec": clients.prepared,
            "the tap's `Transport.get`, msgspec": clients.transport,
            "the tap's `Client.get` (rate limiter, classification, page)": clients.client,
        }
        requested = [target for target in requested if "error" not in clients.plain(target)]
        writing = Writing([_answer(clients, target) for target in requested])
        records = writing.normalize()
        # The variants must do equal work, so members whose profile is missing are left out above.
        work: dict[str, Callable[[], Any]] = {
            what: partial(_request_all, ask, requested) for what, ask in asked.items()
        }
        work["records out of the rows of one answer"] = writing.normalize
        work["messages out of these records"] = partial(writing.encode, records)
        work["one empty request through the worker pool (32 workers)"] = partial(
            pool, len(requested)
        )
        turns: dict[str, list[float]] = {what: [] for what in work}
        for _ in range(TURNS):
            for what, call in work.items():
                turns[what].append(cost(call))
    for what, costs in turns.items():
        yield what, statistics.median(costs) / len(requested)


def _request_all(ask: Callable[[Target], Any], requested: Iterable[Target]) -> None:
    for target in requested:
        ask(target)


def _answer(clients: ClientVariants, target: Target) -> Answer:
    answer: Any = clients.client(target)
    if target.endpoint is endpoints.POINTS_EXPIRATION:
        rows = [row for entries in answer.values() for row in entries or ()]
    else:
        rows = [answer] if target.endpoint is endpoints.USER else answer.rows
    return target.endpoint.name, rows


def hot(server: Server) -> str:
    """Profile the client, and return the functions that take the most time themselves."""
    requested = targets(server)
    with closing(ClientVariants(server)) as clients:
        requested = [target for target in requested if "error" not in clients.plain(target)]
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(TURNS):
            _request_all(clients.client, requested)
        profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(45)
    return text.getvalue()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
    parser.add_argument("--hot", action="store_true", help="profile the client too")
    chosen = parser.parse_args()
    with Server(members=MEMBERS, drift=False) as server:
        rows = [(what, round(microseconds)) for what, microseconds in costs(server)]
        sys.stdout.write(report.table(("", "µs"), rows))
        if chosen.hot:
            sys.stdout.write(hot(server))


if __name__ == "__main__":
    main()

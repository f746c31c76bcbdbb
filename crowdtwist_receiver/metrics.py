"""The metrics of a receiver, in the text formats of Prometheus and OpenMetrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from crowdtwist_receiver.feeds import FEEDS
from crowdtwist_receiver.responses import http_response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from crowdtwist_receiver.addresses import Addresses
    from crowdtwist_receiver.journal import Journal
    from crowdtwist_receiver.responses import HttpResponse, Scope
    from crowdtwist_receiver.stats import ReceiverStats


class Metrics:
    """Responds to `/metrics`.

    Args:
        addresses: client addresses that may read them.
        journal: stores events.
        stats: the counts.
    """

    def __init__(self, addresses: Addresses, journal: Journal, stats: ReceiverStats) -> None:
        self._addresses = addresses
        # Not the registry of the process: a hook may add metrics of its own to that one.
        self._registry = CollectorRegistry()
        self._registry.register(_ReceiverCollector(journal, stats))
        ProcessCollector(registry=self._registry)

    def response(self, scope: Scope) -> HttpResponse:
        """Return the metrics in the format that the client prefers."""
        if not self._addresses.accept(scope):
            return json_response(403, {"error": "address not allowed"})
        accepted = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        try:
            encode, content_type = choose_encoder(accepted)
        except (TypeError, ValueError):  # it cannot read every version number
            encode, content_type = choose_encoder("")
        return http_response(200, encode(self._registry), content_type.encode())


class _ReceiverCollector(Collector):
    """Reads the counts when they are asked for, so that counting costs nothing more.

    Labels are feeds, statuses, and reasons from a fixed set: nothing that a client sends.
    """

    def __init__(self, journal: Journal, stats: ReceiverStats) -> None:
        self._journal = journal
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        journal, stats = self._journal, self._stats
        rejected: Counter[str] = Counter()
        responses: Counter[str] = Counter()
        for label, count in stats.responses.items():
            status, _, reason = label.partition(" ")
            responses[status] += count
            if reason:
                rejected[reason] += count
        waiting = journal.waiting()

        yield _counter("events_stored", "Events on disk.", "feed", _by_feed(stats.events))
        yield _counter("responses", "Responses, but for /health and /metrics.", "status", responses)
        yield _counter("requests_rejected", "Requests that were rejected.", "reason", rejected)
        yield _gauge(
            "events_waiting",
            "Events that wait to be written.",
            _by_feed({feed: len(sizes) for feed, sizes in waiting.items()}),
        )
        yield _gauge(
            "bytes_waiting",
            "Bytes that wait to be written.",
            _by_feed({feed: sum(sizes) for feed, sizes in waiting.items()}),
        )
        yield _gauge(
            "last_sync_timestamp_seconds",
            "When events were last synced to disk; absent before the first.",
            journal.last_sync.copy(),
        )
        yield CounterMetricFamily(
            _name("disk_errors"), "Commits that failed.", stats.disk["failed commits"]
        )
        yield GaugeMetricFamily(
            _name("failing"),
            "1 while events cannot be written to disk.",
            float(journal.is_failing),
        )
        yield CounterMetricFamily(
            _name("files_deleted"),
            "Captures removed by --keep-days.",
            stats.disk["removed captures"],
        )


def _name(name: str) -> str:
    return f"crowdtwist_receiver_{name}"


def _counter(name: str, text: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(_name(name), text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(_name(name), text, labels=["feed"])
    for feed, value in sorted(values.items()):
        family.add_metric([feed], value)
    return family


def _by_feed(counts: Mapping[str, float]) -> dict[str, float]:
    """Return a value for each feed, since a rate needs a 0 before the first event."""
    return {feed: counts.get(feed, 0) for feed in FEEDS}

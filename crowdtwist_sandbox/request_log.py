"""The log of requests: counts since the last reset, and the latest requests."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode

_MAX_REQUESTS = 10_000


class RequestLog:
    """Counters and latest requests; written by the server, read from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._faults: Counter[str] = Counter()
        self._cookies = 0
        self._latest: deque[tuple[str, str, str, str, int, float]] = deque(maxlen=_MAX_REQUESTS)

    def record(
        self, host: str, endpoint: str, request_line: tuple[str, str, str], status: int
    ) -> None:
        """Record a request; `request_line` is its method, path and query."""
        with self._lock:
            self._counts[host, endpoint, status] += 1
            self._latest.append((host, *request_line, status, monotonic()))

    def fault(self, name: str) -> None:
        """Count a fault that a response or a page has met."""
        with self._lock:
            self._faults[name] += 1

    def cookie_returned(self) -> None:
        """Count a request that sent back the cookie of the fault `cookie`."""
        with self._lock:
            self._cookies += 1

    def counts(self) -> dict[str, Any]:
        """Return the total, counts by host, endpoint template and status, and faults by name.

        The status is the one sent, or about to be sent where a fault broke the connection.
        """
        with self._lock:
            counts = dict(self._counts)
            faults = dict(sorted(self._faults.items()))
            cookies = self._cookies
        rows = [
            {"host": host, "endpoint": endpoint, "status": status, "count": count}
            for (host, endpoint, status), count in sorted(counts.items())
        ]
        return {
            "total": sum(counts.values()),
            "requests": rows,
            "faults": faults,
            "cookie_returned": cookies,
        }

    def requests(self) -> list[dict[str, Any]]:
        """Return the latest 10,000 requests, oldest first, without the value of the key."""
        with self._lock:  # copy only: the server must not wait while the list is built
            latest = list(self._latest)
        return [
            {
                "host": host,
                "method": method,
                "path": path,
                "query": _without_key(query),
                "status": status,
                "at": at,
            }
            for host, method, path, query, status, at in latest
        ]

    def reset(self) -> None:
        """Clear all counts and requests."""
        with self._lock:
            self._counts.clear()
            self._faults.clear()
            self._cookies = 0
            self._latest.clear()


def _without_key(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "" if name == "api_key" else value) for name, value in pairs])

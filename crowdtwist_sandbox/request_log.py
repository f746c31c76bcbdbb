"""What has been asked: counts since the last reset, and the latest requests."""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode

_REMEMBERED = 10_000


class RequestLog:
    """Written by the server, read by anyone, also from other threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._faults: Counter[str] = Counter()
        self._cookies = 0
        self._latest: deque[tuple[str, str, str, str, int, float]] = deque(maxlen=_REMEMBERED)

    def record(self, host: str, endpoint: str, asked: tuple[str, str, str], status: int) -> None:
        """Note an answered request; `asked` is its method, path and query."""
        with self._lock:
            self._counts[host, endpoint, status] += 1
            self._latest.append((host, *asked, status, monotonic()))

    def fault(self, name: str) -> None:
        """Note that an answer has met a fault or told a lie."""
        with self._lock:
            self._faults[name] += 1

    def cookie_returned(self) -> None:
        """Note that a client sent back the cookie that it was to forget."""
        with self._lock:
            self._cookies += 1

    def counts(self) -> dict[str, Any]:
        """The total, a list by host, endpoint template and status, and faults by name.

        The status is the one that was sent, or was about to be where the connection broke.
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
        """The latest 10,000 requests, oldest first; the query comes without the key's value."""
        with self._lock:
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
        """Forget all."""
        with self._lock:
            self._counts.clear()
            self._faults.clear()
            self._cookies = 0
            self._latest.clear()


def _without_key(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "" if name == "api_key" else value) for name, value in pairs])

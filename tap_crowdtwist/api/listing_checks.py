"""Checks of the listings of a run: totals that disagree, and lists that may be truncated."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

_MAX_TOTAL_DISAGREEMENTS = 3
"""Listings that may contradict their announced total before it is no longer trusted."""

_USUAL_LIMITS = frozenset({10, 25, 50})
"""Numbers of rows at which a host may truncate a list, besides multiples of 100."""

_LIMIT_FACTOR = 5
"""Any limit of a host is taken to be a multiple of this number of rows."""


@dataclass
class ListingSigns:
    """Signs, other than the rows, that a listing may be incomplete.

    Attributes:
        unpaged_rows: length of the longest list that came in one response and without a total.
        is_whole: whether that list was also read in parts, which contained no other rows.
        rejected_page: number of the page that was rejected after a full one; 0 if none was.
        rejected_status: HTTP status of that rejection.
    """

    unpaged_rows: int = 0
    is_whole: bool = False
    rejected_page: int = 0
    rejected_status: int | None = None


@dataclass
class ListingChecks:
    """Findings about the listings of a run, by endpoint name. Safe to share between threads.

    Attributes:
        warned: pairs of an endpoint and a message that was logged.
        disagreements: number of listings that contradict their announced total.
        unproven: endpoints with a listing that may lack rows.
        longest: length of the longest list that came in one response and without a total.
        uncertain: length of the longest of these lists that is not known to be complete.
        divisible: endpoints whose date filter was seen to select a part of a list.
    """

    warned: set[tuple[str, str]] = field(default_factory=set)
    disagreements: Counter[str] = field(default_factory=Counter)
    unproven: set[str] = field(default_factory=set)
    longest: Counter[str] = field(default_factory=Counter)
    uncertain: Counter[str] = field(default_factory=Counter)
    divisible: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warn_once(
        self, endpoint: str, sentence: str, *facts: object, level: int = logging.WARNING
    ) -> None:
        """Log a message once per endpoint; later calls are ignored, even with other facts."""
        with self._lock:
            if (endpoint, sentence) in self.warned:
                return
            self.warned.add((endpoint, sentence))
        logger.log(level, "%s: %s", endpoint, sentence % facts if facts else sentence)

    def doubt(self, endpoint: str, sentence: str, *facts: object) -> None:
        """Record that a listing of an endpoint may lack rows, and warn once per endpoint."""
        with self._lock:
            self.unproven.add(endpoint)
        self.warn_once(endpoint, sentence, *facts)

    def record(self, endpoint: str, signs: ListingSigns) -> None:
        """Record the signs of one listing, and warn if a page of it was rejected."""
        uncertain_rows = 0 if signs.is_whole else signs.unpaged_rows
        with self._lock:
            self.longest[endpoint] = max(self.longest[endpoint], signs.unpaged_rows)
            self.uncertain[endpoint] = max(self.uncertain[endpoint], uncertain_rows)
        if signs.rejected_page:
            self.doubt(
                endpoint,
                "page %d of a list without `paging` was rejected (HTTP %s). It is taken for the "
                "end although the page before it was full; if it is not the end, rows are missing",
                signs.rejected_page,
                signs.rejected_status,
            )

    def may_be_truncated(self, endpoint: str, count: int) -> bool:
        """Return whether a list without a total may have been truncated at a limit of the host.

        A limit is a round number, and no list is longer. A list of exactly that length may still
        be complete, which says nothing about other lists.
        """
        with self._lock:
            return count >= self.longest[endpoint] and count % _LIMIT_FACTOR == 0

    def mark_divisible(self, endpoint: str) -> None:
        """Record that lists of an endpoint can be read in parts, by date range."""
        with self._lock:
            self.divisible.add(endpoint)

    def is_divisible(self, endpoint: str) -> bool:
        """Return whether lists can be read in parts, so that a rejected part is missing."""
        with self._lock:
            return endpoint in self.divisible

    def log_truncation(self, endpoint: str, count: int) -> None:
        """Log that the host truncates lists, which are then read in parts, by date range."""
        self.warn_once(
            endpoint,
            "lists are truncated at %d rows; those of this length are read in parts, by date range",
            count,
            level=logging.INFO,
        )

    def seems_truncated(self, endpoint: str) -> bool:
        """Return whether the longest list of an endpoint has a suspiciously round length."""
        count = self.uncertain[endpoint]
        is_round = count in _USUAL_LIMITS or count % 100 == 0
        return count > 0 and is_round and count == self.longest[endpoint]

    def warn_of_truncation(self) -> None:
        """Warn of endpoints whose lists seem to be truncated."""
        for endpoint, count in self.longest.items():
            if self.seems_truncated(endpoint):
                self.warn_once(
                    endpoint,
                    "the longest list has exactly %d rows and no pages; if CrowdTwist truncates "
                    "lists there, rows are missing",
                    count,
                )

    def trusts_total(self, endpoint: str) -> bool:
        """Return whether a wrong `paging.total` of an endpoint justifies reading again."""
        with self._lock:
            return self.disagreements[endpoint] < _MAX_TOTAL_DISAGREEMENTS

    def record_disagreement(self, endpoint: str) -> None:
        """Record that two readings agreed with each other but not with `paging.total`."""
        with self._lock:
            self.disagreements[endpoint] += 1

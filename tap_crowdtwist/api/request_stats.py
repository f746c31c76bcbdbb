"""Statistics of the requests of a client."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class RequestStats:
    """Statistics of the requests sent so far.

    Attributes:
        requests: attempts by endpoint name, retries included.
        retried: those of them that were retries.
        rate_limited: responses with status 429, by endpoint name.
        mended: responses that could be read although they were not valid JSON.
        has_succeeded: whether any request has returned data.
        by_member: attempts by endpoint name and member, if set; None by default, since it grows
            with the members.
    """

    requests: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)
    mended: int = 0
    has_succeeded: bool = False
    by_member: Counter[tuple[str, int | str | None]] | None = None

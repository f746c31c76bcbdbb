"""A transport that counts requests, stops at a budget, and keeps the last answer."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_crowdtwist.api.transport import Response, Transport

if TYPE_CHECKING:
    from requests.auth import AuthBase

REQUESTS = 300
"""Attempts in all, retries included."""


class BudgetSpentError(Exception):
    """No more requests may be sent."""


class Recorder(Transport):
    """Counts requests, stops at the budget, and keeps the last answer."""

    requests = 0
    last: Response | None = None
    ahead: float | None = None
    is_spent = False

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        if self.requests >= REQUESTS:
            self.is_spent = True
            raise BudgetSpentError
        self.requests += 1
        self.last = self.ahead = None
        self.last = answer = super().get(url, auth)
        self.ahead = _ahead(answer.headers.get("Date"), datetime.now(timezone.utc))
        return answer


def _ahead(date: str | None, now: datetime) -> float | None:
    try:
        told = parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    aware = told if told.tzinfo else told.replace(tzinfo=timezone.utc)
    return (aware - now).total_seconds()

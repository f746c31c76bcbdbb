"""Transport that counts requests, enforces a budget, and keeps the last response."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_crowdtwist.api.transport import Response, Transport

if TYPE_CHECKING:
    from requests.auth import AuthBase

MAX_REQUESTS = 300
"""Budget of requests, retries included."""


_NO_RESPONSE = Response(0, {}, b"")


class BudgetSpentError(Exception):
    """The request budget is spent."""


class Recorder(Transport):
    """Transport with a request budget.

    The budget is enforced here, because every attempt passes the transport, retries included.

    Attributes:
        requests: number of requests sent.
        last: response to the last request; its status is 0 if there was none.
        clock_offset: seconds by which the host's clock was ahead of ours in that response.
        is_budget_spent: whether a request was denied.
    """

    requests = 0
    last = _NO_RESPONSE
    clock_offset: float | None = None
    is_budget_spent = False

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        if self.requests >= MAX_REQUESTS:
            self.is_budget_spent = True
            raise BudgetSpentError
        self.requests += 1
        self.forget()
        self.last = super().get(url, auth)
        now = datetime.now(timezone.utc)
        self.clock_offset = _clock_offset(self.last.headers.get("Date", ""), now)
        return self.last

    def forget(self) -> None:
        """Forget the last response, so that it is not taken for that of a request that fails."""
        self.last = _NO_RESPONSE
        self.clock_offset = None


def _clock_offset(date: str, now: datetime) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
    return (aware - now).total_seconds()

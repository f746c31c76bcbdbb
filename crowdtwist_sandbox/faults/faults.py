"""The active faults of one sandbox, which the hosts apply to each request and each page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crowdtwist_sandbox.faults.fault import COOKIE, Fault
from crowdtwist_sandbox.faults.paging_faults import PageRequest
from crowdtwist_sandbox.faults.plan import Plan
from crowdtwist_sandbox.faults.registry import DELIVERY_FAULTS, PAGING_FAULTS, RESPONSE_FAULTS
from crowdtwist_sandbox.faults.spec import parse
from crowdtwist_sandbox.http_exchange import deliver
from crowdtwist_sandbox.wire.paging import page_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_sandbox.faults.connection import Connection
    from crowdtwist_sandbox.http_exchange import Request, Response
    from crowdtwist_sandbox.request_log import RequestLog
    from crowdtwist_sandbox.wire.paging import Page, Pager


class AppliedFault(NamedTuple):
    """A fault that one request meets."""

    name: str
    fault: Fault

    def change_response(self, response: Response) -> Response:
        """Return the response to send; the correct one if the fault concerns the delivery."""
        change = RESPONSE_FAULTS.get(self.name)
        return response if change is None else change(response, self.fault)

    async def deliver(self, response: Response, connection: Connection) -> None:
        """Send the response in the fault's way; as usual if the fault concerns the response."""
        # A fault changes either the response or its delivery, never both.
        send_faulty = DELIVERY_FAULTS.get(self.name)
        if send_faulty is None:
            await deliver(self.fault.request, response, connection.send)
        else:
            await send_faulty(response, self.fault, connection)


class Faults:
    """The active faults. `set` may be called from any thread, the rest from the server's only.

    Attributes:
        on: whether any faults have ever been set; only then are requests checked.
        spec: the current spec.
    """

    def __init__(self, seed: int, api_key: str, request_log: RequestLog) -> None:
        self._seed = seed
        self._api_key = api_key
        self._request_log = request_log
        self._plan = Plan(seed, ())
        self.on = False
        self.spec = ""

    def set(self, spec: str) -> None:
        """Replace the faults ("" for none), and number requests from 1 again.

        Raises:
            ValueError: the spec is invalid; the message says where.
        """
        self._plan = Plan(self._seed, parse(spec))
        self.spec = spec
        # Stays on after the faults are cleared: a cookie may still be sent back, which is counted.
        self.on = self.on or bool(self._plan)

    def next_fault(self, request: Request) -> AppliedFault | None:
        """Number a request and return its fault, if any; count a cookie that it sends back."""
        if f"{COOKIE}=" in request.header(b"cookie"):
            self._request_log.cookie_returned()
        plan = self._plan  # read once: `set` may replace it at any time
        planned = plan.next()
        if planned is None:
            return None
        name, amount = planned
        self._request_log.fault(name)
        return AppliedFault(name, Fault(request, plan.number, self._api_key, amount))

    def page(self, pager: Pager, items: Sequence[Any], page: str | None, size: int) -> Page:
        """Return a page of a listing, with the listing's paging fault if it has one.

        The fault is counted only where it changes the page.
        """
        plan = self._plan  # read once, as above
        name = plan.paging_fault(listing := pager.listing) if plan else None
        if name is None:
            return pager.page(items, page, size)
        is_turned = plan.is_turned(listing, is_onward=page_number(page) > 1)
        request = PageRequest(pager, items, page, size, is_turned)
        sent = PAGING_FAULTS[name](request)
        # `next_missing`, for example, does not change the last page.
        if sent != request.true_page():
            self._request_log.fault(name)
        return sent

"""The faults of one sandbox at work: what hosts ask for each request and each page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crowdtwist_sandbox.faults.catalogue import ANSWERS, DELIVERIES, PAGING_FAULTS
from crowdtwist_sandbox.faults.fault import COOKIE, Fault
from crowdtwist_sandbox.faults.paging_faults import Asked
from crowdtwist_sandbox.faults.plan import Plan
from crowdtwist_sandbox.faults.spec import parse
from crowdtwist_sandbox.wire.paging import page_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdtwist_sandbox.faults.connection import Connection
    from crowdtwist_sandbox.http_exchange import Deliver, Request, Response
    from crowdtwist_sandbox.request_log import RequestLog
    from crowdtwist_sandbox.wire.paging import Page, Pager


class Strike(NamedTuple):
    """A fault on its way to one request."""

    name: str
    hit: Fault

    def spoil(self, answer: Response) -> Response:
        """The answer to send in place of the right one, if that is what the fault is about."""
        change = ANSWERS.get(self.name)
        return answer if change is None else change(answer, self.hit)

    async def deliver(self, answer: Response, line: Connection, deliver: Deliver) -> None:
        """Send the answer in the fault's way, or in the usual one."""
        spoilt = DELIVERIES.get(self.name)
        if spoilt is None:
            await deliver(self.hit.request, answer, line.send)
        else:
            await spoilt(answer, self.hit, line)


class Faults:
    """Faults may be set from any thread; the rest is the server's.

    Attributes:
        on: whether requests have to be looked at, which stays so once it was.
        spec: what was set last.
    """

    def __init__(self, seed: int, api_key: str, ledger: RequestLog) -> None:
        self._seed = seed
        self._api_key = api_key
        self._ledger = ledger
        self._plan = Plan(seed, ())
        self.on = False
        self.spec = ""

    def set(self, spec: str) -> None:
        """Have these faults instead, with requests numbered from 1 again; "" is none.

        Raises:
            ValueError: with a sentence that says what is wrong with the spec.
        """
        self._plan = Plan(self._seed, parse(spec))
        self.spec = spec
        self.on = self.on or bool(self._plan)

    def strike(self, request: Request) -> Strike | None:
        """Number a request and tell the fault that it meets; count a cookie that came back."""
        if f"{COOKIE}=" in request.header(b"cookie"):
            self._ledger.cookie_returned()
        plan = self._plan
        met = plan.next()
        if met is None:
            return None
        name, amount = met
        self._ledger.fault(name)
        return Strike(name, Fault(request, plan.number, self._api_key, amount))

    def page(self, pager: Pager, items: Sequence[Any], page: str | None, size: int) -> Page:
        """A page of a listing, lies included; a lie counts where it tells."""
        plan = self._plan
        lie = plan.lie(listing := pager.listing) if plan else None
        if lie is None:
            return pager.page(items, page, size)
        turned = plan.turn(listing, onward=page_number(page) > 1)
        asked = Asked(pager, items, page, size, turned)
        told = PAGING_FAULTS[lie](asked)
        if told != asked.cut():
            self._ledger.fault(lie)
        return told

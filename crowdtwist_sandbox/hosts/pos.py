"""Endpoints of the POS host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.hosts.dates import purchase_days

if TYPE_CHECKING:
    from crowdtwist_sandbox.hosts.call import Call
    from crowdtwist_sandbox.hosts.routes import Handler

_PAGE_SIZE = 10


def purchases(call: Call) -> Any:
    """Page "User Purchase History": ten a page, the days filter `last_date_purchased`."""
    member = call.pos_member()
    start, end = purchase_days(call)
    listing = call.world.listing("purchases", member)
    items = listing.items
    if not call.deviates("purchases_ignore_dates"):
        items = [item for item in items if start <= item.last < end]
    listing = listing._replace(items=items)
    return call.envelope("purchases", "purchases", listing, _PAGE_SIZE, member)


def points_awaiting_fulfillment(call: Call) -> Any:
    """Page "Points Awaiting Fulfillment": one object per member."""
    member = call.pos_member()
    (sent,) = call.array(
        "points_awaiting_fulfillment",
        call.world.listing("points_awaiting_fulfillment", member),
        member,
    )
    return sent


HANDLERS: dict[str, Handler] = {
    "/users/{id}/purchases": purchases,
    "/fulfillment/users/{id}": points_awaiting_fulfillment,
}

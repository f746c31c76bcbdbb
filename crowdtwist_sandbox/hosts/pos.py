"""Endpoints of the POS host, each with the name of the API's page about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.hosts.dates import purchase_days

if TYPE_CHECKING:
    from crowdtwist_sandbox.hosts.call import Call
    from crowdtwist_sandbox.hosts.routes import Handler

_PAGE_SIZE = 10


def purchases(call: Call) -> Any:
    """Return a page of ten of a member's purchases ("User Purchase History").

    The date range is on `last_date_purchased`.
    """
    member = call.pos_member()
    start, end = purchase_days(call)
    listing = call.world.listing("purchases", member)
    items = listing.items
    if not call.deviates("purchases_ignore_dates"):
        items = [item for item in items if start <= item.last < end]
    listing = listing._replace(items=items)
    return call.envelope("purchases", "purchases", listing, _PAGE_SIZE, member)


def points_awaiting_fulfillment(call: Call) -> Any:
    """Return a member's pending points, as one object ("Points Awaiting Fulfillment")."""
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

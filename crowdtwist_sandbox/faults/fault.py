"""The input of a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crowdtwist_sandbox.http_exchange import Request

COOKIE = "crowdtwist_sandbox"
"""The name of the cookie that no client should send back."""


class Fault(NamedTuple):
    """The request, its number, the key that the hosts accept, and the fault's parameter."""

    request: Request
    number: int
    api_key: str
    amount: float

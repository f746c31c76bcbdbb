"""Which addresses may post.

The client's address is that of the connection's other end, except behind a proxy that was named:
then it is what that proxy says, in the header `X-Forwarded-For`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True)
class Addresses:
    """The addresses that may post.

    Attributes:
        allowed: networks of clients; none for anybody.
        proxies: networks of proxies, whose word on their clients is taken.
    """

    allowed: Sequence[Network] = ()
    proxies: Sequence[Network] = ()

    def accept(self, scope: Scope) -> bool:
        """Check whether the client of a request has an allowed address."""
        if not self.allowed:
            return True
        client = self._client(scope)
        return client is not None and _is_in(self.allowed, client)

    def _client(self, scope: Scope) -> Address | None:
        """Return the client's address; None if it cannot be known.

        Each proxy appends the address that it was reached from, so the chain is read from its end,
        for as long as proxies vouch for it. What stands before is whatever the client made up. A
        chain of nothing but proxies names no client: a proxy that adds no header is not one.
        """
        if scope["client"] is None:  # it has gone already
            return None
        # The header may come more than once, and is then one list.
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        chain = b",".join(values).decode("latin-1").split(",")
        for text in (scope["client"][0], *reversed(chain)):
            address = _address(text)
            if address is None or not _is_in(self.proxies, address):
                return address
        return None


def network(text: str) -> Network:
    """Read a network in CIDR notation, or a single address.

    Raises:
        ValueError: it is neither, or has bits set beyond its prefix.
    """
    found = ip_network(text)
    # Clients in IPv4 are compared as such, however they came.
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        address = found.network_address.ipv4_mapped
        return IPv4Network((int(address or 0), found.prefixlen - _MAPPED.prefixlen))
    return found


def has_loopback(networks: Iterable[Network]) -> bool:
    """Check whether a loopback address is in any of the networks."""
    return any(
        found.version == loopback.version and found.overlaps(loopback)
        for found in networks
        for loopback in _LOOPBACK
    )


def _address(text: str) -> Address | None:
    """Read an address, which some proxies send with a port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_in(networks: Sequence[Network], address: Address) -> bool:
    return any(address in found for found in networks)

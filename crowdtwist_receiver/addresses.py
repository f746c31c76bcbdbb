"""Client addresses that may post.

The client is the other end of the connection, unless that is a trusted proxy: then the header
`X-Forwarded-For` names the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crowdtwist_receiver.responses import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True)
class Addresses:
    """Addresses that may post.

    Attributes:
        allowed: networks of clients; empty for any client.
        proxies: networks of proxies whose `X-Forwarded-For` is trusted.
    """

    allowed: Sequence[Network] = ()
    proxies: Sequence[Network] = ()

    def accept(self, scope: Scope) -> bool:
        """Return whether the client of a request has an allowed address."""
        if not self.allowed:
            return True
        client = self._client(scope)
        return client is not None and _is_in(self.allowed, client)

    def _client(self, scope: Scope) -> Address | None:
        """Return the client's address, or None if it is unknown.

        If every address in the chain is a trusted proxy, the client is unknown: one of the proxies
        did not add the header.
        """
        if scope["client"] is None:  # the client has disconnected
            return None
        # A repeated header is one list (RFC 9110, 5.3).
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        chain = b",".join(values).decode("latin-1").split(",")
        # Each proxy appends the address that connected to it, so read from the end and stop at the
        # first address that is not a trusted proxy. The client may have forged all before it.
        for text in (scope["client"][0], *reversed(chain)):
            address = _address(text)
            if address is None or not _is_in(self.proxies, address):
                return address
        return None


def has_loopback(networks: Iterable[Network]) -> bool:
    """Return whether any of the networks contains a loopback address."""
    return any(each.overlaps(loopback) for each in networks for loopback in _LOOPBACK)


def _address(text: str) -> Address | None:
    """Parse an address; some proxies append a port to it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket reports IPv4 clients as ::ffff:a.b.c.d.
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _is_in(networks: Sequence[Network], address: Address) -> bool:
    return any(address in each for each in networks)

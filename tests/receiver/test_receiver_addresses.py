"""Who may post by address: the peer's, or what a trusted proxy says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.receiver import BY_KEY, KEY, answer_on, head, receiving, stored

from crowdtwist_receiver.addresses import Address, Addresses
from crowdtwist_receiver.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = [ip_network("203.0.113.0/24"), ip_network("2001:db8:1::/48")]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:2::/48")]
ADDRESSES = Addresses(ALLOWED, PROXIES)


def within(networks: list[Any]) -> st.SearchStrategy[Address]:
    return st.one_of([st.ip_addresses(network=found) for found in networks])


CLIENTS = within(ALLOWED)
TRUSTED = within(PROXIES)
OTHERS = st.ip_addresses().filter(
    lambda a: not any(a in found for found in [*ALLOWED, *PROXIES, ip_network("::ffff:0:0/96")])
)
MADE_UP = st.one_of(st.just("unknown"), st.just(""), CLIENTS.map(str), TRUSTED.map(str))


def forms(address: Address) -> st.SearchStrategy[str]:
    """The ways in which peers and proxies write an address."""
    if isinstance(address, IPv4Address):
        mapped = IPv6Address(f"::ffff:{address}")
        return st.sampled_from([f"{address}", f" {address}:4711", f"{mapped}", f"[{mapped}]:4711"])
    return st.sampled_from([f"{address}", f"[{address}]", f" [{address}]:4711 "])


def accepts(peer: str, *headers: str, addresses: Addresses = ADDRESSES) -> bool:
    given_headers = [(b"x-forwarded-for", text.encode()) for text in headers]
    return addresses.accept({"client": (peer, 4711), "headers": given_headers})


@given(client=st.one_of(CLIENTS, OTHERS), data=st.data())
def test_the_peer_is_the_client_whatever_it_says(client: Address, data: st.DataObject) -> None:
    header = data.draw(st.lists(st.lists(MADE_UP).map(",".join)))

    assert accepts(data.draw(forms(client)), *header) == any(client in n for n in ALLOWED)


@given(
    client=st.one_of(CLIENTS, OTHERS),
    proxies=st.lists(TRUSTED, min_size=1, max_size=4),
    made_up=st.lists(MADE_UP, max_size=3),
    data=st.data(),
)
def test_trusted_proxies_tell_the_client_and_nobody_before_it(
    client: Address, proxies: list[Address], made_up: list[str], data: st.DataObject
) -> None:
    *hops, peer = [data.draw(forms(address)) for address in [client, *proxies]]
    chain = [*made_up, *hops]
    cut = data.draw(st.integers(0, len(chain) - 1))  # the header may come in two
    headers = [",".join(part) for part in (chain[:cut], chain[cut:]) if part]

    assert accepts(peer, *headers) == any(client in found for found in ALLOWED)


@given(
    proxies=st.lists(TRUSTED, min_size=1, max_size=4), hidden=st.sampled_from(["", "unknown", "_x"])
)
def test_a_client_that_no_proxy_names_is_refused(proxies: list[Address], hidden: str) -> None:
    *hops, peer = map(str, proxies)
    everybody = Addresses([ip_network("0.0.0.0/0"), ip_network("::/0")], PROXIES)

    assert not accepts(peer, addresses=everybody)
    assert not accepts(peer, ",".join(hops), addresses=everybody)
    assert not accepts(peer, ",".join(["203.0.113.7", hidden, *hops]), addresses=everybody)


@pytest.mark.parametrize("allowed", ["127.0.0.1", "0.0.0.0/0", "::/0", "::1", "126.0.0.0/7"])
@pytest.mark.parametrize("more", [[], ["--trusted-proxy", "127.0.0.1"]])
def test_loopback_is_never_allowed_without_authentication(
    allowed: str, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--no-authentication", "--allow", "203.0.113.0/24", "--allow", allowed, *more]

    assert main(["--directory", str(tmp_path / "live"), *options]) == 1
    assert capsys.readouterr().err == (
        "crowdtwist-receiver: --allow: must not contain a loopback address with"
        " --no-authentication, because a local proxy would let every client in.\n"
    )


def test_without_authentication_only_allowed_addresses_may_post(tmp_path: Path) -> None:
    options = ("--no-authentication", "--allow", "203.0.113.0/24", "--allow", "2001:db8::/32")
    for more, statuses in [
        ((), (403, 403, 403, 403)),
        (("--trusted-proxy", "127.0.0.1"), (200, 200, 403, 403)),
    ]:
        with receiving(tmp_path, *options, *more, secrets={}) as running:
            for client, status in zip(
                ("203.0.113.7", "2001:db8::7", "203.0.113.7, 192.0.2.1", ""), statuses, strict=True
            ):
                response = running.post("/live", {"id": 1}, X_Forwarded_For=client, x_api_key="")
                assert response.status_code == status
            assert running.health().status_code == 200
            _, _, err = running.end()
        warning, counts = err.splitlines()
        assert warning.endswith(
            "authentication is off: every client with an allowed address may post."
        )
        assert f"{statuses.count(403)} x 403 address not allowed" in counts
    assert len(stored(tmp_path)) == 2


def test_with_authentication_both_the_address_and_the_secret_must_be_right(tmp_path: Path) -> None:
    for allowed, key, status in [
        ("127.0.0.1", KEY, 200),
        ("127.0.0.1", "wrong", 401),
        ("192.0.2.1", KEY, 403),
    ]:
        with receiving(tmp_path, "--allow", allowed, secrets=BY_KEY) as running:
            assert running.post("/live", {"id": 1}, x_api_key=key).status_code == status
    assert len(stored(tmp_path)) == 1


def test_nothing_of_a_body_is_read_from_an_address_that_is_not_allowed(tmp_path: Path) -> None:
    with (
        receiving(tmp_path, "--allow", "192.0.2.1") as running,
        running.connect() as connection,
    ):
        connection.sendall(head(Content_Length="10", Expect="100-continue"))
        assert answer_on(connection)[0] == 403

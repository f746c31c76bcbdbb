"""Proxies and certificates come from the usual environment variables, TLS 1.2 or later always."""

from __future__ import annotations

import gc
import ssl
from typing import TYPE_CHECKING

import pytest
from support.certificates import NAME, Certificate, make_certificate
from support.scripted_server import Server, answer, drip, relay

from tap_crowdtwist.api.auth import HeaderKey
from tap_crowdtwist.api.transport import CA_BUNDLES, NoResponseError, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTH = HeaderKey("made-up-key")
BODY = b'{"id": 1}'
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CA_BUNDLES, *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(2, 2, "tap-crowdtwist/test")
    yield made
    made.close()
    gc.collect()


def refusal(transport: Transport, url: str) -> NoResponseError:
    with pytest.raises(NoResponseError) as caught:
        transport.get(url, AUTH)
    return caught.value


def test_a_proxy_is_asked_for_a_host_elsewhere(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(answer(BODY)).running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        answers = [transport.get(f"http://{NAME}/x?page=1", AUTH).body for _ in range(2)]
        assert transport.get(f"http://pos.{NAME}/", AUTH).body == BODY
    assert answers == [BODY, BODY]
    assert proxy.heads[0].startswith(f"GET http://{NAME}/x?page=1 HTTP/1.1\r\n")
    assert proxy.heads[2].startswith(f"GET http://pos.{NAME}/ HTTP/1.1\r\n")


def test_a_proxy_passes_tls_on_and_sees_no_more_than_the_host(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    with (
        Server(answer(BODY)).running(certificate.context()) as host,
        Server(relay(host.port)).running() as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
        answers = [transport.get(f"https://{NAME}/x?api_key=made-up", AUTH).body for _ in range(2)]
        transport.close()
    assert answers == [BODY, BODY]
    assert [head.split()[:2] for head in proxy.heads] == [["CONNECT", f"{NAME}:443"]]
    assert "made-up" not in "".join(proxy.heads)
    assert len(host.heads) == 2


def test_loopback_is_never_reached_through_a_proxy(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, NOWHERE)
    with Server(answer(BODY)).running() as server:
        assert transport.get(server.url, AUTH).body == BODY
        assert transport.get(server.url.replace("127.0.0.1", "localhost"), AUTH).body == BODY


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_by_its_variable(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", NOWHERE.replace("//", "//ada:made-up@"))
    error = refusal(transport, f"{scheme}://{NAME}/")
    assert str(error) == "the proxy that the variable HTTPS_PROXY names rejected the connection"
    assert not error.is_permanent


def test_a_proxy_that_wants_a_password_refuses(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(answer(b"", status="407 Proxy Authentication Required")).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = refusal(transport, f"https://{NAME}/")
    assert str(error) == "the proxy that the variable HTTPS_PROXY names rejected the connection"


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "socks5://127.0.0.1:1", "http://"])
def test_what_is_no_proxy_is_named_by_its_variable(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = refusal(transport, f"https://{NAME}/")
    assert str(error) == "the variable HTTPS_PROXY names a proxy that cannot be used"
    assert error.is_permanent


def test_a_proxy_that_never_ends_its_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport = Transport(1, 0.3, "tap-crowdtwist/test")
    with Server(drip(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n")).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        refusal(transport, f"https://{NAME}/")
    transport.close()


@pytest.mark.parametrize("variable", CA_BUNDLES)
def test_a_certificate_of_ones_own_is_trusted_where_the_environment_says_so(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, certificate: Certificate, variable: str
) -> None:
    trusted = certificate.folder if variable == "SSL_CERT_DIR" else certificate.chain
    monkeypatch.setenv(variable, str(trusted))
    with Server(answer(BODY)).running(certificate.context()) as host:
        assert transport.get(host.url, AUTH).body == BODY


def test_a_certificate_that_nobody_trusts_ends_it_at_once(
    transport: Transport, certificate: Certificate
) -> None:
    with Server(answer(BODY)).running(certificate.context()) as host:
        error = refusal(transport, host.url)
    assert str(error).startswith("the certificate of the host is not trusted (REQUESTS_CA_BUNDLE")
    assert error.is_permanent
    assert host.heads == []


def test_a_certificate_for_another_host_is_not_trusted(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
    with Server(answer(BODY)).running(certificate.context()) as host:
        error = refusal(transport, host.url.replace("127.0.0.1", "localhost"))
    assert error.is_permanent
    assert host.heads == []


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_certificates_that_cannot_be_read_are_named_by_their_variable(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: object, content: str | None
) -> None:
    path = f"{tmp_path}/bundle.pem"
    if content is not None:
        with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 - its name is what counts
            file.write(content)
    monkeypatch.setenv("SSL_CERT_FILE", path)
    error = refusal(transport, "https://127.0.0.1:1/")
    assert str(error) == "the certificates that the variable SSL_CERT_FILE names cannot be read"
    assert error.is_permanent


@pytest.mark.parametrize(
    ("newest", "spoken"), [(ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)]
)
def test_tls_before_1_2_is_not_spoken(
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Certificate,
    newest: ssl.TLSVersion,
    *,
    spoken: bool,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.chain))
    with Server(answer(BODY)).running(certificate.context(newest)) as host:
        if spoken:
            assert transport.get(host.url, AUTH).body == BODY
        else:
            error = refusal(transport, host.url)
            assert (str(error), error.is_permanent) == ("the TLS handshake failed", False)
    if not spoken:
        assert "unsupported protocol" in host.failures[0].lower()


def test_what_is_not_tls_is_no_answer() -> None:
    transport = Transport(1, 0.3, "tap-crowdtwist/test")
    with Server(b"").running() as host:
        error = refusal(transport, host.url.replace("http:", "https:"))
    assert not error.is_permanent

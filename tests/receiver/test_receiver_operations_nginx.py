"""The receiver behind a real nginx with the configuration of the page, ports and paths apart."""

from __future__ import annotations

import json
import resource
import shlex
import signal
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
from support.certificates import Certificate, make_certificate
from support.nginx_server import NginxServer
from support.processes import HOST, free_port
from support.receiver import HEADERS, Running, answer_on, head, receiving, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="nginx connects from 127.0.0.2, which only Linux has"
)

ROOM = Path(__file__).resolve().parents[2] / "orchestrate" / "receiver"
SITE = (ROOM / "nginx.conf").read_text(encoding="utf-8")
ENVIRONMENT = (ROOM / "receiver.env").read_text(encoding="utf-8")
OPTIONS = shlex.split(shlex.split(ENVIRONMENT.rpartition("OPTIONS=")[2])[0])
_, HARD = resource.getrlimit(resource.RLIMIT_FSIZE)
MIB = 1024 * 1024
PROFILE = {"id": 1000003, "username": "ada", "redeemablePoints": 27}


class Front(NamedTuple):
    """An nginx in front of receivers, as a client sees it."""

    server: NginxServer
    certificate: Certificate

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request; what is not bytes is sent as JSON."""
        return requests.request(
            method,
            f"https://{HOST}:{self.server.port}{path}",
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}},
            verify=str(self.certificate.chain),
            timeout=60,
        )

    def post(self, body: Any, path: str = "/live", **headers: str) -> Any:
        return self.request("POST", path, body, **headers)

    def post_until_stored(self, body: Any) -> list[int]:
        """Send an event again as long as the answer says so, as CrowdTwist does; the statuses."""
        statuses: list[int] = []
        while not statuses or statuses[-1] != 200:
            response = self.post(body)
            statuses.append(response.status_code)
            if response.status_code == 503:
                assert int(response.headers["retry-after"]) > 0
                time.sleep(0.02)
        return statuses

    def connect(self, source: str = HOST) -> ssl.SSLSocket:
        """A connection to speak HTTP on by hand, from an address of this machine."""
        context = ssl.create_default_context(cafile=str(self.certificate.chain))
        address = (HOST, self.server.port)
        raw = socket.create_connection(address, timeout=30, source_address=(source, 0))
        return context.wrap_socket(raw, server_hostname=HOST)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def front(tmp_path: Path, certificate: Certificate) -> Iterator[Any]:
    """Puts an nginx in front of the receivers at ports, with other texts replaced."""
    with ExitStack() as stack:

        def start(*ports: int, **others: str) -> Front:
            servers = "\n".join(f"server {HOST}:{port} max_fails=0;" for port in ports)
            port = free_port()
            texts = {
                "server 127.0.0.1:8700 max_fails=0;": servers,
                "listen 443 ssl;": f"listen {HOST}:{port} ssl;",
                "/etc/ssl/receiver.example.com/fullchain.pem": str(certificate.chain),
                "/etc/ssl/receiver.example.com/privkey.pem": str(certificate.key),
                **{f"{name} 10s;": f"{name} {value};" for name, value in others.items()},
            }
            site = SITE
            for old, new in texts.items():
                assert site.count(old) == 1, old
                site = site.replace(old, new)
            home = tmp_path / "nginx"
            home.mkdir()
            return Front(stack.enter_context(NginxServer(home, site, port)), certificate)

        yield start


def port_of(running: Running) -> int:
    return int(running.url.rpartition(":")[2])


def test_events_come_through_tls_as_they_were_sent(tmp_path: Path, front: Any) -> None:
    with receiving(tmp_path / "live") as running:
        site = front(port_of(running))
        text = json.dumps(PROFILE, indent=1).encode()
        assert site.post(text, "/live/users").status_code == 200
        assert site.post({"orderId": "7"}).status_code == 200
        rejected = site.post(PROFILE, x_api_key="CANARY-wrong")

    assert (rejected.status_code, rejected.json()) == (401, {"error": "unauthorized"})
    (profile,) = stored(tmp_path / "live", "live_users")
    (order,) = stored(tmp_path / "live", "live_redemptions")
    assert profile.text == text.replace(b"\n", b" ")
    assert order.event == {"orderId": "7"}
    assert "CANARY" not in site.server.requests() + site.server.errors()


def test_only_the_paths_of_events_are_reachable(tmp_path: Path, front: Any) -> None:
    with receiving(tmp_path / "live", "--metrics-allow", "127.0.0.0/8") as running:
        assert requests.get(running.url + "/metrics", timeout=10).status_code == 200
        site = front(port_of(running))
        paths = ["/", "/metrics", "/health", "//metrics", "/metrics/", "/live/%2e%2e/metrics"]
        for path in [*paths, "/live/..%2fmetrics", "/x/..;/metrics", "/live%2f..%2fhealth"]:
            with site.connect() as connection:  # by hand: a client would resolve the dots
                connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 404 "), path
            assert b"events_stored" not in answer, path
        assert site.request("GET", "/live").status_code == 405


def test_the_largest_body_of_the_receiver_comes_through_and_no_larger_one(
    tmp_path: Path, front: Any
) -> None:
    def body(size: int) -> bytes:
        return b'{"id":1,"notes":"%s"}' % (b"x" * (size - len('{"id":1,"notes":""}')))

    with receiving(tmp_path / "live") as running:
        site = front(port_of(running))
        assert site.post(body(MIB)).status_code == 200
        assert site.post(body(MIB + 1)).status_code == 413
        assert running.post("/live", body(MIB + 1)).status_code == 413

    assert [line.text for line in stored(tmp_path / "live")] == [body(MIB)]
    # A body that does not fit into memory would be written to a file, with a warning.
    assert "[warn]" not in site.server.errors()


def test_a_slow_body_does_not_occupy_the_receiver(tmp_path: Path, front: Any) -> None:
    with receiving(tmp_path / "live", "--body-timeout", "0.5", "--max-bodies", "1") as running:
        site = front(port_of(running))
        with site.connect() as slow, site.connect() as other:
            slow.sendall(head("/live", Content_Length="18"))
            begun = time.monotonic()
            for byte in b'{"id": ':  # in twice the time that the receiver would wait
                slow.sendall(bytes([byte]))
                time.sleep(0.15)
            other.sendall(head("/live", Content_Length="8") + b'{"id":1}')
            assert answer_on(other)[0] == 200
            assert time.monotonic() - begun > 1
            slow.sendall(b"2         }")
            assert answer_on(slow)[0] == 200

    assert [line.event for line in stored(tmp_path / "live")] == [{"id": 1}, {"id": 2}]


def test_a_body_that_stalls_ends_at_nginx_and_the_client_may_send_it_again(
    tmp_path: Path, front: Any
) -> None:
    with receiving(tmp_path / "live") as running:
        site = front(port_of(running), client_body_timeout="1s")
        with site.connect() as stalled:
            stalled.sendall(head("/live", Content_Length="8") + b'{"id"')
            assert stalled.recv(1000) == b""
        assert site.post(PROFILE).status_code == 200
        _, _, err = running.end()

    assert [line.event for line in stored(tmp_path / "live")] == [PROFILE]
    assert "responses: 1 x 200;" in err
    assert ' 408 0 "' in site.server.requests()


def test_while_no_receiver_runs_it_is_told_to_send_again(tmp_path: Path, front: Any) -> None:
    gone = free_port()
    site = front(gone)
    answer = site.post(PROFILE)
    assert (answer.status_code, answer.text) == (503, "no receiver responds")
    assert answer.headers["retry-after"] == "5"
    statuses: list[int] = []
    client = Thread(target=lambda: statuses.extend(site.post_until_stored(PROFILE)))
    client.start()
    with receiving(tmp_path / "live", "--port", str(gone)):
        client.join(60)

    assert statuses[-1] == 200
    assert set(statuses[:-1]) <= {503}
    assert [line.event for line in stored(tmp_path / "live")] == [PROFILE]


def test_a_receiver_restarted_under_load_loses_nothing(tmp_path: Path, front: Any) -> None:
    directory, port = tmp_path / "live", free_port()
    site = front(port)
    statuses: list[int] = []
    sent = [{"id": number, "notes": "x" * 1500} for number in range(120)]

    def post(events: list[dict[str, Any]]) -> None:
        for event in events:
            statuses.extend(site.post_until_stored(event))

    clients = [Thread(target=post, args=(sent[part::3],)) for part in range(3)]
    for client in clients:
        client.start()
    for number, count in ((signal.SIGTERM, 30), (signal.SIGKILL, 80), (None, len(sent))):
        with receiving(directory, "--port", str(port)) as running:
            while statuses.count(200) < count:
                time.sleep(0.005)
            if number:
                running.process.send_signal(number)
                running.process.wait(20)
    for client in clients:
        client.join(60)

    assert set(statuses) == {200, 503}
    found = [line.event for line in stored(directory)]
    assert sorted({event["id"] for event in found}) == list(range(len(sent)))
    assert all(event == sent[event["id"]] for event in found)


def test_what_one_receiver_cannot_store_goes_to_the_other(tmp_path: Path, front: Any) -> None:
    directory = tmp_path / "live"
    with receiving(directory) as one, receiving(directory) as other:
        site = front(port_of(one), port_of(other))
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (0, HARD))
        during = [site.post({"id": number}).status_code for number in range(4)]
        assert one.health().status_code == 503
        one.process.kill()
        one.process.wait()
        after = [site.post({"id": number}).status_code for number in range(4, 8)]

    assert during == after == [200] * 4
    assert {line.event["id"] for line in stored(directory)} == set(range(8))


def test_a_full_disk_is_passed_on_with_the_time_to_wait(tmp_path: Path, front: Any) -> None:
    with receiving(tmp_path / "live") as running:
        site = front(port_of(running))
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, HARD))
        answer = site.post(PROFILE)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (HARD, HARD))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json() == {"error": "events cannot be written to disk"}
        assert site.post_until_stored(PROFILE)[-1] == 200

    assert [line.event for line in stored(tmp_path / "live")] == [PROFILE]


def test_the_receiver_knows_the_client_by_its_address(tmp_path: Path, front: Any) -> None:
    options = ["127.0.0.3/32" if word == "203.0.113.0/24" else word for word in OPTIONS]
    with receiving(tmp_path / "live", *options) as running:
        site = front(port_of(running))
        statuses = {}
        for source, forged in (
            ("127.0.0.3", "198.51.100.9"),  # a client of the network may say what it likes
            ("127.0.0.1", "127.0.0.3"),
            ("127.0.0.1", "127.0.0.3, 127.0.0.2"),
        ):
            with site.connect(source) as connection:
                text = head("/live", Content_Length="8", X_Forwarded_For=forged)
                connection.sendall(text + b'{"id":1}')
                statuses[source, forged] = answer_on(connection)[0]

    assert list(statuses.values()) == [200, 403, 403], statuses
    assert len(stored(tmp_path / "live")) == 1

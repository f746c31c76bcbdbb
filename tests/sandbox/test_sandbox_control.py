"""The control surface, the request limit, latency, and a sandbox's start and end."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.sandbox_client import FIRST_ID, HEAVY, KEY, TODAY, Client, sandbox

from crowdtwist_sandbox import Sandbox, SandboxOptions
from crowdtwist_sandbox.clock import Clock
from crowdtwist_sandbox.limits import Bucket, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with sandbox() as running, requests.Session() as session:
        yield Client(running, session)


def test_the_clock_stands_at_the_end_of_a_day_and_can_be_advanced(client: Client) -> None:
    start = {"day": 0, "today": "2026-03-10", "now": "2026-03-10T23:59:59Z"}
    assert client.control("/clock").json() == start == client.sandbox.clock()
    later = {"day": 2, "today": "2026-03-12", "now": "2026-03-12T23:59:59Z"}
    assert client.post("/advance", {"days": 2}).json() == later
    assert client.post("/advance").json()["day"] == 3
    assert client.sandbox.advance()["day"] == 4
    assert client.get("/v2.1/activities/extended").json()["paging"]["total"] == 61


@pytest.mark.parametrize("body", [{"days": 0}, {"days": "1"}, {"days": True}, [1], {"days": 10**6}])
def test_time_does_not_run_backwards_nor_far(client: Client, body: Any) -> None:
    response = client.post("/advance", body)
    assert (response.status_code, response.json()["error"]) == (400, "param_error")
    garbage = client.session.post(client.sandbox.control_url + "/advance", data="{")
    assert garbage.status_code == 400
    assert client.sandbox.clock()["day"] == 0


def test_the_clock_refuses_less_than_a_day() -> None:
    with pytest.raises(ValueError, match="days"):
        Clock(TODAY).advance(0)


def test_the_roster_comes_as_text_csv_and_json_lines(client: Client) -> None:
    ids = client.sandbox.roster()
    assert len(ids) == 60
    assert client.control("/roster").text.splitlines() == ids
    csv = client.control("/roster", format="csv").text.splitlines()
    assert csv[:2] == ["member_id,email", f"{FIRST_ID},ada.sample+0@example.test"]
    lines = client.control("/roster", format="jsonl").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [int(text) for text in ids]
    emails = client.control("/roster", id_type="email", format="jsonl").text.splitlines()
    assert json.loads(emails[0]) == {"id": "ada.sample+0@example.test"}
    partners = client.control("/roster", id_type="third_party_id").text.splitlines()
    assert partners == client.sandbox.roster("third_party_id")
    assert len(partners) < len(ids)
    for wrong in ({"id_type": "shoe_size"}, {"format": "xml"}):
        assert client.control("/roster", **wrong).status_code == 400


def test_a_large_roster_streams_in_pieces() -> None:
    with sandbox(members=1_000_000) as running:
        url = f"{running.control_url}/roster"
        with requests.get(url, stream=True, timeout=10) as response:
            first = next(response.iter_lines())
        assert first == str(FIRST_ID).encode()


def test_truth_can_be_asked_for_a_day(client: Client) -> None:
    today = client.control("/truth/users", day=0).text
    assert client.control("/truth/users").text == today
    assert client.control("/truth/users", day=3).text != today
    for wrong in ("/truth/nonsense", "/truth/users?day=x", "/truth/users?day=-1"):
        assert client.control(wrong).status_code == 400


def test_requests_are_counted_by_host_endpoint_and_status(client: Client) -> None:
    client.get(f"/v2/users/{FIRST_ID}")
    client.get(f"/v2/users/{HEAVY}")
    client.get("/v2/users/1")
    client.get("/nowhere")
    client.get(f"/users/{HEAVY}/purchases", pos=True)
    client.control("/clock")
    template = "/v2/users/{id}"
    counts = client.control("/counts").json()
    assert counts == client.sandbox.counts()
    assert counts == {
        "total": 5,
        "requests": [
            {"host": "api", "endpoint": "(unknown)", "status": 404, "count": 1},
            {"host": "api", "endpoint": template, "status": 200, "count": 2},
            {"host": "api", "endpoint": template, "status": 404, "count": 1},
            {"host": "pos", "endpoint": "/users/{id}/purchases", "status": 200, "count": 1},
        ],
        "faults": {},
        "cookie_returned": 0,
    }
    nothing = {"total": 0, "requests": [], "faults": {}, "cookie_returned": 0}
    assert client.post("/reset").json() == nothing
    client.get("/nowhere")
    client.sandbox.reset()
    assert client.sandbox.requests() == []


def test_requests_are_remembered_without_the_key(client: Client) -> None:
    client.session.get(f"{client.sandbox.api_url}/v2/users/a%2Fb?page=1&api_key={KEY}&x=")
    entry = client.control("/requests").json()[-1]
    assert entry["at"] <= time.monotonic()
    del entry["at"]
    assert entry == {
        "host": "api",
        "method": "GET",
        "path": "/v2/users/a%2Fb",
        "query": "page=1&api_key=&x=",
        "status": 404,
    }
    assert KEY not in json.dumps(client.sandbox.requests())


def test_the_control_surface_lives_on_the_main_port_only(client: Client) -> None:
    assert client.session.get(client.sandbox.pos_url + "/_sandbox/clock").status_code == 403
    assert client.control("/nothing").status_code == 404


def test_both_hosts_share_one_limit() -> None:
    with sandbox(requests_per_minute=60, retry_after="seconds") as running:
        with requests.Session() as session:
            client = Client(running, session)
            assert client.get(f"/v2/users/{FIRST_ID}").status_code == 200
            refused = client.get(f"/users/{FIRST_ID}/purchases", pos=True)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"] == "too_many_requests"
            assert client.control("/clock").status_code == 200
        assert [row["status"] for row in running.counts()["requests"]] == [200, 429]


def test_a_bucket_refills_evenly_and_holds_one_second() -> None:
    now = 0.0
    bucket = Bucket(120, lambda: now)
    assert [bucket.take() for _ in range(3)] == [0, 0, pytest.approx(0.5)]
    now = 0.5
    assert [bucket.take(), bucket.take()] == [0, pytest.approx(0.5)]
    now = 100
    assert sum(bucket.take() == 0 for _ in range(10)) == 2


def test_a_slow_bucket_still_lets_one_through() -> None:
    now = 0.0
    bucket = Bucket(6, lambda: now)
    assert [bucket.take(), bucket.take()] == [0, pytest.approx(10)]


@pytest.mark.parametrize(("policy", "value"), [("seconds", "3"), ("none", None), ("7", "7")])
def test_retry_after_is_rounded_up_left_out_or_fixed(policy: str, value: str | None) -> None:
    assert retry_after(policy, 2.1) == value


def test_every_answer_can_be_held_back() -> None:
    with sandbox(latency_ms=30) as running, requests.Session() as session:
        client = Client(running, session)
        before = time.monotonic()
        client.get(f"/v2/users/{FIRST_ID}")
        assert time.monotonic() - before >= 0.03


def test_nothing_stays_behind() -> None:
    threads = threading.active_count()
    with sandbox() as running, requests.Session() as session:
        Client(running, session).control("/truth/users")
        port = int(running.api_url.rsplit(":", 1)[1])
        assert threading.active_count() > threads
    assert threading.active_count() == threads
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0
    running.stop()


def test_a_busy_port_is_refused_and_nothing_stays_behind() -> None:
    with sandbox() as running:
        port = int(running.pos_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=rf"^Port {port} of 127.0.0.1 cannot be used"):
            sandbox(pos_port=port).start()
    with pytest.raises(OSError, match="Port 99999 "):
        sandbox(port=99_999).start()


def test_a_sandbox_needs_no_options() -> None:
    assert Sandbox().options.members == 300
    assert Sandbox().api_key == KEY
    assert KEY not in repr(SandboxOptions())


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": 0},
        {"latency_ms": -1},
        {"requests_per_minute": -1},
        {"retry_after": "soon"},
        {"hmac_public_key": "public"},
        {"hmac_timestamp": "hours"},
        {"hmac_digest": "md5"},
        {"api_key": ""},
    ],
)
def test_options_that_cannot_be_served_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SandboxOptions(**wrong)

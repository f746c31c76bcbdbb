"""Each fault that is a whole answer: status, headers and body."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from support.sandbox_client import FIRST_ID, KEY, Client
from support.sandbox_faults import Heard, faulty, once

from crowdtwist_sandbox.faults.registry import RESPONSE_FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

PROFILE = f"/v2/users/{FIRST_ID}"
HTML = "text/html; charset=iso-8859-1"


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[Sandbox]:
    with faulty() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    _sandbox.set_faults()
    _sandbox.reset()
    return _sandbox


def struck(sandbox: Sandbox, spec: str) -> Heard:
    """The answer to one request that meets a fault, counted as it was sent."""
    sandbox.set_faults(f"{spec}@1")
    heard = once(sandbox, PROFILE, "Connection: close")
    counts = sandbox.counts()
    assert counts["faults"] == {spec.partition(":")[0]: 1}
    assert [row["status"] for row in counts["requests"]] == [heard.status]
    assert once(sandbox, PROFILE, "Connection: close").status == 200
    assert heard.end == "closed"
    assert int(heard.headers["content-length"]) == len(heard.body)
    return heard


@pytest.mark.parametrize(
    ("spec", "retry_after"),
    [("rate_limited", "1"), ("rate_limited:0", "0"), ("rate_limited:2.5", "3")],
)
def test_429_tells_the_seconds_to_wait(sandbox: Sandbox, spec: str, retry_after: str) -> None:
    heard = struck(sandbox, spec)
    assert (heard.status, heard.headers["retry-after"]) == (429, retry_after)
    assert json.loads(heard.body)["error"] == "too_many_requests"


def test_429_tells_the_date_to_wait_for(sandbox: Sandbox) -> None:
    before = time.time()
    heard = struck(sandbox, "rate_limited_date:30")
    assert heard.status == 429
    assert heard.headers["retry-after"].endswith(" GMT")
    ahead = parsedate_to_datetime(heard.headers["retry-after"]).timestamp() - before
    assert 30 <= ahead < 35


def test_429_tells_nothing(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "rate_limited_bare")
    assert heard.status == 429
    assert "retry-after" not in heard.headers


@pytest.mark.parametrize(
    ("name", "status", "retry_after"),
    [
        ("server_error", 500, None),
        ("bad_gateway", 502, None),
        ("unavailable", 503, None),
        ("unavailable_later:7", 503, "7"),
        ("gateway_timeout", 504, None),
    ],
)
def test_a_proxy_fails_with_html(
    sandbox: Sandbox, name: str, status: int, retry_after: str | None
) -> None:
    heard = struck(sandbox, name)
    assert (heard.status, heard.headers["content-type"]) == (status, HTML)
    assert heard.body.startswith(b"<html>")
    assert str(status).encode() in heard.body
    assert heard.headers.get("retry-after") == retry_after


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("internal_error", 500, "internal_error"),
        ("not_configured", 500, "not_configured"),
        ("access_denied", 403, "access_denied"),
        ("envelope_flat", 200, "internal_error"),
    ],
)
def test_an_error_in_the_main_hosts_form(
    sandbox: Sandbox, name: str, status: int, code: str
) -> None:
    heard = struck(sandbox, name)
    body = json.loads(heard.body)
    assert (heard.status, set(body), body["error"]) == (status, {"error", "message"}, code)


def test_an_error_with_200_in_the_form_of_writes(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "envelope_system")
    body = json.loads(heard.body)
    assert (heard.status, body["reason"]) == (200, "internal_error")
    assert set(body) == {"system", "reason", "description", "message"}


def test_an_error_with_200_in_the_nested_form(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "envelope_nested")
    error = json.loads(heard.body)["error"]
    assert (heard.status, error["code"]) == (200, 500)
    assert error["errors"][0]["reason"] == "internal_error"


def test_invalid_json_ends_in_the_middle(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "invalid_json")
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(heard.body)


def test_a_login_page_comes_with_200(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "login_page")
    assert (heard.status, heard.headers["content-type"]) == (200, HTML)
    assert b"Sign in" in heard.body


def test_an_empty_body_comes_with_200(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "empty_body")
    assert (heard.status, heard.body) == (200, b"")
    assert heard.headers["content-type"] == "application/json"


def test_not_modified_comes_unasked(sandbox: Sandbox) -> None:
    heard = struck(sandbox, "not_modified")
    assert (heard.status, heard.body) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "host"),
    [("127.0.0.1:9", "127.0.0.1:9"), ("localhost", "localhost")],
)
def test_redirect_names_the_same_host_and_carries_the_key(
    sandbox: Sandbox, asked: str, host: str
) -> None:
    assert _location(sandbox, "redirect", asked) == host


@pytest.mark.parametrize(
    ("asked", "host"),
    [("127.0.0.1:9", "localhost:9"), ("localhost:9", "127.0.0.1:9"), ("localhost", "127.0.0.1")],
)
def test_redirect_away_names_another_host_and_carries_the_key(
    sandbox: Sandbox, asked: str, host: str
) -> None:
    assert _location(sandbox, "redirect_away", asked) == host


def _location(sandbox: Sandbox, name: str, host: str) -> str:
    """The host that a redirect leads to; its path and parameters are as they should be."""
    sandbox.set_faults(f"{name}@1")
    response = requests.get(
        f"{sandbox.api_url}{PROFILE}",
        params={"pii": "true", "api_key": KEY},
        headers={"Host": host},
        timeout=5,
        allow_redirects=False,
    )
    assert response.status_code == 302
    target = urlsplit(response.headers["location"])
    assert target.path == PROFILE
    assert parse_qs(target.query) == {"pii": ["true"], "api_key": [KEY], "redirected": ["1"]}
    return target.netloc


def test_a_client_that_follows_is_found_out(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        for name in ("redirect", "redirect_away"):
            sandbox.set_faults(f"{name}@1")
            assert Client(sandbox, session).get(PROFILE).json()["id"] == FIRST_ID
            assert "redirected=1" in sandbox.requests()[-1]["query"]


def test_a_cookie_comes_with_the_right_answer_and_is_counted_if_it_comes_back(
    sandbox: Sandbox,
) -> None:
    sandbox.set_faults("cookie@1")
    with requests.Session() as session:
        client = Client(sandbox, session)
        first = client.get(PROFILE)
        assert first.json()["id"] == FIRST_ID
        assert first.headers["set-cookie"] == "crowdtwist_sandbox=1; Path=/"
        assert sandbox.counts()["cookie_returned"] == 0
        sandbox.set_faults()
        assert "set-cookie" not in client.get(PROFILE).headers
    assert sandbox.counts()["cookie_returned"] == 1


@pytest.mark.parametrize("name", RESPONSE_FAULTS)
def test_they_come_from_the_pos_host_too(sandbox: Sandbox, name: str) -> None:
    sandbox.set_faults(f"{name}@2")
    key = {"X-CT-Authorization": f"CTApiKey {KEY}"}
    url = f"{sandbox.pos_url}/users/{FIRST_ID}/purchases"
    with requests.Session() as session:
        for _ in range(3):
            session.get(url, headers=key, timeout=5, allow_redirects=False)
    assert sandbox.counts()["faults"] == {name: 1}

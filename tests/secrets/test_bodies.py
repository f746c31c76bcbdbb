"""What an answer says of a member is not repeated by what is said of the answer."""

from __future__ import annotations

import pytest
from support.canaries import API_KEY
from support.fake_clock_tap import run_with
from support.harness import select
from support.scripted_server import Server, answer

CANARIES = ("Ada CANARY", "CANARY@example.test")
BODIES = (
    '{"error": "internal_error", "message": "%s"}',
    '{"error": "%s", "message": "%s"}',
    '{"error": "not_configured", "message": "%s"}',
    '{"system": "pos", "reason": "%s", "description": "%s", "message": "%s"}',
    '{"error": {"code": "%s", "message": "%s", "errors": [{"reason": "%s", "message": "%s"}]}}',
    '{"first_name": "%s", "email_address": "%s"}',
    '["%s", {"name": "%s"}]',
    '{"purchases": "%s", "paging": {"next_page": "https://elsewhere.test/?page=2&name=%s"}}',
    "<html><title>%s</title></html>",
    "%s",
)
STATUSES = ("200 OK", "302 No", "400 No", "401 No", "403 No", "404 No", "429 No", "500 CANARY")
CONFIG = {"api_key": API_KEY, "user_ids": [1000003, 1000010], "max_retries": 1}


@pytest.fixture(autouse=True)
def _debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES)
def test_an_error_says_nothing_of_a_member(status: str, body: str) -> None:
    spoken = body.replace("%s", CANARIES[0], 1).replace("%s", CANARIES[1])
    headers = "Location: /?name=CANARY", "Set-Cookie: name=CANARY", "X-Name: CANARY"
    with Server(answer(spoken.encode(), *headers, status=status)).running() as server:
        config = {**CONFIG, "api_url": server.url, "pos_url": server.url}
        result = run_with(config=config, catalog=select("users", "purchases"))
    assert result.exit_code == 1, result.last_line
    assert "CANARY" not in result.stderr
    assert "CANARY" not in result.stdout
    assert "Traceback" not in result.stderr

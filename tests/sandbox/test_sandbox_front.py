"""The front of a host, asked without a network."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_client import FIRST_ID, HEAVY, KEY, TODAY

from crowdtwist_sandbox import SandboxOptions
from crowdtwist_sandbox.engine import Engine
from crowdtwist_sandbox.hosts import main, pos
from crowdtwist_sandbox.hosts.app import Host, HostApp, main_host, pos_host
from crowdtwist_sandbox.hosts.control import control_app

if TYPE_CHECKING:
    import pytest
    from starlette.types import Message

ENGINE = Engine(SandboxOptions(members=60, seed=3, today=TODAY, quirks=True))
HOSTS = (main_host(ENGINE, control_app(ENGINE)), pos_host(ENGINE))
TEMPLATES = [*main.HANDLERS, *pos.HANDLERS]
IDS = st.one_of(
    st.sampled_from([str(FIRST_ID), str(HEAVY), "user_1", "crm/00000002", "²", "delete", "-7"]),
    st.text(min_size=1, max_size=12),
)
VALUES = st.one_of(
    st.text(max_size=8),
    st.integers().map(str),
    st.dates().map(str),
    st.sampled_from(["id", "email", "true", "false", "points", "9" * 5000, "²", "٣"]),
)
NAMES = st.sampled_from(
    ["page", "page_size", "id_type", "date_start", "date_end", "pii", "expired", "sort_by", "order"]
)


def ask(front: HostApp, path: str, query: str = "") -> tuple[int, Any]:
    """Status and body of a GET with a good key."""
    key = f"CTApiKey {KEY}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1:1"), (b"x-ct-authorization", key)],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        raise NotImplementedError

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(front(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@given(
    template=st.sampled_from(TEMPLATES),
    ident=IDS,
    params=st.dictionaries(NAMES, VALUES, max_size=4),
)
def test_no_question_brings_a_host_down(template: str, ident: str, params: dict[str, str]) -> None:
    path = template.replace("{id}", quote(ident, safe=""))
    for front in HOSTS:
        status, body = ask(front, path, urlencode(params))
        assert status in {200, 400, 404}
        assert isinstance(body, (dict, list))


def test_a_fault_of_its_own_is_answered_and_told(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_call: object) -> None:
        raise ZeroDivisionError

    front = HostApp(ENGINE, Host("api", {"/x": fail}, lambda _request: True))
    assert ask(front, "/x") == (
        500,
        {"error": "internal_error", "message": "An internal error occurred."},
    )
    assert "The sandbox itself failed at /x" in caplog.text
    assert "ZeroDivisionError" in caplog.text

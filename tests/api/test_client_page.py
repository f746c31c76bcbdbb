"""The examples of the page about the client library run, and it needs nothing else of the tap."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import API_KEY
from support.pages import DOCS, block

from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist import api
from tap_crowdtwist.api import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(seed=3, today=date(2026, 3, 10), api_key=API_KEY)) as program:
        yield program


def run(title: str, running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the example under a title, and return the lines that it prints.

    The URLs of the sandbox stand in for the client id, which names hosts of CrowdTwist.
    """
    code = block(title, "python")
    assert code.count('client_id="512"') == 1
    monkeypatch.setenv("CROWDTWIST_API_KEY", API_KEY)
    urls = {api.Host.MAIN: running.api_url, api.Host.POS: running.pos_url}
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code.replace('client_id="512"', "urls=urls"), {"urls": urls})  # noqa: S102
    return output.getvalue().splitlines()


def profiles(running: Sandbox) -> dict[int, int]:
    """Points of each member, by id."""
    return {int(row["id"]): row["total_points"] for row in running.expected_rows("users")}


def test_a_few_lines_read_a_member(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = run("Read a member", running, monkeypatch)

    assert printed == block("Read a member", "text").splitlines()
    assert len(block("Read a member", "python").splitlines()) <= 10


def test_the_sandbox_of_the_page_is_the_one_of_the_output() -> None:
    options = "--seed 3 --today 2026-03-10"
    assert block("Try it without a program", "console") == f"crowdtwist-sandbox serve {options}\n"
    code = block("Try it without a program", "python")
    made: dict[str, object] = {}
    exec(code, made)  # noqa: S102

    assert isinstance(made["client"], api.Client)
    sandbox_page = (DOCS / "sandbox.md").read_text(encoding="utf-8")
    assert all(f'"{url}"' in sandbox_page for url in re.findall(r'"(http.*?)"', code))
    assert f'connect("{SandboxOptions().api_key}"' in code


def test_a_member_is_found_by_e_mail_address(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("Other types of id", running, monkeypatch) == ["1000003"]


def test_a_long_range_of_dates_is_requested_a_year_at_a_time(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.reset()

    (printed,) = run("Read a range of dates", running, monkeypatch)

    assert printed.endswith(" redemptions in two years")
    queries = [request["query"] for request in running.requests()]
    assert len(queries) == 3
    assert all("date_start=" in query and "date_end=" in query for query in queries)


def test_threads_share_a_client(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = run("Share a client between threads", running, monkeypatch)

    points = profiles(running)
    assert printed == [f"{member} {points[member]}" for member in (1000003, 1000010, 1000017)]


def test_the_error_of_one_member_does_not_stop_the_next(
    running: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("Handle errors", running, monkeypatch) == ["625", "999 does not exist"]


def test_the_tree_of_errors_on_the_page_is_the_one_of_the_library() -> None:
    tree = block("Handle errors", "text")
    for name in api.__all__:
        kind = getattr(api, name)
        if isinstance(kind, type) and issubclass(kind, api.ApiError):
            assert name in tree
    assert issubclass(api.UnavailableError, api.RejectedError)


def test_every_public_name_is_on_the_page() -> None:
    page = (DOCS / "client.md").read_text(encoding="utf-8")
    assert [name for name in api.__all__ if name not in page] == []


def test_every_resource_is_public() -> None:
    resources = {name for name, value in vars(endpoints).items() if isinstance(value, api.Endpoint)}
    assert resources <= set(api.__all__)


def test_neither_the_singer_sdk_nor_the_rest_of_the_tap_is_imported() -> None:
    code = "import sys, tap_crowdtwist.api; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    modules = result.stdout.split()
    assert "tap_crowdtwist.api.client" in modules
    assert not [name for name in modules if name.startswith("singer_sdk")]
    ours = {name for name in modules if name.startswith("tap_crowdtwist.")}
    assert {name for name in ours if not name.startswith("tap_crowdtwist.api")} == set()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ValueError),
        ({"client_id": "512", "environment": "moon"}, KeyError),
        ({"client_id": "512", "requests_per_minute": 0}, ValueError),
        ({"urls": {api.Host.MAIN: "http://127.0.0.1:1"}}, ValueError),
    ],
)
def test_a_client_needs_a_program_and_a_rate(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        api.connect("made-up-key", **arguments)


def test_a_signature_needs_no_api_key_on_the_main_host() -> None:
    options = SandboxOptions(hmac_public_key="public", hmac_private_key="private")
    with Sandbox(options) as program:
        urls = {api.Host.MAIN: program.api_url, api.Host.POS: program.pos_url}
        signature = api.HmacSignature("public", "private")
        with api.connect("", urls=urls, main_auth=signature) as client:
            assert client.get(api.USER, 1000003)["username"] == "user_0"
            with pytest.raises(api.ApiError):
                client.rows(api.PURCHASES, 1000003)

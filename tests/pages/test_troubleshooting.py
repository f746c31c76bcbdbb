"""The messages on the page about troubleshooting are those of the code, and the tap prints them."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.fake_clock_tap import sync
from support.harness import (
    API_KEY,
    PRESENT,
    Result,
    config_of,
    run_cli,
    run_tap,
    sandbox,
    select,
    tap_at,
)
from support.pages import DOCS, block
from typing_extensions import override

import crowdtwist_receiver
import tap_crowdtwist
from tap_crowdtwist.api.transport import Transport
from tap_crowdtwist.config.schema import CONFIG_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from requests.auth import AuthBase

    from crowdtwist_sandbox import Sandbox
    from tap_crowdtwist.api.transport import Response

PACKAGES = (tap_crowdtwist, crowdtwist_receiver)
OTHERS = "## Messages of Meltano, loaders and dbt"
NOWHERE = "http://127.0.0.1:1"
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[.\d]*[sdrf]|\{[^{}]*\}")
_COMPOSED = re.compile(r"Setting `(?P<setting>\w+)`: |No response from CrowdTwist: ")
"""Beginnings that the code adds to the rest of a message."""


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=30, expiration_rule=False) as started:
        yield started


def messages() -> list[str]:
    """Return the messages that the page explains, without those of other programs."""
    own, _, others = (DOCS / "troubleshooting.md").read_text("utf-8").partition(OTHERS)
    assert "### " in others
    return re.findall(r"(?m)^### (.*)$", own)


@cache
def texts() -> frozenset[str]:
    """Return the constant texts of the packages, without docstrings, split at placeholders."""
    found: set[str] = set()
    for package in PACKAGES:
        # Not in the checkout: the packages may be installed from a wheel.
        (root,) = package.__path__
        for file in Path(root).rglob("*.py"):
            found |= set(_texts(ast.parse(file.read_text("utf-8"))))
    return frozenset(found)


def _texts(tree: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    statements = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        match node:
            case ast.Constant(value=str(text)) if id(node) not in statements:
                yield from _PLACEHOLDER.split(text)


def test_each_message_has_one_place_on_the_page() -> None:
    assert len(set(messages())) == len(messages()) >= 30


def test_the_test_of_the_connection_runs_as_it_stands(running: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_of(running)), "utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-eu", "-c", block("Troubleshooting", "console")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        check=True,
        timeout=60,
    )


def shown_by(result: Result) -> set[str]:
    """Return the messages of the page that a run logged."""
    logged = [line.rpartition(" | ")[2].strip() for line in result.stderr.splitlines()]
    return {
        message for message in messages() if any(_pattern(message).search(line) for line in logged)
    }


def _pattern(message: str) -> re.Pattern[str]:
    return re.compile(".+?".join(re.escape(part) for part in message.split("…")))


def explained(result: Result, beginning: str) -> bool:
    """Return whether a run logged the one message of the page that has this text in it."""
    (message,) = (each for each in messages() if beginning in each)
    return message in shown_by(result)


SETTINGS: dict[str, dict[str, Any]] = {
    "Setting `api_key`: is missing": {"api_key": None},
    "Setting `client_id`: is missing": {"api_url": None, "pos_url": None},
    "Setting `…`: is unknown": {"user_id": "1000003"},
    "no members are given": {"user_ids": None},
    "there is no file": {"user_ids": None, "user_ids_path": "nowhere.txt"},
    "is not a numeric CrowdTwist id": {"user_ids": None, "user_ids_path": "members.txt"},
    "say which column": {"user_ids": None, "user_ids_path": "members.csv"},
    "No response from CrowdTwist: …; check": {},
    "was written with": {"id_type": "email", "user_ids": ["ada@example.test"]},
    "`changed` is possible only": {"sweep_members": "changed", "data_push_path": "."},
    "`updated` is possible only": {"sweep_members": "updated"},
    "close to that of a": {"data_push_path": "push"},
}
"""Part of a message -> settings that cause it."""


@pytest.mark.parametrize("part", SETTINGS)
def test_a_wrong_setting_is_answered_with_the_message_of_the_page(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "members.txt").write_text("1000003\nada@example.test\n", "utf-8")
    (tmp_path / "members.csv").write_text("number,name\n1000003,Ada\n", "utf-8")
    (tmp_path / "push").mkdir()
    (tmp_path / "push" / "2_512_PROFILE_20260310 (1).zip").write_bytes(b"")
    config: dict[str, Any] = {
        "api_key": API_KEY,
        "api_url": NOWHERE,
        "pos_url": NOWHERE,
        "user_ids": ["1000003"],
    }
    config["max_retries"] = 0
    config |= SETTINGS[part]
    given = {name: value for name, value in config.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(given), "utf-8")
    roster = {"id_type": "id", "shard": "1/1"}
    state = {"bookmarks": {"users": {"roster": roster}}} if "written with" in part else {}
    (tmp_path / "state.json").write_text(json.dumps(state), "utf-8")
    path = config.get("data_push_path")
    catalog = select("push_users" if path == "push" else "users", paths={"data_push_path": path})
    (tmp_path / "catalog.json").write_text(json.dumps(catalog), "utf-8")
    files = (f"--{name}={name}.json" for name in ("config", "state", "catalog"))
    assert explained(run_cli(*files), part)


RUNS: dict[str, Callable[[Sandbox], Result]] = {
    "rejected the credentials": lambda world: sync(world, "activities", api_key="sEcReT-kEy-2!"),
    "does not know": lambda world: sync(world, "users", user_ids=list(range(1, 30))),
    "not known to CrowdTwist": lambda world: sync(
        world, "users", user_ids=[1, *world.roster()], missing_members_path=None
    ),
    "has no such rule": lambda world: sync(world, "points_expiration"),
    "unknown property": lambda world: sync(world, "purchases"),
}
"""Part of a message -> a run that causes it."""

FAULTS: dict[str, tuple[str, Sequence[str]]] = {
    "The key may not read this resource": ("access_denied=1", ("activities",)),
    "deselect the stream": ("access_denied=1", ("users",)),
    "such as a firewall": ("firewall=1", ("activities",)),
    "server error. Retrying": ("server_error@1", ("activities",)),
    "Paused until": ("rate_limited:30@1", ("activities",)),
    "lower `requests_per_minute`": ("rate_limited_bare=1", ("activities",)),
    "a listing has": ("total_up=1", ("activities",)),
    "failed in": ("server_error=0.5", ("users",)),
}
"""Part of a message -> a fault that causes it, and the streams to read."""

IN_A_ROW, NOT_CONVERTED, UNEXPECTED = "members in a row failed", "does not fit", "shows where"
CONTRADICTED = "profiles were older"
PRODUCED = (*SETTINGS, *RUNS, *FAULTS, IN_A_ROW, NOT_CONVERTED, UNEXPECTED, CONTRADICTED)


@pytest.mark.parametrize("part", RUNS)
def test_a_run_logs_the_message_of_the_page(part: str, running: Sandbox) -> None:
    assert explained(RUNS[part](running), part)


@pytest.mark.parametrize("part", FAULTS)
def test_a_fault_is_answered_with_the_message_of_the_page(part: str, running: Sandbox) -> None:
    spec, streams = FAULTS[part]
    running.set_faults(spec)
    try:
        result = sync(running, *streams, max_retries=1)
    finally:
        running.set_faults("")
    assert explained(result, part)


def test_members_that_fail_in_a_row_give_the_stream_up(running: Sandbox) -> None:
    running.set_faults("server_error=1")
    try:
        result = sync(running, "users", max_retries=0, max_failed_members=3)
    finally:
        running.set_faults("")
    assert explained(result, IN_A_ROW)


def test_a_value_that_does_not_fit_is_logged_as_the_page_says() -> None:
    with sandbox(members=1, deviations="activities_with_words_for_points") as deviating:
        assert explained(run_tap(deviating, "activities"), NOT_CONVERTED)


def test_profiles_that_do_not_move_are_answered_as_the_page_says() -> None:
    with sandbox(members=10, profile_dates="without_points") as deviating:
        streams = ("users", "user_activity_history")
        first = sync(deviating, *streams)
        second = sync(deviating, *streams, state=first.state, sweep_members="updated")
    assert explained(second, CONTRADICTED)


class BrokenTransport(Transport):
    """Fails at the first request with an error that nobody expects."""

    @override
    def get(self, url: str, auth: AuthBase) -> Response:
        raise ZeroDivisionError("division by zero")


def test_an_unexpected_error_is_logged_as_the_page_says(running: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_of(running)), "utf-8")
    transport = BrokenTransport(1, 1.0, "tap-crowdtwist/test")

    result = run_cli("--config", tmp_path / "config.json", tap=tap_at(PRESENT, transport))

    assert result.exit_code == 1
    assert explained(result, UNEXPECTED)


@pytest.mark.parametrize(
    "message", [each for each in messages() if not any(part in each for part in PRODUCED)]
)
def test_the_parts_of_any_other_message_stand_in_the_code(message: str) -> None:
    composed = _COMPOSED.match(message)
    if composed and composed["setting"]:
        assert composed["setting"] in CONFIG_SCHEMA["properties"]
    parts = [part.strip() for part in message[composed.end() if composed else 0 :].split("…")]
    assert any(len(part) >= len("unauthorized") for part in parts)
    for part in parts:
        assert any(part in text for text in texts()), part

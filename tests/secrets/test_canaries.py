"""Keys are in the outgoing request and no secret is elsewhere, whatever goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.canaries import API_KEY, HMAC, SECRETS, SFTP, forms, leaks
from support.fake_clock_tap import run_main, sync
from support.harness import Result, config_of, run_process, sandbox

from crowdtwist_sandbox.demo_project import MeltanoProject
from crowdtwist_sandbox.faults import ALL_FAULTS
from tap_crowdtwist.privacy.log_redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

STREAMS = ("activities", "users", "purchases", "redemptions")
AMOUNTS = {"late": ":3", "drip": ":3", "bomb": ":2"}
MEMBERS = 5

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=MEMBERS, api_key=API_KEY) as started:
        yield started


@pytest.fixture(scope="module")
def signing() -> Iterator[Sandbox]:
    """A sandbox whose main host takes signed requests only."""
    with sandbox(members=MEMBERS, api_key=API_KEY, **HMAC) as started:
        yield started


def run_under(running: Sandbox, spec: str, **settings: Any) -> Result:
    running.reset()
    running.set_faults(spec)
    try:
        result = sync(running, *STREAMS, request_timeout=1, **(HMAC | SFTP | settings))
    finally:
        running.set_faults("")
    assert " | DEBUG    | urllib3.connectionpool " in result.stderr
    return result


@pytest.mark.parametrize("fault", ALL_FAULTS)
def test_no_fault_brings_a_secret_to_light(fault: str, running: Sandbox) -> None:
    rate = "1" if ALL_FAULTS[fault].kind == "lie" else "0.15"
    result = run_under(running, f"{fault}{AMOUNTS.get(fault, '')}={rate},server_error@2")
    assert running.counts()["faults"].get(fault)
    assert f"api_key={MASK}" in result.stderr
    assert leaks(result.stdout, result.stderr) == []


@pytest.mark.parametrize("spec", ["", "all=0.2", "transient=0.3", "server_error=1", "redirect=1"])
@pytest.mark.parametrize("method", ["query", "header", "hmac"])
def test_no_way_to_authenticate_brings_a_secret_to_light(
    method: str, spec: str, running: Sandbox, signing: Sandbox
) -> None:
    host = signing if method == "hmac" else running
    result = run_under(host, spec, auth_method=method, max_retries=2)
    assert leaks(result.stdout, result.stderr) == []
    if not spec:
        assert result.exit_code == 0, result.last_line
        assert len(result.records["users"]) == MEMBERS
        keyed = {(asked["host"], "api_key=" in asked["query"]) for asked in host.requests()}
        assert keyed == {("api", method == "query"), ("pos", False)}


def test_each_way_to_authenticate_is_checked(running: Sandbox, signing: Sandbox) -> None:
    refused = [
        run_under(signing, "", auth_method="query"),
        run_under(signing, "", auth_method="header"),
        run_under(signing, "", auth_method="hmac", hmac_private_key="cAn4ry of another"),
        run_under(signing, "", auth_method="hmac", hmac_public_key="cAn4ry of another"),
        run_under(running, "", auth_method="query", api_key="cAn4ry of another"),
        run_under(running, "", auth_method="header", api_key="cAn4ry of another"),
    ]
    for result in refused:
        assert result.exit_code == 1
        assert "rejected the credentials: check `api_key`" in result.last_line
        assert leaks(result.stdout, result.stderr) == []


def test_a_signature_is_made_anew_at_each_attempt(signing: Sandbox) -> None:
    """Or a sandbox that verifies each would refuse the pages and attempts after the first."""
    result = run_under(signing, "server_error=0.3", auth_method="hmac")
    assert result.exit_code == 0, result.last_line


@pytest.mark.parametrize("form", [[], ["--format=json"], ["--format=markdown"]])
def test_about_tells_no_value(form: list[str], running: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(running, **HMAC, **SFTP)), encoding="utf-8")
    result = run_main("--config", str(config), "--about", *form)
    assert result.exit_code == 0
    assert "hmac_private_key" in result.stdout
    assert leaks(result.stdout, result.stderr) == []


def test_a_process_of_its_own_keeps_them_too(running: Sandbox, tmp_path: Path) -> None:
    """With everything from the environment, and the structured logs that Meltano asks for."""
    logs = tmp_path / "logging.yml"
    logs.write_text(
        "{version: 1, disable_existing_loggers: false, formatters: {structured: {'()': "
        "singer_sdk.logging.StructuredFormatter}}, handlers: {err: {class: logging.StreamHandler, "
        "formatter: structured, stream: ext://sys.stderr}}, root: {level: DEBUG, handlers: [err]}}",
        encoding="utf-8",
    )
    settings = {
        "API_KEY": API_KEY,
        "API_URL": running.api_url,
        "POS_URL": running.pos_url,
        "USER_IDS": json.dumps(running.roster()[:2]),
        "MAX_RETRIES": "1",
        "CHECKPOINT_INTERVAL": "1",
        **{name.upper(): value for name, value in (HMAC | SFTP).items()},
    }
    env = {f"TAP_CROWDTWIST_{name}": value for name, value in settings.items()}
    running.set_faults("server_error@3,reset_before@5,invalid_auth@12")
    try:
        result = run_process(
            "--config=ENV", env={**env, "LOGLEVEL": "DEBUG", "SINGER_SDK_LOG_CONFIG": str(logs)}
        )
    finally:
        running.set_faults("")
    assert result.exit_code == 1
    assert '"logger_name":"urllib3.connectionpool"' in result.stderr
    assert leaks(result.stdout, result.stderr) == []


def test_meltano_does_not_tell_them_either(running: Sandbox, tmp_path: Path) -> None:
    project = MeltanoProject(tmp_path / "project", ["tap-crowdtwist"])
    project.create()
    settings = {"API_KEY": API_KEY, "API_URL": running.api_url, "POS_URL": running.pos_url}
    settings |= {"USER_IDS": json.dumps(running.roster()[:2])}
    settings |= {name.upper(): value for name, value in (HMAC | SFTP).items()}
    command = [str(Path(sys.executable).with_name("meltano")), "--log-level=debug", "invoke"]
    done = subprocess.run(
        [*command, "tap-crowdtwist"],
        cwd=project.root,
        env=os.environ
        | {f"TAP_CROWDTWIST_{name}": value for name, value in settings.items()}
        | {"HOME": str(tmp_path), "TAP_CROWDTWIST_LOGLEVEL": "DEBUG", "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"type":"RECORD"' in done.stdout
    assert "The roster has 2 members" in done.stderr
    assert leaks(done.stdout, done.stderr) == []


def test_a_key_given_in_place_of_a_file_is_not_repeated() -> None:
    result = run_main("--config", json.dumps({"api_key": "cAn4ry-made-up"}))
    assert result.exit_code == 1
    assert "cAn4ry" not in result.stderr


def test_what_is_looked_for_would_be_found() -> None:
    for secret in SECRETS:
        for form in forms(secret):
            assert leaks(f"before {form} after")

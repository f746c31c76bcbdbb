"""The command: one line of JSON, then service until told to stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from support.sandbox_client import FIRST_ID, KEY

from crowdtwist_sandbox.cli import main
from crowdtwist_sandbox.deviations import DEVIATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "crowdtwist_sandbox", "serve"]
ANY_PORTS = ["--port", "0", "--pos-port", "0"]


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    with subprocess.Popen(
        [*COMMAND, *ANY_PORTS, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_quietly(number: signal.Signals) -> None:
    with served("--members", "20", "--today", "2026-03-10") as (process, urls):
        assert set(urls) == {"api_url", "pos_url", "control_url"}
        response = requests.get(
            f"{urls['api_url']}/v2/users/{FIRST_ID}", params={"api_key": KEY}, timeout=5
        )
        assert response.status_code == 200
        clock = requests.get(urls["control_url"] + "/clock", timeout=5).json()
        assert clock["today"] == "2026-03-10"
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_stops_by_itself_after_max_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["serve", *ANY_PORTS, "--max-seconds", "0", "--no-drift", "--quirks"]) == 0
    assert json.loads(capsys.readouterr().out)["api_url"].startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_busy_port_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with served("--members", "1") as (_, urls):
        port = urls["api_url"].rsplit(":", 1)[1]
        assert main(["serve", "--port", port, "--pos-port", "0"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"crowdtwist-sandbox: Port {port} of 127.0.0.1 cannot be used")


def test_a_wrong_option_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *ANY_PORTS, "--members", "0"]) == 1
    assert "members: a sandbox needs at least one member" in capsys.readouterr().err


def test_the_command_lists_the_deviations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deviations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(DEVIATIONS)

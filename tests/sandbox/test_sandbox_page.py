"""The examples on the sandbox's page run as they stand, but for the ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.pages import block, blocks
from support.sandbox_feeds import receiver

from crowdtwist_sandbox.deviations import DEVIATIONS
from crowdtwist_sandbox.faults import ALL_FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

API_URL, POS_URL = "http://127.0.0.1:8600", "http://127.0.0.1:8601"
LIVE_URL = "http://127.0.0.1:8700/live"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def start(title: str) -> subprocess.Popen[str]:
    """Start the server of a section, on free ports."""
    command = blocks(title, "console")[-1 if title == "Start the sandbox" else 0].strip()
    return subprocess.Popen(
        ["sh", "-eu", "-c", f"exec {command} --port 0 --pos-port 0 --max-seconds 60"],
        env={**os.environ, "PATH": PATH},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with start("Start the sandbox") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture
def folder(tmp_path: Path, urls: dict[str, str]) -> Path:
    """A directory with the roster, and with the configuration of the page."""
    shell(urls, tmp_path, blocks("Sync from the sandbox", "console")[0])
    config = on_its_ports(urls, block("Sync from the sandbox", "json"))
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    return tmp_path


def on_its_ports(urls: dict[str, str], text: str) -> str:
    return text.replace(API_URL, urls["api_url"]).replace(POS_URL, urls["pos_url"])


def shell(urls: dict[str, str], folder: Path, text: str) -> str:
    """Run commands of the page in a directory, and return what they print."""
    done = subprocess.run(
        ["sh", "-eu", "-c", on_its_ports(urls, text)],
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_the_roster_and_the_configuration_are_those_of_the_sandbox(folder: Path) -> None:
    members = (folder / "members.txt").read_text("utf-8").split()
    assert len(members) == len(set(members)) == 1000
    # A thousand members take long; two are read as well.
    (folder / "members.txt").write_text("\n".join(members[:2]), "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    urls = {name: config[name] for name in ("api_url", "pos_url")}
    shell(urls, folder, blocks("Sync from the sandbox", "console")[1])
    lines = (folder / "run.singer").read_text("utf-8").splitlines()
    assert {message["type"] for message in map(json.loads, lines)} >= {"RECORD", "STATE"}


def test_the_clock_advances_and_the_expected_rows_come(
    urls: dict[str, str], tmp_path: Path
) -> None:
    first, *rows = shell(urls, tmp_path, block("Control it", "console")).splitlines()
    clock, _, row = first.partition("}")
    assert json.loads(f"{clock}}}")["day"] == 1
    assert {"user_id", "purchase_id"} <= json.loads(row).keys()
    assert len(rows) > 100


def test_faults_can_be_replaced(urls: dict[str, str], tmp_path: Path) -> None:
    text = blocks("Make it fail", "console")[1]
    assert json.loads(shell(urls, tmp_path, text)) == {"spec": "server_error=0.2,late:2=0.01"}
    clear = f"curl -s -X POST {API_URL}/_sandbox/faults"
    assert json.loads(shell(urls, tmp_path, clear)) == {"spec": ""}


@pytest.mark.parametrize("title", ["Make it fail", "Make it deviate"])
def test_a_sandbox_starts_with_faults_and_with_deviations(title: str) -> None:
    with start(title) as process:
        assert process.stdout is not None
        assert "api_url" in json.loads(process.stdout.readline())
        process.terminate()


@pytest.mark.parametrize(("command", "names"), [("faults", ALL_FAULTS), ("deviations", DEVIATIONS)])
def test_the_commands_list_what_the_page_says(command: str, names: Any, tmp_path: Path) -> None:
    lines = shell({"api_url": "", "pos_url": ""}, tmp_path, f"crowdtwist-sandbox {command}")
    assert len(lines.splitlines()) == len(names)


def test_files_and_events_are_sent(urls: dict[str, str], tmp_path: Path) -> None:
    files, events = blocks("Files and events that", "console")
    shell(urls, tmp_path, files)
    assert {path.suffix for path in tmp_path.glob("*/*")} == {".zip", ".txt"}
    with receiver() as got:
        counts = shell(urls, tmp_path, events.replace(LIVE_URL, got.url).replace("…", "key"))
    assert sum(json.loads(counts).values()) == len(got.posts) > 100
    assert {headers["x-api-key"] for _, headers, _ in got.posts} == {"key"}


def test_the_example_in_python_runs() -> None:
    names: dict[str, Any] = {}
    exec(block("Use it in tests", "python"), names)  # noqa: S102 - our own page
    assert names["expected"]
    assert len(names["settings"]["user_ids"]) == 20

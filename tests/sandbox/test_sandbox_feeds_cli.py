"""The commands of the feeds: they need no server, and end with one sentence if they fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.sandbox_client import sandbox
from support.sandbox_feeds import FEEDS, receiver

from crowdtwist_sandbox.cli import main

if TYPE_CHECKING:
    from pathlib import Path

WORLD = ["--members", "60", "--seed", "3", "--today", "2026-03-10"]
LIVE = ("SANDBOX_LIVE_USER", "SANDBOX_LIVE_PASSWORD", "SANDBOX_LIVE_API_KEY")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIVE:
        monkeypatch.delenv(name, raising=False)


def test_data_push_writes_what_a_sandbox_of_the_same_options_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*WORLD, "--day", "2", "--client", "9", "--no-receipt-scanning"]
    assert main(["data-push", *options, "--directory", str(tmp_path / "a")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(tmp_path / "a" / f"2_9_{feed}_20260313.zip") for feed in FEEDS]
    same = sandbox(receipt_scanning=False).write_data_push(tmp_path / "b", 2, client="9")
    for path in same:
        assert (tmp_path / "a" / path.name).read_bytes() == path.read_bytes()


def test_data_push_writes_bare_files(tmp_path: Path) -> None:
    assert main(["data-push", *WORLD, "--bare", "--directory", str(tmp_path)]) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"}


def test_daily_changes_make_the_same_world_everywhere(tmp_path: Path) -> None:
    slow = ["--daily-changes", "0.1"]
    assert main(["data-push", *WORLD, *slow, "--day", "1", "--directory", str(tmp_path)]) == 0
    content = (tmp_path / "2_512_PROFILE_20260312.zip").read_bytes()
    own = sandbox(daily_changes=0.1).write_data_push(tmp_path / "own", 1)[0]
    other = sandbox().write_data_push(tmp_path / "other", 1)[0]
    assert own.read_bytes() == content != other.read_bytes()


def test_batch_activity_writes_what_a_sandbox_of_the_same_options_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*WORLD, "--day", "2", "--directory", str(tmp_path / "a")]
    assert main(["batch-activity", *options]) == 0
    path = tmp_path / "a" / "activities_512_20260312000000.txt"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_bytes() == sandbox().write_batch_activity(tmp_path / "b", 2).read_bytes()


def test_live_push_posts_with_credentials_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(LIVE, ("brand", "s3cret", "key-1"), strict=True):
        monkeypatch.setenv(name, value)
    with receiver() as got:
        assert main(["live-push", *WORLD, "--day", "2", "--no-repeats", "--to", got.url]) == 0
    printed = capsys.readouterr().out
    assert sum(json.loads(printed).values()) == len(got.posts) > 20
    assert {headers["x-api-key"] for _, headers, _ in got.posts} == {"key-1"}
    assert {headers["authorization"] for _, headers, _ in got.posts} == {"Basic YnJhbmQ6czNjcmV0"}


def test_live_push_repeats_some_unless_told_otherwise() -> None:
    posts = []
    for option in ("--repeats", "--no-repeats"):
        with receiver() as got:
            assert main(["live-push", *WORLD, option, "--day", "2", "--to", got.url]) == 0
        posts.append(len(got.posts))
    assert posts[0] > posts[1]


def test_an_endpoint_that_refuses_ends_with_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_LIVE_API_KEY", "key-1")
    with receiver(*[401] * 5) as got:
        assert main(["live-push", *WORLD, "--day", "2", "--to", got.url]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("crowdtwist-sandbox: The endpoint answered 401 to an event of ")
    assert captured.err.count("\n") == 1
    assert "key-1" not in captured.err


def test_an_interrupt_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "crowdtwist_sandbox", "live-push", *WORLD, "--to"]
    with (
        receiver(*[503] * 5) as got,
        subprocess.Popen(
            [*command, got.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        assert got.asked.wait(20)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == (b"", b"")
    assert process.returncode == 130


def test_half_of_the_credentials_ends_with_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_LIVE_USER", "")  # as good as none
    monkeypatch.setenv("SANDBOX_LIVE_PASSWORD", "s3cret")
    assert main(["live-push", *WORLD, "--to", "http://127.0.0.1:9/live"]) == 1
    assert capsys.readouterr().err == (
        "crowdtwist-sandbox: SANDBOX_LIVE_USER and SANDBOX_LIVE_PASSWORD: set both or none\n"
    )


@pytest.mark.parametrize("command", ["data-push", "batch-activity"])
def test_a_directory_that_cannot_be_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert main([command, *WORLD, "--directory", str(file / "folder")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"crowdtwist-sandbox: {file}")
    assert captured.err.endswith("cannot be written (Not a directory): choose another directory.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--day", "-1"], "day: must be 0 or more, and 3650 at most"),
        (["--client", "a/b"], "client: must be letters and digits"),
        (["--members", "0"], "members: a sandbox needs at least one member"),
        (["--daily-changes", "1"], "daily_changes: must be above 0, and 0.2 at most"),
    ],
)
@pytest.mark.parametrize("command", ["data-push", "batch-activity"])
def test_a_wrong_option_ends_with_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[str],
    sentence: str,
) -> None:
    assert main([command, *WORLD, "--directory", str(tmp_path), *options]) == 1
    assert capsys.readouterr().err == f"crowdtwist-sandbox: {sentence}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["data-push", "batch-activity", "live-push"])
def test_a_command_without_its_place_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        main([command, *WORLD])
    assert raised.value.code == 2
    missing = "--to" if command == "live-push" else "--directory"
    assert capsys.readouterr().err.endswith(f"the following arguments are required: {missing}\n")

"""Standard output and standard error as others leave them: closed, never read, or a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.harness import config_of
from support.harness import select as selected
from typing_extensions import Self

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

IMPATIENT = """
from tap_crowdtwist.sync import message_writer
from tap_crowdtwist.cli import main
message_writer.WRITE_GRACE_SECONDS = 1
main()
"""


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def _buffering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unbuffered, as in many containers, a signal cuts a write short."""
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


class Unread:
    """The tap, whose output goes into a small pipe that is read only on request."""

    def __init__(self, *args: str | Path) -> None:
        self.pipe, self._other_end = os.pipe()
        fcntl.fcntl(self._other_end, fcntl.F_SETPIPE_SZ, 4096)  # less than a SCHEMA has
        self.process = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, *map(str, args)],
            stdout=self._other_end,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._guard = threading.Timer(50, self.process.kill)

    def __enter__(self) -> Self:
        self._guard.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.cancel()
        self.process.kill()
        self.process.communicate()
        os.close(self.pipe)

    def stop_when_full(self, sig: signal.Signals) -> None:
        """Send a signal when the pipe takes no more."""
        while self.process.poll() is None and select.select([], [self._other_end], [], 0)[1]:
            time.sleep(0.01)
        self.process.send_signal(sig)
        os.close(self._other_end)


@pytest.fixture
def sync(tmp_path: Path, world: Sandbox) -> list[str | Path]:
    """The arguments of a sync."""
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(config_of(world)), encoding="utf-8")
    catalog.write_text(json.dumps(selected("activities", "users")), encoding="utf-8")
    return ["--config", config, "--catalog", catalog]


@pytest.mark.usefixtures("_buffering")
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("discovers", [False, True])
def test_a_signal_ends_a_run_whose_output_nobody_reads(
    sync: list[str | Path],
    sig: signal.Signals,
    discovers: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with Unread(*(["--discover"] if discovers else sync)) as tap:
        tap.stop_when_full(sig)
        _, said = tap.process.communicate(timeout=20)
    assert tap.process.returncode == 128 + sig
    how = "" if discovers else " while the target read nothing"
    assert f"Stopped by {sig.name}{how}; the next run" in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.usefixtures("_buffering")
def test_a_message_that_a_signal_interrupts_comes_whole(sync: list[str | Path]) -> None:
    with Unread(*sync) as tap:
        tap.stop_when_full(signal.SIGTERM)  # in the middle of a SCHEMA
        output = b"".join(iter(lambda: os.read(tap.pipe, 4096), b""))
        tap.process.communicate(timeout=20)
    assert [json.loads(line)["type"] for line in output.splitlines()] == ["SCHEMA"]


@pytest.mark.usefixtures("_buffering")
def test_a_target_that_reads_on_gets_whole_lines_and_the_state(sync: list[str | Path]) -> None:
    with Unread(*sync) as tap:
        output = b""
        while b'"RECORD","stream":"users"' not in output:
            output += os.read(tap.pipe, 4096)
        tap.stop_when_full(signal.SIGTERM)
        while more := os.read(tap.pipe, 4096):
            output += more
        tap.process.communicate(timeout=20)
    lines = [json.loads(line) for line in output.splitlines()]
    users = [row["record"]["id"] for row in lines if "record" in row and row["stream"] == "users"]
    assert tap.process.returncode == 128 + signal.SIGTERM
    assert lines[-1]["type"] == "STATE"
    assert lines[-1]["value"]["bookmarks"]["users"]["sweep"]["after"] >= users[-1]


@pytest.mark.parametrize("how", ["--discover", "--about", "--version", "--help", "--test", ""])
def test_a_closed_standard_output_is_told_in_one_sentence(
    sync: list[str | Path], how: str, world: Sandbox
) -> None:
    world.reset()
    args = [*sync, how] if how in {"--test", ""} else [how]
    done = _shell(">&-", *args)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Standard output is closed, so no output can be written" in done.stderr
    assert not world.requests()


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_closed_standard_error_changes_nothing(sync: list[str | Path], closed: str) -> None:
    done, usual = _shell(closed, *sync), _shell("", *sync)
    assert (done.returncode, usual.returncode) == (0, 0)
    kinds, usually = (
        [json.loads(line)["type"] for line in d.stdout.splitlines()] for d in (done, usual)
    )
    assert kinds == usually


def test_nothing_but_the_exit_code_is_left_where_both_are_closed() -> None:
    assert _shell(">&- 2>&-", "--discover").returncode == 1


@pytest.mark.parametrize(
    ("on_terminal", "level", "has_json"),
    [(True, "INFO", False), (True, "DEBUG", True), (False, "INFO", True)],
)
def test_the_summary_is_json_for_programs_and_on_a_terminal_only_if_asked_for(
    sync: list[str | Path],
    on_terminal: bool,  # noqa: FBT001 - a parameter of the test
    level: str,
    has_json: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    ours, theirs = os.openpty() if on_terminal else os.pipe()
    said: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):  # how a terminal says on Linux that its other end is closed
            while more := os.read(ours, 4096):
                said.append(more)

    listener = threading.Thread(target=listen)
    listener.start()
    done = subprocess.run(
        [sys.executable, "-m", "tap_crowdtwist", *sync],
        env={**os.environ, "LOGLEVEL": level},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        check=False,
        timeout=60,
    )
    os.close(theirs)
    listener.join(60)
    os.close(ours)
    log = b"".join(said).decode()
    assert done.returncode == 0, log
    assert ('Summary: {"members":' in log) is has_json
    assert "requests: 0 sent again" in log


def _shell(redirection: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the tap with a shell's redirection."""
    return subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$@" {redirection}',
            "sh",
            sys.executable,
            "-m",
            "tap_crowdtwist",
            *args,
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

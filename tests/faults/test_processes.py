"""The real process, with its real clock: it fails in good order, and never waits unheard."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.fault_scenarios import check
from support.harness import canonical, config_of, run_process, sandbox, select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

STREAM = "purchases"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=12) as started:
        yield started


def arguments(folder: Path, running: Sandbox, state: Any = None, **settings: Any) -> list[str]:
    files = {"config": config_of(running, **settings), "catalog": select(STREAM), "state": state}
    args = []
    for name, content in files.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            args += [f"--{name}", str(path)]
    return args


def test_a_process_that_fails_is_continued_by_the_next(running: Sandbox, tmp_path: Path) -> None:
    running.set_faults("reset_before@2,server_error@4,invalid_auth@9")
    first = run_process(*arguments(tmp_path, running, max_retries=2, max_concurrency=2))
    running.set_faults("")
    check(first)
    assert first.exit_code == 1
    assert "rejected the credentials" in first.last_line
    second = run_process(*arguments(tmp_path, running, first.state))
    assert second.exit_code == 0, second.stderr
    rows = canonical(STREAM, [*first.records[STREAM], *second.records[STREAM]])
    assert rows == canonical(STREAM, running.expected_rows(STREAM))


@pytest.mark.parametrize("fault", ["rate_limited:600=1", "unavailable_later:600=1", "late:600=1"])
def test_a_process_that_waits_ends_when_told_to(
    fault: str, running: Sandbox, tmp_path: Path
) -> None:
    args = arguments(tmp_path, running, max_retries=5)
    running.set_faults(fault)
    running.reset()
    command = [sys.executable, "-m", "tap_crowdtwist", *args]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert '"SCHEMA"' in process.stdout.readline()
        while not running.requests():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    running.set_faults("")
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in stderr
    assert "Stopped by SIGTERM; the next run resumes" in stderr.splitlines()[-1]

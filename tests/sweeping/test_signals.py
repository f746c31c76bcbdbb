"""SIGTERM and Ctrl-C: rows stay whole, the cursor is written, the process ends at once."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.crashes import run_and_kill
from support.harness import config_of, sandbox, select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

ENOUGH = 60_000
"""Bytes after which a sweep is well under way."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Sandbox]:
    with sandbox(members=400, latency_ms=20) as running:
        yield running


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_its_cursor_written(
    slow: Sandbox, tmp_path: Path, sig: signal.Signals
) -> None:
    config = config_of(slow, requests_per_minute=10**6)
    catalog = select("users")
    began = time.monotonic()
    attempt = run_and_kill(tmp_path, config, None, kill_after=ENOUGH, sig=sig, catalog=catalog)
    assert attempt.exit_code == 128 + sig
    assert time.monotonic() - began < 20
    assert attempt.messages[-1]["type"] == "STATE"
    users = [m["record"]["id"] for m in attempt.messages if m["type"] == "RECORD"]
    assert attempt.last_state is not None
    after = attempt.last_state["bookmarks"]["users"]["sweep"]["after"]
    assert users[-1] <= after < max(map(int, config["user_ids"]))
    last = attempt.stderr.splitlines()[-1]
    assert last.endswith(
        f"Stopped by {sig.name}; the next run resumes from the last STATE that the target confirmed"
    )
    assert "Traceback" not in attempt.stderr
    rest = run_and_kill(tmp_path, config, attempt.last_state, catalog=catalog)
    assert rest.exit_code == 0
    again = [m["record"]["id"] for m in rest.messages if m["type"] == "RECORD"]
    alive = [row["id"] for row in slow.expected_rows("users")]
    assert set(alive) <= set(users + again)
    assert users + again == sorted(users + again)


@pytest.mark.parametrize("fault", ["late:30", "rate_limited:3600", "unavailable_later:3600"])
@pytest.mark.parametrize(("stream", "part"), [("users", 0.2), ("activities", 1)])
def test_a_signal_waits_neither_for_answers_that_do_not_come_nor_for_the_end_of_a_pause(
    tmp_path: Path, stream: str, part: float, fault: str
) -> None:
    with sandbox(members=40, faults=f"{fault}={part}") as stuck:
        # With retries: without them, the first 503 may end the run before the signal arrives.
        config = config_of(stuck, requests_per_minute=10**6, request_timeout=60, max_retries=5)
        began = time.monotonic()
        attempt = run_and_kill(
            tmp_path,
            config,
            None,
            kill_after=1000,
            sig=signal.SIGTERM,
            catalog=select(stream),
        )
    assert attempt.exit_code == 128 + signal.SIGTERM
    assert time.monotonic() - began < 20

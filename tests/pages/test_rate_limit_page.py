"""The page on rate limit and progress shows what a run logs, and every exit code."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from support.clocks import FakeClock
from support.harness import run_cli, run_tap, sandbox
from support.pages import DOCS, block

from tap_crowdtwist.api.request_stats import RequestStats
from tap_crowdtwist.sync import summary
from tap_crowdtwist.sync.progress import Progress
from tap_crowdtwist.sync.shutdown import StoppedError
from tap_crowdtwist.sync.stats import StreamStats

if TYPE_CHECKING:
    from pathlib import Path

ROOT = DOCS.parent
RATE_LIMIT = (DOCS / "rate-limit.md").read_text(encoding="utf-8")


def test_the_log_on_the_page_is_what_the_tap_logs(tmp_path: Path) -> None:
    shown = re.findall(r"(?m)^(?:INFO|WARNING|CRITICAL) +\| (.*)$", RATE_LIMIT)
    transcript = ROOT / "tests" / "transcripts" / "first_run.txt"
    logged = transcript.read_text(encoding="utf-8").splitlines()
    logged += [progress_line(), str(StoppedError(signal.SIGINT))]
    roster = tmp_path / "members.csv"
    with sandbox(faults="bad_gateway@1") as running:
        roster.write_text(f"id\n{running.roster()[0]}\n", encoding="utf-8")
        failed = run_tap(running, "users", user_ids=None, user_ids_path=str(roster), code=1)
    logged.append(re.sub(r"last error: .*? \(", "last error: … (", failed.last_line))

    assert len(shown) > 1
    for sentence in shown:
        masked = re.sub(r"[\d.]+ s$", "… s", sentence)
        assert any(line.endswith(masked) for line in logged), sentence


def progress_line() -> str:
    """Return the line in the middle of a sweep of 100,000 members, ten seconds after the last."""
    clock, requests = FakeClock(), RequestStats()
    progress, stats = Progress(requests, clock), StreamStats(records=41_868, asked=41_900)
    with progress.of("users", stats, 100_000):
        clock.sleep(504)
        line = progress.line(stats, clock())
    return re.sub(r"[\d,]+ requests a minute", "4,990 requests a minute", line)


def test_the_json_summary_on_the_page_is_that_of_the_run_whose_log_it_shows(tmp_path: Path) -> None:
    log = (ROOT / "tests" / "transcripts" / "first_run.txt").read_text(encoding="utf-8")
    (tmp_path / "run.log").write_text(log, encoding="utf-8")
    printed = subprocess.run(
        ["sh", "-euc", block("The JSON summary", "console")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )

    assert json.loads(block("The JSON summary", "json")) == json.loads(printed.stdout)


def test_the_page_explains_every_field_of_the_json_summary() -> None:
    shown = json.loads(block("The JSON summary", "json"))
    optional = StreamStats(texts={"push_users.extra": 1}, vanished_rows="forgotten")

    assert explained("### Fields of the run") == list(shown)
    assert explained("### Fields of a stream") == [*summary.public_stats(optional), "requests"]


def explained(title: str) -> list[str]:
    """Return the terms of the definition list under a title of the page."""
    _, _, section = RATE_LIMIT.partition(f"{title}\n")
    section, _, _ = section.partition("\n#")
    return re.findall(r"(?m)^`(\w+)`\n: ", section)


def test_the_page_has_every_exit_code() -> None:
    shown = [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", RATE_LIMIT)]
    signals = (signal.SIGINT, signal.SIGKILL, signal.SIGTERM)
    failed = run_cli("--config", "there-is-no-such-file")

    codes = [run_cli("--version"), failed, run_cli("--no-such-option")]
    assert shown == [*(result.exit_code for result in codes), *(128 + sig for sig in signals)]

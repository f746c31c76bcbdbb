"""Runs `crowdtwist-conformance` in this process, against a sandbox, free of the rate limit."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from support.harness import PRESENT, config_of, process_untouched, sandbox, tap_at
from tap_crowdtwist.conformance.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from crowdtwist_sandbox import Sandbox

CONFIRMED, UNKNOWN = "confirmed", "unknown"
ADAPTS, DIFFERS = "differs, the tap adapts", "differs"


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    exit_code: int
    stdout: str
    stderr: str
    report: str
    page: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.report)["findings"]
        return found

    def named(self, name: str) -> dict[str, Any]:
        return next(finding for finding in self.findings if finding["name"] == name)

    @property
    def other(self) -> dict[str, str]:
        """What is other than the tap assumes: name -> outcome."""
        return {
            finding["name"]: finding["outcome"]
            for finding in self.findings
            if finding["outcome"] in {ADAPTS, DIFFERS}
        }


def plain(deviations: str = "", **options: Any) -> Sandbox:
    """A sandbox that does what the pages say, but for its deviations."""
    return sandbox(drift=False, deviations=deviations, **options)


def conform(running: Sandbox, present: datetime = PRESENT, **settings: Any) -> Outcome:
    """Run the command about every other member of a sandbox, among them one that is deleted."""
    config = config_of(running, user_ids=running.roster()[1::2])
    return conform_with({**config, **settings}, present=present)


def conform_with(
    config: Mapping[str, Any], file: Path | None = None, present: datetime = PRESENT
) -> Outcome:
    """Run the command with a configuration, and have it write its report to a file."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with TemporaryDirectory() as folder, process_untouched():
        given, report = Path(folder, "config.json"), file or Path(folder, "report.json")
        given.write_text(json.dumps(config), encoding="utf-8")
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main(["--config", str(given), "--report", str(report)], tap_at(present))
            except SystemExit as stopped:
                code = stopped.code
        files = [
            file.read_text(encoding="utf-8") if file.exists() else ""
            for file in (report, report.with_suffix(".md"))
        ]
    said = out.getvalue().replace(folder, "")
    return Outcome(int(code or 0), said, err.getvalue(), *files)


HISTORY = "user_activity_history"

FOUND: dict[str, dict[str, str]] = {
    "history_by_page_number": {f"{HISTORY}.form": ADAPTS},
    "history_without_pages": {f"{HISTORY}.form": ADAPTS},
    "history_ignores_pages": {f"{HISTORY}.form": ADAPTS},
    "history_without_paging": {f"{HISTORY}.paging": ADAPTS},
    "history_ignores_dates": {f"{HISTORY}.dates": ADAPTS},
    "history_without_pages,history_cut": {
        f"{HISTORY}.form": ADAPTS,
        f"{HISTORY}.truncation": ADAPTS,
    },
    "redemptions_of_a_year": {"redemptions.undated": ADAPTS},
    "redemptions_end_included": {"redemptions.ends": ADAPTS},
    "redemptions_refuse_days_ahead": {"redemptions.present": DIFFERS},
    "redemptions_of_any_range": {"redemptions.year": ADAPTS},
    "redemptions_under_another_name": {"redemptions.envelope": ADAPTS},
    "redemptions_without_ids": {"redemptions.key": ADAPTS},
    "history_by_date_of_award": {f"{HISTORY}.dates": ADAPTS},
    "history_without_ids": {f"{HISTORY}.key": ADAPTS},
    "history_with_repeated_ids": {f"{HISTORY}.key": DIFFERS},
    "purchases_end_excluded": {"purchases.ends": ADAPTS},
    "purchases_need_both_dates": {"purchases.present": DIFFERS},
    "purchases_ignore_dates": {"purchases.dates": ADAPTS},
    "rewards_on_small_pages": {"rewards.page_size": ADAPTS},
    "rewards_on_large_pages": {"rewards.page_size": ADAPTS},
    "rewards_of_any_page_size": {"rewards.larger": ADAPTS},
    "rewards_without_total": {"rewards.paging": ADAPTS},
    "rewards_without_title": {"rewards.absent": ADAPTS},
    "activities_with_paging_in_a_list": {"activities.paging": ADAPTS},
    "activities_with_words_for_points": {"activities.types": ADAPTS},
    "badges_under_another_name": {"badges.envelope": DIFFERS},
    "badges_refuse_pages_beyond": {"badges.beyond": ADAPTS},
    "receipts_repeat_the_last_page": {"receipts.beyond": ADAPTS},
    "user_activities_in_an_object": {"user_activities.envelope": ADAPTS},
    "users_with_another_property": {"users.unknown": ADAPTS},
    "deletions_without_history": {"users.deletion": ADAPTS},
    "missing_as_400": {"users.missing": DIFFERS},
    "pos_errors_flat": {"purchases.missing": ADAPTS},
    "headers_of_limits": {"limits.headers": ADAPTS},
    "clock_an_hour_ahead": {"responses.clock": ADAPTS},
}
"""Deviations -> what is found, and nothing else."""

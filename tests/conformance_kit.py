"""Runs `crowdtwist-conformance` in this process, against a sandbox, free of the rate limit."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness import PRESENT, config_of, process_untouched, sandbox, tap_at

from tap_crowdtwist.conformance.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def conform(running: Sandbox, **settings: Any) -> Outcome:
    """Run the command about every other member of a sandbox, among them one that is deleted."""
    config = config_of(running, user_ids=running.roster()[1::2])
    return conform_with({**config, **settings})


def conform_with(config: Mapping[str, Any], file: Path | None = None) -> Outcome:
    """Run the command with a configuration, and have it write its report to a file."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with TemporaryDirectory() as folder, process_untouched():
        given, report = Path(folder, "config.json"), file or Path(folder, "report.json")
        given.write_text(json.dumps(config), encoding="utf-8")
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main(["--config", str(given), "--report", str(report)], tap_at(PRESENT))
            except SystemExit as stopped:
                code = stopped.code
        files = [
            file.read_text(encoding="utf-8") if file.exists() else ""
            for file in (report, report.with_suffix(".md"))
        ]
    said = out.getvalue().replace(folder, "")
    return Outcome(int(code or 0), said, err.getvalue(), *files)

"""Requests that a sweep of updated members saves: `python -m benchmarks.updated`.

A sandbox of 20,000 members, of whom 2 % change in a day, is read with `sweep_members` all on day 0,
and with updated on each of the seven days after it. On days 1, 3 and 7 the same day is also read
with all, from the same state. After each day, the rows of every stream with dates are compared with
the sandbox.

Prints a table in Markdown. Requests are the same on every machine. Seconds are those of a run
without a rate limit, so only their ratio means anything.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.feeds import Warehouse
from benchmarks.measure import Program
from benchmarks.report import table
from crowdtwist_sandbox import Sandbox, SandboxOptions
from tap_crowdtwist.cli import main as run_command_line
from tap_crowdtwist.tap import TapCrowdTwist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATED = ("user_activity_history", "purchases", "redemptions")
COMPARED_DAYS = (1, 3, 7)
"""Days after the sweep of all on which both kinds of sweep are measured."""

_TODAY = date(2026, 3, 10)
_TIMEOUT_SECONDS = 3600


class Cost(NamedTuple):
    """The cost of a run."""

    requests: int
    seconds: float
    state: dict[str, Any]


def run_tap_at(present: str, arguments: Sequence[str]) -> None:
    """Run the tap's command line with another current time; it does not return."""
    now = datetime.fromisoformat(present)

    class Tap(TapCrowdTwist):
        __doc__ = TapCrowdTwist.__doc__
        now = staticmethod(lambda: now)

    run_command_line(list(arguments), Tap)


class Runs:
    """Runs of the tap, in a process of its own each, against one sandbox.

    Args:
        sandbox: the sandbox.
        folder: for the files of the runs.
    """

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder

    def run(self, mode: str, day: int, state: Mapping[str, Any], warehouse: Warehouse) -> Cost:
        """Sync the streams that are on by default, and load the output.

        Raises:
            SystemExit: the run failed.
        """
        sandbox, folder = self._sandbox, self._folder
        members = "".join(f"{member}\n" for member in sandbox.roster())
        (folder / "members.txt").write_text(members, encoding="utf-8")
        settings = {
            "api_key": sandbox.api_key,
            "api_url": sandbox.api_url,
            "pos_url": sandbox.pos_url,
            "user_ids_path": str(folder / "members.txt"),
            "sweep_members": mode,
            "requests_per_minute": 10_000_000,
        }
        config, stored = folder / "config.json", folder / "state.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        stored.write_text(json.dumps(state), encoding="utf-8")
        # At midnight: the sandbox stands at the last second of the day, so nothing has happened
        # since that it does not show yet.
        present = datetime.combine(_TODAY, time(), timezone.utc) + timedelta(days=day + 1)
        command = [sys.executable, "-m", "benchmarks.updated", "--present", present.isoformat()]
        arguments = ["--config", str(config), "--state", str(stored)]
        sandbox.reset()
        usage = Program([*command, "--", *arguments], folder).run(_TIMEOUT_SECONDS)
        if usage.code:
            raise SystemExit((folder / "stderr").read_text(encoding="utf-8")[-2000:])
        with (folder / "stdout").open("rb") as lines:
            after = warehouse.load(lines)
        return Cost(sandbox.counts()["total"], usage.wall, after)


def measure(members: int, daily: float) -> str:
    """Return the table.

    Raises:
        SystemExit: a run failed, or a row is missing or wrong.
    """
    options = SandboxOptions(members=members, today=_TODAY, drift=False, daily_changes=daily)
    lines = []
    with Sandbox(options) as sandbox, tempfile.TemporaryDirectory() as temporary:
        runs = Runs(sandbox, Path(temporary))
        warehouse = Warehouse(DATED)
        state = runs.run("all", 0, {}, warehouse).state
        for day in range(1, max(COMPARED_DAYS) + 1):
            sandbox.advance()
            if day in COMPARED_DAYS:
                everybody = runs.run("all", day, state, Warehouse(()))
            updated = runs.run("updated", day, state, warehouse)
            state = updated.state
            rows, wrong = _compare(sandbox, warehouse)
            if wrong:
                raise SystemExit(f"day {day}: {wrong} of {rows} rows are missing or different")
            if day in COMPARED_DAYS:
                lines.append(_line(day, len(sandbox.roster()), everybody, updated, rows))
    return table(
        (
            "day",
            "`all`: requests",
            "per member",
            "`updated`: requests",
            "per member",
            "of the requests",
            "of the seconds",
            "rows compared",
        ),
        lines,
    )


def _compare(sandbox: Sandbox, warehouse: Warehouse) -> tuple[int, int]:
    counts = [warehouse.differing(sandbox, stream) for stream in DATED]
    return sum(count for count, _ in counts), sum(wrong for _, wrong in counts)


def _line(day: int, members: int, everybody: Cost, updated: Cost, rows: int) -> tuple[Any, ...]:
    return (
        day,
        everybody.requests,
        f"{everybody.requests / members:.3f}",
        updated.requests,
        f"{updated.requests / members:.3f}",
        f"{updated.requests / everybody.requests:.1%}",
        f"{updated.seconds / everybody.seconds:.1%}",
        rows,
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.updated", description=__doc__)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--daily-changes", type=float, default=0.02)
    parser.add_argument("--present", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.present:
        run_tap_at(given.present, given.arguments)
    sys.stdout.write(f"{measure(given.members, given.daily_changes)}\n")


if __name__ == "__main__":
    main()

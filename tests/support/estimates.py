"""Runs `--estimate` against a sandbox, and parses the tables that it prints."""

from __future__ import annotations

import re
import tempfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from support.harness import PRESENT, Result, config_of, files_in, run_cli, tap_at
from tap_crowdtwist.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from crowdtwist_sandbox import Sandbox
    from tap_crowdtwist.sync.run import SyncRun
    from tap_crowdtwist.tap import TapCrowdTwist

_RECORD = b'{"type":"RECORD"'
_SYNC = re.compile(r"(\S.*?|  from|  to)  +([\d,]+) +[\d,.]+ +[\d,.]+ +([\d,]+) +([\d,]+)")


class Cost(NamedTuple):
    """Requests, rows and bytes of one sync."""

    requests: int
    rows: int
    bytes: int


class Interval(NamedTuple):
    """The cost of a sync by an estimate, and the ends of the interval."""

    estimate: Cost
    low: Cost
    high: Cost

    def holds(self, cost: Cost) -> bool:
        """Whether rows and bytes of a real sync lie in the interval."""
        rows = self.low.rows <= cost.rows <= self.high.rows
        return rows and self.low.bytes <= cost.bytes <= self.high.bytes


def estimated(
    running: Sandbox,
    catalog: Mapping[str, Any] | None = None,
    present: datetime = PRESENT,
    code: int = 0,
    **settings: Any,
) -> Result:
    """Print an estimate of a sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        args = files_in(folder, config=config_of(running, **settings), catalog=catalog)
        result = run_cli(*args, "--estimate", tap=_rated_at(present))
    assert result.exit_code == code, result.stderr
    return result


def _rated_at(present: datetime) -> type[TapCrowdTwist]:
    """The tap that is not held back by its rate limit, but prints it."""
    unlimited: Any = tap_at(present)

    class RatedTap(unlimited):  # type: ignore[misc]
        @cached_property
        def run(self) -> SyncRun:
            run: SyncRun = super().run
            run.settings = Settings.from_config(self.config)
            return run

    return RatedTap


def syncs(result: Result) -> dict[str, Interval]:
    """The syncs that an estimate prints, by name."""
    found: dict[str, dict[str, Cost]] = {}
    name = ""
    for match in filter(None, map(_SYNC.fullmatch, result.stdout.splitlines())):
        label = match[1].strip()
        name = name if match[1].startswith(" ") else label
        cost = Cost(*(int(text.replace(",", "")) for text in match.groups()[1:]))
        found.setdefault(name, {})[label] = cost
    return {
        name: Interval(ends[name], ends.get("from", ends[name]), ends.get("to", ends[name]))
        for name, ends in found.items()
    }


def cost_of(run: Result) -> Cost:
    """The cost of a real run."""
    requests = re.search(r"(\d+) requests: \d+ sent again", run.stderr)
    assert requests is not None
    records = [
        line for line in run.stdout.encode().splitlines(keepends=True) if line.startswith(_RECORD)
    ]
    return Cost(int(requests[1]), len(records), sum(map(len, records)))

"""From a fault to the truth: one run under it, then runs without it for as long as they fail."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crowdtwist_sandbox.faults import ALL_FAULTS
from support.fake_clock_tap import sync
from support.harness import canonical, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crowdtwist_sandbox import Sandbox
    from support.harness import Result

Row = dict[str, Any]

RATE = "0.1"
AMOUNTS = {"late": 3, "drip": 3, "bomb": 2}
"""Parameters of faults that take real time: seconds, or megabytes."""

MOST_RUNS = 3
_OF_A_LISTING = re.compile(r"\| tap_crowdtwist\.api\.listing_checks +\| \w+: (?!.*Retrying)")
_ADVICE = re.compile(
    r"\b(?:check|set|lower|raise|deselect|correct) [^.]*`\w+`|[Tt]he next run|ask Oracle support"
)


@dataclass(frozen=True)
class FaultOutcome:
    """What became of a run under a fault.

    Attributes:
        results: of all runs, the one under the fault first.
        met: how often each fault came up.
        tries: attempts beyond the first, in the run under the fault.
        lost: rows of the truth that are not in the target at the end.
        wrong: rows in the target that are not in the truth.
    """

    results: tuple[Result, ...]
    met: Mapping[str, int]
    tries: int
    lost: int
    wrong: int

    @property
    def end(self) -> str:
        """How the truth was reached, in words."""
        first = self.results[0]
        if first.exit_code == 0:
            warned = _OF_A_LISTING.search(first.stderr)
            return "in the run, with a warning" if warned else "in the run"
        owed = "The next run retries" in first.last_line
        return f"by the next run, which {'retries the failed members' if owed else 'goes on'}"


def spec_of(fault: str) -> str:
    """The fault at 10 %; a lie in every listing."""
    if fault in ALL_FAULTS and ALL_FAULTS[fault].kind == "lie":
        return f"{fault}=1"
    amount = f":{AMOUNTS[fault]}" if fault in AMOUNTS else ""
    return f"{fault}{amount}={RATE}"


def run_under_fault(
    running: Sandbox, spec: str, streams: Sequence[str], **settings: Any
) -> FaultOutcome:
    """Run under a fault, then without until a run succeeds, each from the last one's state.

    Only what stood before the last STATE of a run counts as loaded, as after a crash.
    """
    running.reset()
    running.set_faults(spec)
    target: dict[str, dict[Any, Row]] = {stream: {} for stream in streams}
    results: list[Result] = []
    state = None
    met: dict[str, int] = {}
    try:
        while not results or results[-1].exit_code:
            assert len(results) < MOST_RUNS, results[-1].stderr
            result = sync(running, *streams, state=state, request_timeout=1, **settings)
            met = met or running.counts()["faults"]
            running.set_faults("")
            check(result)
            results.append(result)
            states = [n for n, m in enumerate(result.messages) if m["type"] == "STATE"]
            last = max(states, default=-1)
            state = result.messages[last]["value"] if last >= 0 else state
            for message in result.messages[: last + 1]:
                if message["type"] == "RECORD":
                    stream, row = message["stream"], message["record"]
                    target[stream][key_of(stream, row)] = row
    finally:
        running.set_faults("")
    lost = wrong = 0
    for stream in streams:
        true = _counted(stream, running.expected_rows(stream))
        found = _counted(stream, target[stream].values())
        lost += (true - found).total()
        wrong += (found - true).total()
    return FaultOutcome(tuple(results), met, _tries(results[0]), lost, wrong)


def check(result: Result) -> None:
    """However a run ended, it ended in good order; a failed one says why and what to do."""
    assert "Traceback" not in result.stderr
    if result.exit_code == 0:
        assert " | CRITICAL | " not in result.stderr
        return
    assert result.exit_code == 1
    assert result.stderr.count(" | CRITICAL | ") == 1
    assert " | CRITICAL | " in result.last_line
    assert _ADVICE.search(result.last_line), result.last_line


def _tries(result: Result) -> int:
    told = re.search(r"Summary: (\{.*)$", result.stderr, re.MULTILINE)
    return int(json.loads(told[1])["retried"]) if told else 0


def _counted(stream: str, rows: Iterable[Row]) -> Counter[str]:
    return Counter(json.dumps(_plain(row), sort_keys=True) for row in canonical(stream, rows))


def _plain(value: Any) -> Any:
    """A value with one form for a number, whole or not."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

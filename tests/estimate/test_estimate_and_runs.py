"""An estimate agrees with real runs; the page shows one as it is printed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.estimates import Cost, Interval, cost_of, estimated, syncs
from support.harness import DAY, PRESENT, run_tap, sandbox
from support.pages import DOCS, block

if TYPE_CHECKING:
    from pathlib import Path

PAGE = DOCS / "estimate.md"
TITLE = "What it prints"
SIZE = 60
"""Members that are asked for everything, and five times as many for lists with pages."""


def check(estimate: Interval, real: Cost) -> None:
    assert abs(estimate.estimate.requests - real.requests) < 0.1 * real.requests
    assert estimate.holds(real)


@pytest.mark.slow
def test_requests_are_within_10_percent_and_rows_and_bytes_in_the_interval() -> None:
    with sandbox(members=600) as running:
        settings: dict[str, Any] = {"user_ids": running.roster()}
        asked = estimated(running, sample_members=SIZE, **settings)
        assert "Asked were 60 of them, chosen by hash; 300 for lists with pages" in asked.stdout
        first = run_tap(running, **settings)
        check(syncs(asked)["first"], cost_of(first))

        # What the program itself offers members changes from day to day, so ask again.
        running.advance()
        tomorrow = PRESENT + DAY
        asked = estimated(running, present=tomorrow, sample_members=SIZE, **settings)
        daily = run_tap(running, state=first.state, present=tomorrow, **settings)
        check(syncs(asked)["daily, all"], cost_of(daily))

        updated = {**settings, "sweep_members": "updated"}
        daily = run_tap(running, state=first.state, present=tomorrow, **updated)
        check(syncs(asked)["daily, updated"], cost_of(daily))


@pytest.mark.slow
def test_the_estimate_on_the_page_is_what_the_tap_prints(tmp_path: Path) -> None:
    with sandbox(members=20_000, daily_changes=0.02) as running:
        running.write_data_push(tmp_path)
        settings: dict[str, Any] = {"data_push_path": str(tmp_path), "max_concurrency": 1}
        printed = estimated(running, **settings).stdout
    if "REGENERATE_ESTIMATE" in os.environ:
        text = PAGE.read_text(encoding="utf-8")
        fenced = re.compile(rf"(## {TITLE}\n.*?```text\n).*?(```\n)", re.DOTALL)
        PAGE.write_text(fenced.sub(rf"\g<1>{printed}\g<2>", text), encoding="utf-8")
    assert printed == block(TITLE, "text")

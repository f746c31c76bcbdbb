"""States that Meltano merges, whose keys never go (MeltanoLabs/Singer-Working-Group#6).

With `--full-refresh` or `--merge-state` each STATE is merged, at depth, into those before it: what
a later one lacks stays as an earlier one had it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.harness import entry_of, select
from support.scripted_host import DAY, NOW, Host, Outcome, purchases, run

from tap_crowdtwist.state import resume

pytestmark = pytest.mark.slow

MEMBERS = range(1, 8)


def merge(newer: dict[str, Any], older: dict[str, Any]) -> dict[str, Any]:
    """Merge as Meltano does (`meltano.core.utils.merge`), into the older one."""
    for key, value in newer.items():
        if isinstance(value, dict):
            merge(value, older.setdefault(key, {}))
        else:
            older[key] = value
    return older


def keep(outcome: Outcome, state: dict[str, Any]) -> None:
    """Merge every STATE of a run into what there was."""
    for message in json.loads(json.dumps(outcome.messages)):
        if message["type"] == "STATE":
            merge(message["value"], state)


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@settings(max_examples=15, deadline=None)
@given(lives=st.lists(st.none() | st.integers(2, 22), max_size=5))
def test_every_row_arrives_although_states_are_merged(method: str, lives: list[int | None]) -> None:
    catalog = select("purchases")
    key = "last_date_purchased" if method == "INCREMENTAL" else None
    entry_of(catalog, "purchases").update(replication_method=method, replication_key=key)
    state: dict[str, Any] = {}
    bought: set[str] = set()
    history = purchases(*MEMBERS)
    for day, life in enumerate([*lives, None, None]):
        now = NOW + day * DAY
        last = day > len(lives)
        for member in MEMBERS if not last else ():
            history[member].append(
                history[member][0]
                | {"purchase_id": f"p{member}/{day}"}
                | {"last_date_purchased": (now - DAY / 2).isoformat()}
            )
        outcome = run(Host(history, set()), MEMBERS, state, now=now, life=life, catalog=catalog)
        assert life is not None or outcome.error is None
        keep(outcome, state)
        bought |= set(outcome.bought)
    assert bought == {row["purchase_id"] for rows in history.values() for row in rows}


def test_the_run_after_a_full_refresh_asks_everybody() -> None:
    host = Host(purchases(*MEMBERS), set())
    state: dict[str, Any] = {}
    keep(run(host, MEMBERS, None), state)
    assert "after" in state["bookmarks"]["purchases"]["sweep"], "or else the next lines prove less"
    next_day = run(host, MEMBERS, state, now=NOW + DAY, start_date="2020-01-01", lookback_days=9999)
    assert len(next_day.bought) == len(MEMBERS)


def test_a_mark_of_yesterdays_run_lets_nothing_be_skipped() -> None:
    state = {"bookmarks": {"users": {"completed_at": "2026-02-28T12:00:00Z"}, "purchases": {}}}
    outcome = run(Host(purchases(*MEMBERS), set()), MEMBERS, state, life=6)
    keep(outcome, state)
    assert not resume.is_resumable(state, NOW)

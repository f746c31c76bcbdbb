"""Points expiration: two arrays of one answer, whose rows have keys that do not move."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.harness import DAY, PRESENT, key_of, run_tap, sandbox, without_nulls
from support.scripted_server import Server, answer

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

STREAM = "points_expiration"
ADA = 1000003


def test_two_periods_that_end_in_one_month_and_one_without_a_date_are_all_kept(
    world: Sandbox,
) -> None:
    ends: list[Any] = ["2026-05-15T00:00:00.000Z", "2026-05-31T00:00:00.000Z", None, "soon"]
    periods = [
        {"expiration_date": end, "points_expiring": number} for number, end in enumerate(ends)
    ]
    idle = [{"points_expiring": 8}, {"expiration_date": ends[0], "points_expiring": 9}]
    body = {f"redemption_period_{STREAM}": periods, f"inactivity_{STREAM}": idle}
    with Server(answer(json.dumps(body).encode())).running() as server:
        result = run_tap(world, STREAM, user_ids=[ADA], api_url=server.url)

    rows = {row["entry"]: row for row in result.records[STREAM]}
    assert {entry: row["points_expiring"] for entry, row in rows.items()} == {
        "2026-05": 0,
        "2026-05/2": 1,
        "undated": 2,
        "undated/2": 3,
        "1": 8,
        "2": 9,
    }
    assert rows["undated/2"]["additional_properties"] == {"expiration_date": "soon"}
    assert "expiration_date" not in without_nulls(rows["1"])


def test_an_activity_moves_a_date_and_leaves_no_row_behind() -> None:
    table: dict[tuple[Any, ...], dict[str, Any]] = {}
    dates: dict[int, set[str]] = {}
    with sandbox() as running:
        for day in range(3):
            result = run_tap(running, STREAM, present=PRESENT + day * DAY)
            table |= {key_of(STREAM, row): row for row in result.records[STREAM]}
            idle = [
                row for row in running.expected_rows(STREAM) if row["rule_type"] == "inactivity"
            ]
            for row in idle:
                dates.setdefault(row["user_id"], set()).add(row["expiration_date"])
            running.advance()
    assert any(len(moved) > 1 for moved in dates.values())
    kept = [row for row in table.values() if row["rule_type"] == "inactivity"]
    assert len(kept) == len(dates)

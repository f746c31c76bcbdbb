"""Points awaiting fulfillment: one object per member, from the POS host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import Result, queries, run_tap, without_nulls
from support.scripted_server import Server, answer

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

STREAM = "points_awaiting_fulfillment"
TOTAL, BONUS = f"total_{STREAM}", f"bonus_{STREAM}"
ADA = 1000003


def told(world: Sandbox, body: Any, code: int = 0) -> Result:
    """What the tap makes of an answer of the POS host."""
    with Server(answer(json.dumps(body).encode())).running() as server:
        return run_tap(world, STREAM, user_ids=[ADA], pos_url=server.url, code=code)


def test_each_member_is_one_row_of_the_pos_host(world: Sandbox) -> None:
    result = run_tap(world, STREAM)
    rows = [without_nulls(row) for row in result.records[STREAM]]
    assert rows == [without_nulls(row) for row in world.expected_rows(STREAM)]
    assert any(row[TOTAL] for row in rows)
    assert {host for host, _, _ in queries(world)} == {"pos"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"user_id": str(ADA), TOTAL: "12", BONUS: 3}, {TOTAL: 12, BONUS: 3}),
        ({TOTAL: 0}, {TOTAL: 0}),
        ({BONUS: 3, TOTAL: None}, {BONUS: 3}),
        ({TOTAL: 1, "new": 2}, {TOTAL: 1, "additional_properties": {"new": 2}}),
    ],
    ids=["both", "total only", "bonus only", "with more"],
)
def test_a_total_may_be_missing(world: Sandbox, body: Any, expected: dict[str, Any]) -> None:
    (row,) = told(world, body).records[STREAM]
    assert without_nulls(row) == {"user_id": ADA, **expected}


@pytest.mark.parametrize("body", [{}, [], {"user_id": ADA}, {"status": "ok"}], ids=str)
def test_an_answer_without_any_total_is_no_row(world: Sandbox, body: Any) -> None:
    result = told(world, body, code=1)
    assert not result.records
    assert f"1 member failed in `{STREAM}`" in result.last_line


def test_a_member_who_is_gone_is_missing_and_not_failed(world: Sandbox) -> None:
    result = run_tap(world, STREAM, user_ids=[ADA, 1000262])
    assert [row["user_id"] for row in result.records[STREAM]] == [ADA]

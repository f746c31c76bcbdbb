"""Answers of the API as its pages have them, with values of our own, hold nothing unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import run_tap
from support.scripted_server import Server, answer

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

SAMPLES = Path(__file__).with_name("fixtures") / "samples"
OF_API = ("coupons", "points_awaiting_fulfillment", "redemptions", "user_badges")


def records_of(world: Sandbox, stream: str) -> list[dict[str, Any]]:
    """The records that the tap makes of a sample, in which codes are withheld."""
    with Server(answer((SAMPLES / f"{stream}.json").read_bytes())).running() as server:
        urls: dict[str, Any] = {"api_url": server.url, "pos_url": server.url}
        # Without a date, the tap asks for the profile too, for which this server has no answer.
        result = run_tap(world, stream, user_ids=[4100017], start_date="2026-01-01", **urls)
    assert "unknown property" not in result.stderr
    assert "does not fit" not in result.stderr
    assert "MADE-UP-CO" not in result.stdout
    return result.records[stream]


@pytest.mark.parametrize("stream", OF_API)
def test_a_documented_answer_has_no_unknown_property(world: Sandbox, stream: str) -> None:
    records = records_of(world, stream)
    assert records
    assert all(record["additional_properties"] is None for record in records)


def test_names_that_the_pages_leave_open_arrive_in_their_column(world: Sandbox) -> None:
    assert all(record["expiration_date"] for record in records_of(world, "redemptions"))


def test_the_counts_beside_the_badges_are_in_each_row(world: Sandbox) -> None:
    sample = json.loads((SAMPLES / "user_badges.json").read_text(encoding="utf-8"))
    (badge,) = records_of(world, "user_badges")
    assert badge["user_counts"] == sample["user_counts"]

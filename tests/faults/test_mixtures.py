"""Faults that come together, or again and again, and what the tap never does about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.fault_scenarios import run_under_fault
from support.harness import STREAMS, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

pytestmark = pytest.mark.timeout(100)

LOGGER = "api.listing_checks"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(members=12) as started:
        yield started


@pytest.mark.parametrize(
    ("spec", "seed"),
    [
        ("all=0.1", 4),
        ("all=0.1", 5),
        ("all=0.02", 6),
        ("transient=0.3,lie=0.5", 7),
        ("persistent=0.1,transient=0.05", 8),
    ],
)
def test_mixed_faults_cost_no_row_however_many_ask_at_once(spec: str, seed: int) -> None:
    with sandbox(members=13, seed=seed, quirks=seed % 2 == 0) as running:
        outcome = run_under_fault(running, spec, STREAMS, max_concurrency=6)
    assert (outcome.lost, outcome.wrong) == (0, 0)


@pytest.mark.parametrize("spec", ["transient=0.1", "all=0.05"])
def test_without_any_retry_the_next_runs_bring_what_this_one_owes(
    spec: str, running: Sandbox
) -> None:
    outcome = run_under_fault(running, spec, STREAMS, max_retries=0, max_concurrency=3)
    assert len(outcome.results) > 1
    assert (outcome.lost, outcome.wrong) == (0, 0)


def test_members_known_by_another_id_are_no_exception(running: Sandbox) -> None:
    outcome = run_under_fault(running, "transient=0.1,invalid_auth@60", STREAMS, id_type="email")
    assert outcome.results[0].exit_code == 1
    assert (outcome.lost, outcome.wrong) == (0, 0)


def test_a_cookie_is_never_sent_back(running: Sandbox) -> None:
    run_under_fault(running, "cookie=1", STREAMS)
    assert running.counts()["faults"]["cookie"] > 50
    assert running.counts()["cookie_returned"] == 0


@pytest.mark.parametrize("fault", ["redirect", "redirect_away"])
def test_a_redirect_is_never_followed(fault: str, running: Sandbox) -> None:
    outcome = run_under_fault(running, f"{fault}=1", STREAMS)
    assert "which is never followed: check `api_url`" in outcome.results[0].last_line
    assert [asked for asked in running.requests() if "redirected" in asked["query"]] == []


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [("total_up=1", "57 rows but announces 58"), ("total_down=1", "57 rows but announces 56")],
)
def test_a_total_that_is_wrong_is_reported_with_both_numbers(
    spec: str, numbers: str, running: Sandbox
) -> None:
    stderr = run_under_fault(running, spec, STREAMS).results[0].stderr
    assert f"activities: a listing has {numbers}" in stderr


def test_listings_that_lie_warn_once_each_and_not_for_each_member(running: Sandbox) -> None:
    lines = run_under_fault(running, "next_missing=1", STREAMS).results[0].stderr.splitlines()
    warned = [line.partition(LOGGER)[2] for line in lines if LOGGER in line]
    assert warned
    assert len(warned) == len(set(warned))


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "reset_before", "login_page"])
def test_a_host_that_never_recovers_is_given_up(fault: str, running: Sandbox) -> None:
    """In tries or, by the tap's clock, in time; and what was asked for is there the next time."""
    outcome = run_under_fault(running, f"{fault}=1", ("purchases",), max_concurrency=1)
    assert len(outcome.results) == 2
    assert "12 members failed in `purchases`" in outcome.results[0].last_line
    assert sum(outcome.met.values()) <= 12 * 101
    assert (outcome.lost, outcome.wrong) == (0, 0)

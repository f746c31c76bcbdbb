"""`crowdtwist-conformance` confirms what is as assumed, and finds each thing that is not."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from support.conformance import (
    ADAPTS,
    CONFIRMED,
    DIFFERS,
    FOUND,
    UNKNOWN,
    conform,
    conform_with,
    plain,
)
from support.harness import PRESENT, config_of, process_untouched, sandbox, tap_at
from support.pages import block

from crowdtwist_sandbox.deviations import DEVIATIONS
from tap_crowdtwist.conformance import recorder
from tap_crowdtwist.conformance.assumptions import evaluate
from tap_crowdtwist.conformance.cli import command
from tap_crowdtwist.conformance.collector import MAX_MEMBERS
from tap_crowdtwist.conformance.evidence import Evidence
from tap_crowdtwist.conformance.findings import Outcome
from tap_crowdtwist.conformance.observations import Observation
from tap_crowdtwist.conformance.recorder import MAX_REQUESTS
from tap_crowdtwist.streams import API_STREAMS

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = "user_activity_history"


OPEN = {
    "auth.header",
    "auth.hmac",
    "limits.429",
    "receipts.inactive",
    "feeds.columns",
    "feeds.days",
    "feeds.live_expirations",
    "feeds.live_keys",
}
"""What a program that does all as assumed leaves open."""


def test_a_program_as_assumed_confirms_all_that_can_be_told() -> None:
    with plain() as running:
        result = conform(running)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.other == {}
    untold = {each["name"]: each for each in result.findings if each["outcome"] == UNKNOWN}
    assert set(untold) == OPEN
    assert all(each["advice"].startswith("needs: ") for each in untold.values())
    assert len(result.findings) > 100


@pytest.mark.parametrize("deviations", FOUND)
def test_each_deviation_is_found_and_nothing_else(deviations: str) -> None:
    with plain(deviations) as running:
        result = conform(running)
    assert result.other == FOUND[deviations]
    assert result.exit_code == (DIFFERS in FOUND[deviations].values())
    for name in FOUND[deviations]:
        assert result.named(name)["advice"], name


def test_every_deviation_of_the_sandbox_has_its_finding() -> None:
    assert {name for names in FOUND for name in names.split(",")} == set(DEVIATIONS)


@pytest.mark.parametrize("deviations", ["", "history_without_pages,history_cut", "drift"])
def test_it_stays_within_its_budget(deviations: str) -> None:
    drift = deviations == "drift"
    with sandbox(members=60, drift=drift, deviations="" if drift else deviations) as running:
        conform(running, user_ids=running.roster())
        asked = running.requests()
        roster = set(running.roster())
    assert 100 < len(asked) <= MAX_REQUESTS
    assert {request["method"] for request in asked} == {"GET"}
    named = {part for request in asked for part in request["path"].split("/")} & roster
    assert len(named) == MAX_MEMBERS


def test_a_wrong_key_is_told_and_asked_with_once() -> None:
    with plain() as running:
        result = conform(running, api_key="another-key")
        asked = running.requests()
    assert result.exit_code == 1
    assert result.named("auth.main")["outcome"] == DIFFERS
    assert "`auth_method` are header and hmac" in result.named("auth.main")["advice"]
    assert len(asked) <= 4
    assert "another-key" not in result.stdout + result.report + result.page


@pytest.mark.parametrize("method", ["header", "hmac"])
def test_the_method_of_the_user_is_the_one_that_is_judged(method: str) -> None:
    keys: dict[str, Any] = {"hmac_public_key": "public", "hmac_private_key": "private"}
    with plain(**(keys if method == "hmac" else {})) as running:
        result = conform(running, auth_method=method, **keys)
    assert result.exit_code == 0
    assert result.named(f"auth.{method}")["outcome"] == CONFIRMED


def test_a_signature_in_another_form_is_found_and_said_how_to_set() -> None:
    keys: dict[str, Any] = {"hmac_public_key": "public", "hmac_private_key": "private"}
    with plain(hmac_timestamp="seconds", hmac_digest="hex", **keys) as running:
        result = conform(running, auth_method="hmac", **keys)
        assert len(running.requests()) <= MAX_REQUESTS
    assert result.exit_code == 1
    assert result.named("auth.hmac")["outcome"] == DIFFERS
    wanted = "set `hmac_timestamp` to seconds and `hmac_digest` to hex"
    assert result.named("auth.hmac")["advice"] == wanted


def test_what_the_program_lacks_is_no_difference() -> None:
    with plain(receipt_scanning=False, expiration_rule=False) as running:
        result = conform(running)
    assert result.other == {}
    assert result.named("receipts.inactive")["outcome"] == CONFIRMED
    assert result.named("points_expiration.arrays")["outcome"] == CONFIRMED


def test_drift_is_something_that_the_tap_adapts_to() -> None:
    with sandbox() as running:
        result = conform(running)
    assert result.exit_code == 0
    assert set(result.other.values()) == {ADAPTS}
    assert f"{HISTORY}.key" in result.other
    assert "new_property_2026" in result.named("rewards.unknown")["observed"]
    assert "except credentials" in result.named("users.unknown")["advice"]


def test_a_budget_that_is_spent_leaves_the_rest_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_REQUESTS", 60)
    with plain() as running:
        result = conform(running)
        assert len(running.requests()) == 60
    assert (result.exit_code, result.other) == (0, {})
    assert "the budget was spent" in result.page
    assert result.named("users.types")["outcome"] == CONFIRMED
    assert result.named("receipts.types")["observed"] == "not requested"


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with plain() as running:
        result = conform_with(config_of(running), tmp_path / "nowhere" / "report.json")
    assert result.exit_code == 1
    assert result.stderr == (
        "crowdtwist-conformance: Option `--report`: No such file or directory\n"
    )


def test_the_page_may_be_asked_for_by_its_name(tmp_path: Path) -> None:
    with plain() as running:
        conform_with(config_of(running), tmp_path / "report.md")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.json", "report.md"]
    assert "## Differences" in (tmp_path / "report.md").read_text("utf-8")


def test_the_command_of_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, *arguments = shlex.split(block("Check your own program", "console"))
    assert name == "crowdtwist-conformance"
    monkeypatch.chdir(tmp_path)
    with plain() as running:
        (tmp_path / "config.json").write_text(json.dumps(config_of(running)), "utf-8")
        with process_untouched():
            command(arguments, obj=tap_at(PRESENT), standalone_mode=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "config.json",
        "report.json",
        "report.md",
    ]


def test_settings_are_checked_before_anything_is_asked() -> None:
    with plain() as running:
        result = conform(running, api_key=None)
        asked = running.requests()
    assert (result.exit_code, asked) == (1, [])
    assert result.stderr.startswith("crowdtwist-conformance: Setting `api_key`")


def test_any_kind_of_roster_will_do(tmp_path: Path) -> None:
    with plain() as running:
        by_address = conform(running, id_type="email", user_ids=running.roster("email")[1::2])
        assert (by_address.exit_code, by_address.other) == (0, {})
        running.write_data_push(tmp_path)
        changed = conform(
            running, sweep_members="changed", data_push_path=str(tmp_path), user_ids=None
        )
    assert (changed.exit_code, changed.other) == (0, {})
    assert changed.named("users.types")["outcome"] == CONFIRMED


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_passing_fault_is_no_difference(status: int) -> None:
    evidence = Evidence("query")
    for stream in API_STREAMS:
        look = Observation(stream.endpoint, 0, (), status, {}, b'{"error": "internal_error"}')
        evidence.observations.append(look)
        seen = evidence.streams[stream.name]
        seen.first = [look]
        seen.beyond = seen.larger = seen.missing = look
        seen.forms = {form.name: [look, look] for form in stream.endpoint.forms}
        evidence.existing = look
        evidence.deletions = [look]
    outcomes = {finding.name: finding.outcome for finding in evaluate(evidence)}
    hosts = {outcomes.pop("auth.main"), outcomes.pop("auth.pos")}
    assert hosts == {Outcome.DIFFERS}  # nobody knows whether the key is the right one
    assert outcomes.pop("limits.429") == (Outcome.ADAPTS if status == 429 else Outcome.UNKNOWN)
    outcomes.pop("limits.headers")
    assert set(outcomes.values()) == {Outcome.UNKNOWN}

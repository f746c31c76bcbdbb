"""It holds where people forget: the state, the log, a catalog from before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import MEMBER_STREAMS, STREAMS, discover, run_tap, sandbox, select

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

HASH_KEY = "a long enough hash key"
IDENTIFIERS = ("first_name", "last_name", "email_address", "username", "mobile_phone_number")


def identifiers(world: Sandbox) -> set[str]:
    """Values that name the members of a sandbox."""
    rows = list(world.expected_rows("users"))
    return {str(row[name]) for row in rows for name in IDENTIFIERS if row.get(name)} | {
        str(row["third_party_id"]) for row in rows if row.get("third_party_id")
    }


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_nobody_is_named_in_the_output_the_state_or_the_log(
    world: Sandbox, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CROWDTWIST_LOGLEVEL", "DEBUG")
    result = run_tap(world, *STREAMS, sensitive_data=mode, hash_key=HASH_KEY)
    names = {name for name in identifiers(world) if len(name) > 4}
    assert len(names) > 50
    assert not [name for name in names if name in result.stdout]
    assert not [name for name in names if name in result.stderr]
    assert HASH_KEY not in result.stdout + result.stderr


@pytest.mark.parametrize("id_type", ["email", "third_party_id"])
def test_an_id_that_names_somebody_is_hashed_in_the_state(id_type: str) -> None:
    with sandbox(members=12, faults="server_error@9") as world:
        ids = world.roster(id_type)
        result = run_tap(
            world,
            "purchases",
            id_type=id_type,
            sensitive_data="hash",
            hash_key=HASH_KEY,
            checkpoint_interval=0,
            code=1,  # the member whose request was the ninth is owed
        )
    states = json.dumps(result.states)
    assert '"after": "' in states
    assert '"failed": {"count": 1' in states
    assert not [member for member in ids if member in states]
    assert f'"id_type": "{id_type}, hashed ' in states


def test_an_interrupted_sweep_of_hashed_names_goes_on_where_it_was(world: Sandbox) -> None:
    settings: dict[str, Any] = {
        "id_type": "email",
        "sensitive_data": "hash",
        "hash_key": HASH_KEY,
        "checkpoint_interval": 0,
    }
    whole = run_tap(world, "users", **settings)
    sweeps = [(value["bookmarks"]["users"].get("sweep", {}), value) for value in whole.states]
    middle = next(value for sweep, value in sweeps if sweep.get("asked") == 9)
    rest = run_tap(world, "users", state=middle, **settings)
    assert rest.records["users"] == whole.records["users"][-len(rest.records["users"]) :]
    assert 0 < len(rest.records["users"]) < len(whole.records["users"]) - 5


def test_a_state_with_plain_names_is_not_taken_for_one_with_hashed_names(world: Sandbox) -> None:
    plain = run_tap(world, "purchases", id_type="email").state
    refused = run_tap(
        world,
        "purchases",
        id_type="email",
        state=plain,
        sensitive_data="hash",
        hash_key=HASH_KEY,
        code=1,
    )
    assert "Setting `id_type`" in refused.last_line


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_a_catalog_made_before_the_mode_was_set_lets_nothing_through(
    world: Sandbox, mode: str
) -> None:
    before = discover()
    for entry in before["streams"]:
        for each in entry["metadata"]:
            each["metadata"]["selected"] = True
    result = run_tap(world, catalog=before, sensitive_data=mode, hash_key=HASH_KEY)
    names = {name for name in identifiers(world) if len(name) > 4}
    assert not [name for name in names if name in result.stdout]
    schema = result.schemas["users"][0]["schema"]["properties"]
    assert ("first_name" in schema) is (mode == "hash")
    assert "custom_data" not in schema
    for stream in MEMBER_STREAMS:
        properties = result.schemas[stream][0]["schema"]["properties"].keys()
        assert all(record.keys() <= properties for record in result.records[stream])


@pytest.mark.parametrize("mode", ["hash", "drop"])
@pytest.mark.parametrize("key", [None, "tiny-one"])
def test_a_missing_hash_key_is_asked_for(world: Sandbox, mode: str, key: str | None) -> None:
    result = run_tap(world, "users", sensitive_data=mode, hash_key=key, code=1)
    said = result.last_line.rpartition("| ")[2]
    assert said.startswith(f"Setting `hash_key`: {'has fewer than 16' if key else 'is missing'}")
    assert "[redacted]" not in said


def test_a_selected_field_that_is_dropped_stays_dropped(world: Sandbox) -> None:
    catalog = select("users", users=["first_name", "total_points"])
    result = run_tap(world, catalog=catalog, sensitive_data="drop", hash_key=HASH_KEY)
    assert {frozenset(record) for record in result.records["users"]} == {
        frozenset({"id", "total_points"})
    }

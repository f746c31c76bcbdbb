"""Only what is selected is asked for, and only what is selected is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.harness import (
    MEMBER_STREAMS,
    OFF_BY_DEFAULT,
    PROGRAM_STREAMS,
    STREAMS,
    canonical,
    entry_of,
    queries,
    run_cli,
    run_tap,
    select,
    without_nulls,
)

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

ADA = 1000003
ENDPOINTS = {
    "activities": "/v2.1/activities/extended",
    "rewards": "/v2.1/rewards",
    "badges": "/v2.1/badges",
    "users": "/v2/users/{id}",
    "user_activities": "/v2/users/{id}/activities",
    "user_activity_history": "/v2.1/users/{id}/activity_history",
    "purchases": "/users/{id}/purchases",
    "user_rewards": "/v2.1/users/{id}/rewards",
    "redemptions": "/v2.2/users/{id}/redemption_history",
    "points_expiration": "/v2/users/{id}/points_expiration",
    "receipts": "/v2/users/{id}/receipts",
    "coupons": "/v2/users/{id}/usable_coupons",
    "user_badges": "/v2.1/users/{id}/badges",
    "points_awaiting_fulfillment": "/fulfillment/users/{id}",
}


def asked(world: Sandbox) -> set[str]:
    """The endpoints that were asked."""
    return {row["endpoint"] for row in world.counts()["requests"]}


FAR_BACK = "2015-01-01"
"""A start date, without which the first redemptions take a look at the profile."""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_asks_its_own_endpoint_and_no_other(world: Sandbox, stream: str) -> None:
    result = run_tap(world, stream, user_ids=[ADA], start_date=FAR_BACK)
    assert asked(world) == {ENDPOINTS[stream]}
    assert set(result.schemas) == {stream}
    assert set(result.records) <= {stream}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_deselected_stream_costs_no_request(world: Sandbox, stream: str) -> None:
    others = (other for other in STREAMS if other != stream)
    result = run_tap(world, *others, user_ids=[ADA], start_date=FAR_BACK)
    assert asked(world) == set(ENDPOINTS.values()) - {ENDPOINTS[stream]}
    assert stream not in result.schemas
    assert stream not in result.records


def test_without_a_catalog_the_streams_that_are_on_by_default_are_read(world: Sandbox) -> None:
    result = run_tap(world, user_ids=[ADA])
    assert set(result.schemas) == set(STREAMS) - set(OFF_BY_DEFAULT)


def test_program_streams_need_no_roster(world: Sandbox) -> None:
    result = run_tap(world, *PROGRAM_STREAMS, user_ids=None)
    assert set(result.records) == set(PROGRAM_STREAMS)
    assert "roster has" not in result.stderr


def test_only_the_first_shard_reads_program_streams(world: Sandbox) -> None:
    first = run_tap(world, *PROGRAM_STREAMS, "users", shard="1/2")
    assert set(first.records) == {*PROGRAM_STREAMS, "users"}

    second = run_tap(world, *PROGRAM_STREAMS, "users", shard="2/2")
    assert set(second.records) == {"users"}
    assert set(second.schemas) == {*PROGRAM_STREAMS, "users"}
    assert second.stderr.count("(program streams are read by the first shard)") == 3
    assert "ACTIVATE_VERSION" not in second.stdout


def test_a_roster_that_is_not_needed_is_not_read(world: Sandbox) -> None:
    run_tap(world, "badges", user_ids=None, user_ids_path="/nowhere/members.csv")


@pytest.mark.parametrize("stream", MEMBER_STREAMS)
def test_member_streams_need_a_roster(world: Sandbox, stream: str) -> None:
    result = run_tap(world, stream, user_ids=None, code=1)
    assert "Setting `user_ids_path`" in result.last_line
    assert queries(world) == []


def test_only_selected_fields_are_sent_and_described(world: Sandbox) -> None:
    catalog = select(purchases=["purchase_total"])
    result = run_tap(world, catalog=catalog)
    names = {"user_id", "purchase_id_type", "purchase_id", "last_date_purchased", "purchase_total"}
    (schema,) = result.schemas["purchases"]
    assert set(schema["schema"]["properties"]) == names
    wanted = [
        {name: row[name] for name in names if name in row}
        for row in world.expected_rows("purchases")
    ]
    assert all(set(record) == names for record in result.records["purchases"])
    assert canonical("purchases", result.records["purchases"]) == canonical("purchases", wanted)


def test_fields_of_objects_can_be_selected_one_by_one(world: Sandbox) -> None:
    nested = ["tier_info.tier_score", "tier_info.current_level", "tier_info.current_level.title"]
    result = run_tap(world, catalog=select(users=["tier_info", *nested]))
    (schema,) = result.schemas["users"]
    properties = schema["schema"]["properties"]
    assert set(properties) == {"id", "tier_info"}
    assert set(properties["tier_info"]["properties"]) == {"tier_score", "current_level"}
    assert set(properties["tier_info"]["properties"]["current_level"]["properties"]) == {"title"}

    def pruned(row: dict[str, Any]) -> dict[str, Any]:
        tier = row["tier_info"]
        level = tier["current_level"] and {"title": tier["current_level"]["title"]}
        return {
            "id": row["id"],
            "tier_info": {"tier_score": tier["tier_score"], "current_level": level},
        }

    assert [without_nulls(record) for record in result.records["users"]] == [
        without_nulls(pruned(row)) for row in world.expected_rows("users")
    ]


def test_an_object_that_is_deselected_takes_its_fields_with_it(world: Sandbox) -> None:
    result = run_tap(world, catalog=select(users=["first_name"]))
    assert {name for record in result.records["users"] for name in record} == {"id", "first_name"}


def test_a_deselected_property_does_not_come_back_as_an_unknown_one(world: Sandbox) -> None:
    result = run_tap(world, catalog=select(users=["additional_properties"]))
    extras = [row for row in result.records["users"] if row["additional_properties"]]
    assert extras
    assert {name for row in extras for name in row["additional_properties"]} == {
        "new_property_2026"
    }


def test_unknown_properties_can_be_deselected(world: Sandbox) -> None:
    result = run_tap(world, catalog=select(users=["first_name"]))
    assert "new_property_2026" not in result.stdout


def test_keys_are_sent_even_where_they_are_deselected(world: Sandbox) -> None:
    result = run_tap(world, catalog=select(points_expiration=[]))
    (schema,) = result.schemas["points_expiration"]
    keys = {"user_id", "rule_type", "entry"}
    assert set(schema["schema"]["properties"]) == keys
    assert all(set(record) == keys for record in result.records["points_expiration"])


def test_stream_maps_and_flattening_apply_to_what_is_selected(world: Sandbox) -> None:
    maps = {"users": {"__alias__": "people", "__filter__": "id < 1000020", "loud": "username"}}
    result = run_tap(
        world,
        "users",
        stream_maps=maps,
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert set(result.schemas) == set(result.records) == {"people"}
    true = [row for row in world.expected_rows("users") if row["id"] < 1000020]
    records = result.records["people"]
    assert [record["loud"] for record in records] == [row["username"] for row in true]
    assert [record["tier_info__tier_score"] for record in records] == [
        row["tier_info"]["tier_score"] for row in true
    ]


def test_discovery_asks_for_nothing_and_needs_nothing(world: Sandbox) -> None:
    assert run_cli("--discover").exit_code == 0
    assert queries(world) == []


def test_columns_that_a_kept_catalog_lacks_are_told(world: Sandbox) -> None:
    # Meltano keeps the discovered catalog over an upgrade of the tap (meltano/meltano#6763).
    catalog = select("users", purchases=["user_id", "purchase_id"])
    assert "lacks" not in run_tap(world, catalog=catalog).stderr
    for name in ("first_name", "tier_info"):
        del entry_of(catalog, "users")["schema"]["properties"][name]
    result = run_tap(world, catalog=catalog)
    assert result.stderr.count("Catalog: the schema of `users` lacks 2 columns (first: `") == 1
    assert result.stderr.count(" lacks ") == 1
    assert "first_name" not in result.records["users"][0]

"""Rosters of any kind of id lead to the same rows, keyed by the CrowdTwist id."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from support.harness import MEMBER_STREAMS, canonical, queries, run_tap

if TYPE_CHECKING:
    from crowdtwist_sandbox import Sandbox

ID_TYPES = {
    "email": "ada.sample+0@example.test",
    "third_party_id": "crm/00000000",
    "mobile_phone_number": "+15550000000",
    "username": "user_0",
    "facebook_user_id": "100000000000000",
    "twitter_user_id": "90000000",
}
STREAMS = ("users", "purchases", "redemptions", "points_expiration", "coupons", "user_activities")


def roster(world: Sandbox, id_type: str) -> list[str]:
    """The last few members of a sandbox, one of whom is gone."""
    return world.roster(id_type)[-12:]


def own(stream: str) -> str:
    return "id" if stream == "users" else "user_id"


@pytest.mark.parametrize("id_type", ID_TYPES)
def test_rows_are_those_of_the_members_whatever_they_are_called(
    world: Sandbox, id_type: str
) -> None:
    result = run_tap(world, *MEMBER_STREAMS, id_type=id_type, user_ids=roster(world, id_type))
    found = {row["id"] for row in result.records["users"]}
    assert len(found) > 3
    for stream in MEMBER_STREAMS:
        true = [row for row in world.expected_rows(stream) if row[own(stream)] in found]
        records = canonical(stream, result.records[stream])
        assert all(type(record[own(stream)]) is int for record in records)
        assert sorted(records, key=itemgetter(own(stream))) == canonical(stream, true)


@pytest.mark.parametrize("id_type", ID_TYPES)
def test_another_kind_of_id_costs_one_more_request_per_member_in_all(
    world: Sandbox, id_type: str
) -> None:
    members = roster(world, id_type)
    # Without a date, a look at the profile may tell whether redemptions are all.
    run_tap(world, *STREAMS, id_type=id_type, user_ids=members, start_date="2015-01-01")
    by_name = Counter(path for _, path, query in queries(world) if "id_type" in query)
    assert {unquote(path) for path in by_name} == {f"/v2/users/{member}" for member in members}
    living = {
        row["path"] for row in world.requests() if row["status"] == 200 and row["path"] in by_name
    }
    assert {by_name[path] for path in living} == {2}
    assert {by_name[path] for path in by_name.keys() - living} <= {len(STREAMS)}


@pytest.mark.parametrize("id_type", ID_TYPES)
def test_every_other_resource_is_asked_for_by_numeric_id(world: Sandbox, id_type: str) -> None:
    run_tap(world, *MEMBER_STREAMS, id_type=id_type, user_ids=[ID_TYPES[id_type]])
    others = [(path, query) for _, path, query in queries(world) if path.count("/") > 3]
    assert others
    assert {path.split("/users/")[1].split("/")[0] for path, _ in others} == {"1000003"}
    assert not any("id_type" in query for _, query in others)


@pytest.mark.parametrize("id_type", ID_TYPES)
def test_the_point_of_sale_host_is_only_asked_by_numeric_id(world: Sandbox, id_type: str) -> None:
    run_tap(world, "purchases", id_type=id_type, user_ids=roster(world, id_type))
    paths = {path for host, path, _ in queries(world) if host == "pos"}
    assert paths
    assert all(path.split("/")[2].isdecimal() for path in paths)
    assert not any("id_type" in query for host, _, query in queries(world) if host == "pos")


def test_numeric_ids_cost_no_profile(world: Sandbox) -> None:
    run_tap(world, "purchases", "redemptions", start_date="2015-01-01")
    assert not any(path.startswith("/v2/") for _, path, _ in queries(world))


def test_ids_are_percent_encoded_in_the_path(world: Sandbox) -> None:
    run_tap(world, "users", id_type="third_party_id", user_ids=["crm/00000001"])
    run_tap(world, "users", id_type="email", user_ids=["ada.sample+1@example.test"])
    assert [(row["path"], row["status"]) for row in world.requests()] == [
        ("/v2/users/crm%2F00000001", 200),
        ("/v2/users/ada.sample%2B1%40example.test", 200),
    ]


def test_two_names_of_one_member_do_not_mix_members_up(world: Sandbox) -> None:
    emails = ["ada.sample+2@example.test", "ada.sample+0@example.test"]
    result = run_tap(world, "users", id_type="email", user_ids=emails * 2)
    assert [row["id"] for row in result.records["users"]] == [1000003, 1000017]


def test_no_id_of_a_member_is_logged(world: Sandbox) -> None:
    result = run_tap(world, *STREAMS, id_type="email")
    assert "ada.sample" not in result.stderr

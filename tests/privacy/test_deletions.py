"""A member whom CrowdTwist has deleted gets a row that says so; one it never knew does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.harness import config_of, queries, run_tap, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crowdtwist_sandbox import Sandbox

GONE = 1_000_262
NEVER = 999_999_999


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    with sandbox(members=60) as running:
        yield running


def read(world: Sandbox, *ids: int, **settings: Any) -> list[dict[str, Any]]:
    chosen: dict[str, Any] = {"deleted_members": "tombstone", "max_missing_ratio": 1} | settings
    return run_tap(world, "users", user_ids=list(ids), **chosen).records["users"]


def test_a_deleted_member_becomes_a_tombstone(world: Sandbox) -> None:
    alive, gone = read(world, 1_000_003, GONE)
    assert alive["_sdc_deleted_at"] is None
    assert gone["id"] == GONE
    assert gone["_sdc_deleted_at"] == gone["deletion_status_history"][-1]["date"]
    assert gone["_sdc_deleted_at"].endswith("Z")
    assert gone["deletion_status"] == gone["deletion_status_history"][-1]["status"]
    known = {"id", "_sdc_deleted_at"} | {name for name in gone if name.startswith("deletion_")}
    assert {name for name, value in gone.items() if value is not None} <= known


def test_who_was_never_a_member_gets_no_row_and_is_counted_as_missing(world: Sandbox) -> None:
    result = run_tap(
        world,
        "users",
        user_ids=[1_000_003, NEVER],
        deleted_members="tombstone",
        max_missing_ratio=1,
    )
    assert [row["id"] for row in result.records["users"]] == [1_000_003]
    assert '"missing":1,"deleted":0' in result.stderr


def test_deleted_members_are_counted_as_such_and_do_not_speak_against_the_roster(
    world: Sandbox,
) -> None:
    result = run_tap(
        world, "users", user_ids=[GONE], deleted_members="tombstone", max_missing_ratio=0
    )
    assert '"missing":0,"deleted":1' in result.stderr


def test_a_second_run_says_the_same(world: Sandbox) -> None:
    assert read(world, GONE) == read(world, GONE)


def test_nothing_is_asked_where_deletions_are_ignored(world: Sandbox) -> None:
    world.reset()
    assert read(world, GONE, deleted_members="ignore") == []
    assert [path for _, path, _ in queries(world)] == [f"/v2/users/{GONE}"]


def test_one_more_request_per_member_that_is_not_found(world: Sandbox) -> None:
    world.reset()
    read(world, 1_000_003, GONE)
    assert [path for _, path, _ in queries(world) if "delete" in path] == [
        f"/v2/users/delete/{GONE}"
    ]


def test_an_address_that_finds_nobody_is_no_deletion(world: Sandbox) -> None:
    config = config_of(world)
    assert config["deleted_members"] == "ignore"
    world.reset()
    rows = read(world, "nobody@example.test", id_type="email")  # type: ignore[arg-type]
    assert rows == []
    assert not [path for _, path, _ in queries(world) if "delete" in path]


def test_who_initiated_a_deletion_is_personal_data(world: Sandbox) -> None:
    settings = {"sensitive_data": "drop", "hash_key": "a long enough hash key"}
    (gone,) = read(world, GONE, **settings)
    assert "deletion_initiated_by" not in gone
    assert gone["deletion_status"]

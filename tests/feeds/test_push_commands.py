"""Feeds on the command line: what is discovered, checked, refused and left to the first shard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.harness import discover, run_cli, run_tap, select
from support.push_files import (
    ANYWHERE,
    BATCH,
    PUSH,
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

LIVE = ("users", "activities", "redemptions", "points_expiration", "segments")


def discovered(**paths: str) -> set[str]:
    return {entry["tap_stream_id"] for entry in discover(paths)["streams"]}


def lines_of(output: str) -> dict[str, str]:
    rows = [line.split(maxsplit=2) for line in output.splitlines()]
    return {name: f"{works} {said}" for works, name, said in rows}


def test_streams_of_files_are_discovered_where_a_setting_says_where_they_are() -> None:
    of_api = discovered()
    assert not of_api & {*PUSH, BATCH}
    assert discovered(data_push_path="in") - of_api == set(PUSH)
    assert discovered(batch_activity_path="in") - of_api == {BATCH}
    assert discovered(live_push_path="in") - of_api == {f"live_{name}" for name in LIVE}


def test_discovery_needs_no_key_and_looks_at_no_file(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"data_push_path": str(tmp_path / "nowhere")}), encoding="utf-8")
    result = run_cli("--config", config, "--discover")
    assert result.exit_code == 0
    entries = {entry["tap_stream_id"]: entry for entry in json.loads(result.stdout)["streams"]}
    assert set(PUSH) <= set(entries)
    assert entries["push_users"]["replication_key"] == "file_name"
    assert entries["push_users"]["replication_method"] == "INCREMENTAL"


def test_files_alone_need_no_key(tmp_path: Path) -> None:
    put_days(tmp_path, 1)
    assert ids(read(tmp_path)) == [1, 101]


@pytest.mark.parametrize("command", ["", "--test"])
def test_a_stream_of_the_api_needs_a_key_beside_files_too(tmp_path: Path, command: str) -> None:
    put_days(tmp_path, 1)
    result = read(tmp_path, "push_users", "activities", option=command, code=1)
    check_failure(result, "Setting `api_key`: is missing; set it in the file given as --config")
    assert not result.stdout


def test_a_catalog_that_selects_files_of_which_nothing_is_known_is_refused(
    world: Sandbox,
) -> None:
    catalog = select("push_users", "activities", paths=ANYWHERE)
    result = run_tap(world, catalog=catalog, code=1)
    check_failure(
        result, "Setting `data_push_path`: is missing, although the catalog selects `push_users`"
    )
    assert not result.stdout


def test_a_catalog_may_name_files_that_it_does_not_select(world: Sandbox) -> None:
    assert run_tap(world, catalog=select("activities", paths=ANYWHERE)).records["activities"]


def test_files_and_the_api_are_read_in_one_run(world: Sandbox, tmp_path: Path) -> None:
    put(tmp_path, name_of("PROFILE", 10), profiles(7))
    broken = put(tmp_path, name_of("USER_ACTIVITY", 10), b"PK")
    result = run_tap(
        world,
        "activities",
        "push_users",
        "push_user_activities",
        data_push_path=str(tmp_path),
        code=1,
    )
    check_failure(result, f"Incomplete: Setting `data_push_path`: {broken.name!r} is")
    assert set(result.records) == {"activities", "push_users"}


def test_only_the_first_shard_reads_files(tmp_path: Path) -> None:
    put_days(tmp_path, 1)
    assert ids(read(tmp_path, shard="1/3")) == [1, 101]
    for shard in ("2/3", "3/3"):
        result = read(tmp_path, *PUSH, shard=shard)
        assert not result.records
        assert "push_users" in result.schemas
        assert "(files are read by the first shard)" in result.stderr


def test_the_check_says_of_each_feed_what_is_there(tmp_path: Path) -> None:
    put_days(tmp_path, 1, 2)
    put(tmp_path, name_of("USER_ACTIVITY", 1), table({"user_activity_id": 1}))
    put(tmp_path, name_of("USER_ACTIVITY", 2), b"user_activity_id\n")
    put(tmp_path, name_of("USER_REDEMPTION", 2), b"PK")
    result = read(tmp_path, *PUSH, option="--test", code=1)
    said = lines_of(result.stdout)
    assert said["push_users"] == (
        "ok files: 2, newest: 2_512_PROFILE_20260302.zip; its first row can be read"
    )
    assert said["push_user_activities"].endswith("_20260302.zip; it has no rows")
    assert said["push_redemptions"].startswith("FAIL Setting `data_push_path`: '2_512_USER_RED")
    assert said["push_points_expiration"] == "ok no file of this feed was found"
    assert "1 of the checks failed; the lines above say what to do" in result.last_line


@pytest.mark.parametrize(
    ("content", "code"), [(b"a@b.test||||5\n", 0), (b"", 0), (None, 1)], ids=["row", "none", "gone"]
)
def test_the_check_reads_batch_files_too(tmp_path: Path, content: bytes | None, code: int) -> None:
    if content is not None:
        put(tmp_path / "in", "activities_512_20260310000000.txt", content)
    where: dict[str, Any] = {"setting": "batch_activity_path", "option": "--test"}
    result = read(tmp_path / "in", BATCH, code=code, **where)
    assert lines_of(result.stdout)[BATCH].startswith("FAIL" if code else "ok files: 1, newest: ")
